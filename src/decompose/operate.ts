// An operation on every layer: spectra, ranks, rebuilt weights.
import type { Checkpoint } from '../checkpoint/reader.ts';
import type { GroupReport, MeanRule, OperatedGroup } from './group.ts';
import { groupsOf, type Mode } from './groups.ts';
import { type LayersOptions, overLayers } from './layers.ts';

export interface Operation {
  readonly mode: Mode;
  /** Share of the variance to keep, 0 < variance ≤ 1. */
  readonly variance: number;
  readonly mean: MeanRule;
}

export interface LayerReport {
  readonly layer: number;
  readonly groups: readonly GroupReport[];
}

/** A variant's tensors, (out_features, in_features) row-major, and how they came about. */
export interface Operated {
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly layers: readonly LayerReport[];
  /** Groups whose components came from the cache. */
  readonly fromCache: number;
}

/**
 * Rebuilds the attention projections of every layer from the components that reach the threshold. The variant holds
 * exactly what a file of its dtype holds.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype
 */
export async function operate(
  checkpoint: Checkpoint,
  { mode, variance, mean }: Operation,
  options: LayersOptions = {},
): Promise<Operated> {
  const results = await overLayers<OperatedGroup>(
    checkpoint,
    groupsOf(mode),
    'operateGroup',
    (group, members, fit) => [group.name, members, variance, mean, fit],
    options,
  );
  return {
    tensors: new Map(results.flat().flatMap(({ rebuilt }) => rebuilt.map(({ name, values }) => [name, values]))),
    fromCache: results.flat().filter(({ fromCache }) => fromCache).length,
    layers: results.map((groups, layer) => ({ layer, groups: groups.map(({ report }) => report) })),
  };
}
