// Spectra of every group, and the ranks that thresholds would need: an operation's first half, for inspection.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { rankForVariance } from '../linalg/pca.ts';
import { groupsOf, type Mode } from './groups.ts';
import { type LayersOptions, overLayers } from './layers.ts';

/** The thresholds at which ranks are listed. */
export const thresholds = [0.99, 0.975, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1] as const;

export interface Spectrum {
  readonly layer: number;
  readonly group: string;
  /** Share of the variance along each component, largest first. */
  readonly explainedVarianceRatio: readonly number[];
  /** Rank that reaches each of {@link thresholds}. */
  readonly ranks: readonly number[];
}

/**
 * Spectrum of each group of each layer.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite
 */
export async function spectra(checkpoint: Checkpoint, mode: Mode, options: LayersOptions = {}): Promise<Spectrum[]> {
  const groups = groupsOf(mode);
  const results = await overLayers<Float64Array>(
    checkpoint,
    groups,
    'groupSpectrum',
    (_, members, fit) => [members, fit],
    options,
  );
  return results.flatMap((ratios, layer) =>
    ratios.map((ratio, i) => ({
      layer,
      group: groups[i]?.name ?? '',
      explainedVarianceRatio: [...ratio],
      ranks: thresholds.map((variance) => rankForVariance(ratio, variance)),
    })),
  );
}
