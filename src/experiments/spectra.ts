// The spectra of a study's groups, each once, however many cells it is in.

import { curveOf, type SpectrumCurve } from '../operations/pca/curves.ts';
import type { Decompositions } from '../operations/pca/decompositions.ts';
import { type Group, groupsOf } from '../operations/pca/grouping.ts';
import type { PcaOperation } from '../operations/pca/spec.ts';
import { itemAt } from '../platform/indexing.ts';

type Shape = Parameters<typeof groupsOf>[3];

interface Wanted {
  readonly group: Group;
  readonly operation: PcaOperation;
}

/**
 * Spectra of the operations' groups, in the order of the operations. Controls share those of the operation that they
 * control.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite
 */
export async function curvesOf(
  decompositions: Decompositions,
  operations: readonly PcaOperation[],
  onProgress?: (done: number, total: number) => void,
): Promise<SpectrumCurve[]> {
  const wanted = wantedGroups(operations, decompositions.checkpoint.config);
  const curves: SpectrumCurve[] = [];
  for (const [i, { group, operation }] of wanted.entries()) {
    const { center, balance } = operation;
    const spectra = await decompositions.spectra([group], { center, balance });
    curves.push(curveOf(group, itemAt(spectra, 0).explainedVarianceRatio));
    onProgress?.(i + 1, wanted.length);
  }
  return curves;
}

/** Whether these are the curves of the operations, and not those of fewer or others before more were asked for. */
export function areCurvesOf(
  curves: readonly SpectrumCurve[],
  operations: readonly PcaOperation[],
  config: Shape,
): boolean {
  const wanted = wantedGroups(operations, config).map(({ group }) => curveOf(group, []));
  const name = ({ group, layers }: Pick<SpectrumCurve, 'group' | 'layers'>) => `${group} ${layers.join()}`;
  return curves.map(name).join(';') === wanted.map(name).join(';');
}

function wantedGroups(operations: readonly PcaOperation[], config: Shape): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const operation of operations) {
    if (operation.control) continue;
    const { mode, targets, layers, center, balance } = operation;
    for (const group of groupsOf(mode, targets, layers, config)) {
      const key = JSON.stringify([center, balance, group.members]);
      if (!wanted.has(key)) wanted.set(key, { group, operation });
    }
  }
  return [...wanted.values()];
}
