// What a PCA reports of each layer's groups: ranks, explained variance, errors, parameters.
import { z } from 'zod';
import { itemAt } from '../../platform/indexing.ts';
import { type Frozen, numbersByName } from '../../platform/schemas.ts';
import { spectrumCurves } from './curves.ts';
import type { RebuiltGroup } from './group-pca.ts';
import type { Group } from './grouping.ts';

const groupReport = z
  .object({
    name: z.string(),
    rank: z.number(),
    /** Components there are: min(rows, columns) of the stacked matrix. */
    of: z.number(),
    /** Share of the variance that the kept components explain. */
    explained: z.number(),
    /** ‖W − Ŵ‖ / ‖W‖ in Frobenius norm by projection, before rounding to the dtype. */
    relativeError: numbersByName,
    /**
     * √(tr(E C Eᵀ) / tr(W C Wᵀ)) by projection, E = W − Ŵ and C the second moment of the calibration text's inputs: the
     * relative error of the outputs, before rounding. Not known where no text was read.
     */
    outputError: numbersByName.optional(),
    /** ‖W‖² by projection. */
    squaredNorm: numbersByName,
    /**
     * Parameters as dense matrices, and as `rank × (in + Σ out)` if the factors were kept instead. Layers that share a
     * group share its `rank × in` equally.
     */
    parameters: z.object({ dense: z.number(), factored: z.number() }),
  })
  .refine(({ relativeError, squaredNorm }) => `${Object.keys(relativeError)}` === `${Object.keys(squaredNorm)}`, {
    path: ['squaredNorm'],
    message: 'expected the projections of relativeError',
  });

export const layerReport = z.object({ layer: z.number(), groups: z.array(groupReport) });

export const pcaReport = z.object({
  kind: z.literal('pca'),
  layers: z.array(layerReport),
  /** The spectrum of each group; a study holds them once for all of its cells. */
  curves: spectrumCurves.optional(),
  /** Groups whose components came from the cache. */
  fromCache: z.number().optional(),
});

/** What an operation did to one group, or to a layer's share of a group over several layers. */
export type GroupReport = Frozen<z.infer<typeof groupReport>>;
export type LayerReport = Frozen<z.infer<typeof layerReport>>;
export type PcaReport = Frozen<z.infer<typeof pcaReport>>;

export function reportOf(group: Group, { rank, of, explained, members }: RebuiltGroup, layer: number): GroupReport {
  const relativeError: Record<string, number> = {};
  const squaredNorms: Record<string, number> = {};
  let [outs, ins] = [0, 0];
  for (const [i, { projection, layer: from }] of group.members.entries()) {
    if (group.layer === undefined && from !== layer) continue;
    const { values, cols, squaredError, squaredNorm } = itemAt(members, i);
    relativeError[projection] = squaredNorm > 0 ? Math.sqrt(squaredError / squaredNorm) : 0;
    squaredNorms[projection] = squaredNorm;
    ins = cols;
    outs += values.length / cols;
  }
  const sharers = new Set(group.members.map((member) => member.layer)).size;
  const parameters = { dense: ins * outs, factored: rank * (outs + ins / (group.layer === undefined ? sharers : 1)) };
  return { name: group.name, rank, of, explained, relativeError, squaredNorm: squaredNorms, parameters };
}
