// Spectra of every group, and the ranks that thresholds would need: an operation's first half, for inspection.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { explainedRatios, rankForVariance } from '../linalg/pca.ts';
import { Fits, type FitsOptions, type OnProgress } from './fits.ts';
import { groupsOf, type Mode } from './groups.ts';
import { settled } from './operation.ts';

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

/**
 * Spectrum of each group of the attention's q, k and v in all layers.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite
 */
export async function spectra(
  checkpoint: Checkpoint,
  mode: Mode,
  { onProgress, ...options }: FitsOptions & { readonly onProgress?: OnProgress } = {},
): Promise<Spectrum[]> {
  const { targets, layers } = settled({ mode, mean: 'keep' }, checkpoint.config);
  const groups = groupsOf(mode, targets, layers, checkpoint.config);
  const fits = new Fits(checkpoint, options);
  try {
    const found = await fits.spectra(groups, { center: true, balance: false }, onProgress);
    return groups.map(({ name, layer }, i) => {
      const ratio = explainedRatios(found[i]?.eigenvalues ?? new Float64Array());
      const ranks = thresholds.map((variance) => rankForVariance(ratio, variance));
      return { layer, group: name, explainedVarianceRatio: [...ratio], ranks };
    });
  } finally {
    await fits.close();
  }
}
