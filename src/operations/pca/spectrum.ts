// Spectra of groups, with the ranks that thresholds would need.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { rankForVariance } from '../../linalg/pca.ts';
import { type AllowedOptions, aFunction, requireOptions } from '../../platform/arguments.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { OperatorSettings } from '../kind.ts';
import { operatorOptions } from '../operator.ts';
import { completeRecipe } from '../recipe.ts';
import { Decompositions, type OnProgress } from './decompositions.ts';
import { groupsOf } from './grouping.ts';
import type { PcaOperation, PcaSpec } from './spec.ts';

/** The thresholds at which ranks are listed. */
export const thresholds = [0.99, 0.975, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1] as const;

export interface Spectrum {
  /** Undefined for a group over all layers. */
  readonly layer: number | undefined;
  readonly group: string;
  /** Share of the variance along each component, largest first. */
  readonly explainedVarianceRatio: readonly number[];
  /** Rank that reaches each of {@link thresholds}. */
  readonly ranks: readonly number[];
}

export type SpectraOptions = Pick<OperatorSettings, 'threads' | 'dtype' | 'engine'> & {
  readonly onProgress?: OnProgress;
};

const { upcoming: _, ...settings } = operatorOptions;
const spectraOptions: AllowedOptions<SpectraOptions> = { ...settings, onProgress: aFunction };

/**
 * Spectrum of each group of the chosen projections and layers.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite
 */
export async function spectra(
  checkpoint: Checkpoint,
  spec: Pick<PcaSpec, 'mode' | 'targets' | 'layers' | 'center' | 'balance'>,
  allOptions: SpectraOptions = {},
): Promise<Spectrum[]> {
  requireCheckpoint(checkpoint);
  requireOptions('spectra', allOptions, spectraOptions);
  const { onProgress, ...options } = allOptions;
  const [operation] = completeRecipe([{ kind: 'pca', ...spec }], checkpoint.config);
  const { mode, targets, layers, center, balance } = operation as PcaOperation;
  const groups = groupsOf(mode, targets, layers, checkpoint.config);
  const decompositions = new Decompositions(checkpoint, options);
  try {
    const found = await decompositions.spectra(groups, { center, balance }, onProgress);
    return groups.map(({ name, layer }, i) => {
      const ratio = itemAt(found, i).explainedVarianceRatio;
      const ranks = thresholds.map((variance) => rankForVariance(ratio, variance));
      return { layer, group: name, explainedVarianceRatio: [...ratio], ranks };
    });
  } finally {
    await decompositions.close();
  }
}
