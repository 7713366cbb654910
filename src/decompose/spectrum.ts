// Spectra of every group, and the ranks that thresholds would need: an operation's first half, for inspection.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { rankForVariance } from '../linalg/pca.ts';
import { fitGroup } from './group.ts';
import { groupsOf, type Mode } from './groups.ts';

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

/** Spectrum of each group of each layer. */
export async function spectra(
  checkpoint: Checkpoint,
  mode: Mode,
  onProgress?: (done: number, total: number) => void,
): Promise<Spectrum[]> {
  const groups = groupsOf(mode);
  const out: Spectrum[] = [];
  for (let layer = 0; layer < checkpoint.config.layers; layer++) {
    for (const group of groups) {
      const { pca } = await fitGroup(checkpoint, layer, group, () => 0);
      const ratio = pca.explainedVarianceRatio;
      out.push({
        layer,
        group: group.name,
        explainedVarianceRatio: [...ratio],
        ranks: thresholds.map((variance) => rankForVariance(ratio, variance)),
      });
      onProgress?.(out.length, checkpoint.config.layers * groups.length);
    }
  }
  return out;
}
