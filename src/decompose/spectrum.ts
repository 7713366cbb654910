// Spectra of groups: whole, with the ranks that thresholds would need, for inspection; and as curves, for charts.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { explainedRatios, rankForVariance } from '../linalg/pca.ts';
import { Fits, type FitsOptions, type OnProgress } from './fits.ts';
import { type Group, groupsOf, type Mode } from './groups.ts';
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

/** How much of a group's variance its leading components explain together, at some ranks: a spectrum for a chart. */
export interface Curve {
  readonly group: string;
  /** The layers that the group lies in: one, unless layers share it. */
  readonly layers: readonly number[];
  /** Components there are. */
  readonly of: number;
  /** Rising, from 1 to all. */
  readonly ranks: readonly number[];
  /** Cumulative share of the variance at each of the ranks, to four decimals. */
  readonly explained: readonly number[];
}

/** Points of a curve: denser where a spectrum falls, at its beginning. */
const curvePoints = 24;

export function curveOf({ name, parts }: Group, explainedVarianceRatio: ArrayLike<number>): Curve {
  const of = explainedVarianceRatio.length;
  const wanted = Array.from({ length: curvePoints }, (_, i) =>
    Math.max(1, Math.round(of * ((i + 1) / curvePoints) ** 1.5)),
  );
  const ranks = of > 0 ? [...new Set([1, ...wanted])] : [];
  let sum = 0;
  const cumulative = Array.from(explainedVarianceRatio, (share) => (sum += share));
  return {
    group: name,
    layers: [...new Set(parts.map(({ layer }) => layer))],
    of,
    ranks,
    explained: ranks.map((rank) => Math.round((cumulative[rank - 1] ?? 0) * 1e4) / 1e4),
  };
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
