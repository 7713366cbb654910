// A spectrum as a curve for a chart: how much of a group's variance its leading components explain together.

import { z } from 'zod';
import { itemAt } from '../../platform/indexing.ts';
import { type Frozen, numbers, ofOneLength } from '../../platform/schemas.ts';
import type { Group } from './grouping.ts';

const spectrumCurve = z
  .object({
    group: z.string(),
    /** The layers that the group lies in: one, unless layers share it. */
    layers: numbers,
    /** Components there are. */
    of: z.number(),
    /** Rising, from 1 to all. */
    ranks: numbers,
    /** Cumulative share of the variance at each of the ranks, to four decimals. */
    explained: numbers,
  })
  .check(ofOneLength('ranks', 'explained'));

export const spectrumCurves = z.array(spectrumCurve);
export type SpectrumCurve = Frozen<z.infer<typeof spectrumCurve>>;

/** Shares of the components up to which a curve has its points: denser where a spectrum falls, at its beginning. */
const curveShares: readonly number[] = Array.from({ length: 24 }, (_, i) => ((i + 1) / 24) ** 1.5);

export function curveOf({ name, members }: Group, explainedVarianceRatio: ArrayLike<number>): SpectrumCurve {
  const of = explainedVarianceRatio.length;
  const wanted = curveShares.map((share) => Math.max(1, Math.round(of * share)));
  const ranks = of > 0 ? [...new Set([1, ...wanted])] : [];
  let sum = 0;
  const cumulative = Array.from(explainedVarianceRatio, (share) => (sum += share));
  return {
    group: name,
    layers: [...new Set(members.map(({ layer }) => layer))],
    of,
    ranks,
    explained: ranks.map((rank) => Math.round(itemAt(cumulative, rank - 1) * 1e4) / 1e4),
  };
}
