// Recipes of one PCA, for tests that look at what it did.
import type { Checkpoint } from '../../src/checkpoint/reader.ts';
import type { OperatorSettings } from '../../src/operations/kind.ts';
import { type OnProgress, type Operated, type Operator, operate } from '../../src/operations/operator.ts';
import type { PcaReport } from '../../src/operations/pca/report.ts';
import type { PcaSpec } from '../../src/operations/pca/spec.ts';

export type PcaParameters = Omit<PcaSpec, 'kind'>;

/** {@link operate} with one PCA, and its report with the tensors. */
export async function operatePca(
  checkpoint: Checkpoint,
  parameters: PcaParameters,
  settings: OperatorSettings & { readonly onProgress?: OnProgress } = {},
) {
  return withReport(await operate(checkpoint, [{ kind: 'pca', ...parameters }], settings));
}

/** {@link Operator.apply} with one PCA. */
export async function applyPca(operator: Operator, parameters: PcaParameters) {
  return withReport(await operator.apply([{ kind: 'pca', ...parameters }]));
}

function withReport(
  operated: Operated,
): Operated & Pick<PcaReport, 'layers'> & { curves: NonNullable<PcaReport['curves']>; fromCache: number } {
  const [report] = operated.reports;
  if (report?.kind !== 'pca') throw new TypeError('the recipe was not one PCA');
  const { layers, curves = [], fromCache = 0 } = report;
  return { ...operated, layers, curves, fromCache };
}
