// An operation on every layer: spectra, ranks, rebuilt weights.

import { fromFloat32, toFloat32, type WeightDtype } from '../checkpoint/dtypes.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { explainedBy, rankForVariance } from '../linalg/pca.ts';
import { fitGroup, type MeanRule, rebuildGroup } from './group.ts';
import { type Group, groupsOf, type Mode } from './groups.ts';

export interface Operation {
  readonly mode: Mode;
  /** Share of the variance to keep, 0 < variance ≤ 1. */
  readonly variance: number;
  readonly mean: MeanRule;
}

/** What the operation did to one group of one layer. */
export interface GroupReport {
  readonly name: string;
  readonly rank: number;
  /** Components there are: min(rows, columns) of the stacked matrix. */
  readonly of: number;
  /** Share of the variance that the kept components explain. */
  readonly explained: number;
  /** By projection, ‖W − Ŵ‖ / ‖W‖, before rounding to the checkpoint's dtype. */
  readonly relativeError: Readonly<Record<string, number>>;
  /** Parameters as dense matrices, and as `rank × (in + Σ out)` if the factors were kept instead. */
  readonly parameters: { readonly dense: number; readonly factored: number };
}

export interface LayerReport {
  readonly layer: number;
  readonly groups: readonly GroupReport[];
}

/** A variant's tensors, (out_features, in_features) row-major, and how they came about. */
export interface Operated {
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly layers: readonly LayerReport[];
}

export interface OperateOptions {
  /** The dtype that the weights will be written in: the variant holds exactly what the file will. Default: each tensor's own. */
  readonly dtype?: WeightDtype | undefined;
  /** Called with the groups done so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Rebuilds the attention projections of every layer from the components that reach the threshold.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype
 */
export async function operate(
  checkpoint: Checkpoint,
  operation: Operation,
  options: OperateOptions = {},
): Promise<Operated> {
  const groups = groupsOf(operation.mode);
  const tensors = new Map<string, Float32Array>();
  const layers: LayerReport[] = [];
  const total = checkpoint.config.layers * groups.length;
  for (let layer = 0; layer < checkpoint.config.layers; layer++) {
    const reports: GroupReport[] = [];
    for (const group of groups) {
      reports.push(await operateGroup(checkpoint, layer, group, operation, options.dtype, tensors));
      options.onProgress?.(layer * groups.length + reports.length, total);
    }
    layers.push({ layer, groups: reports });
  }
  return { tensors, layers };
}

async function operateGroup(
  checkpoint: Checkpoint,
  layer: number,
  group: Group,
  { variance, mean }: Operation,
  dtype: WeightDtype | undefined,
  tensors: Map<string, Float32Array>,
): Promise<GroupReport> {
  const fit = await fitGroup(checkpoint, layer, group, (ratio) => rankForVariance(ratio, variance));
  const ratio = fit.pca.explainedVarianceRatio;
  const rank = rankForVariance(ratio, variance);
  const rebuilt = await rebuildGroup(fit, rank, mean);
  for (const { name, values } of rebuilt) {
    tensors.set(name, roundTo(dtype ?? checkpoint.weightDtype(name), Float32Array.from(values), name));
  }
  const outs = fit.members.reduce((sum, { weight }) => sum + weight.rows, 0);
  const ins = fit.members[0]?.weight.cols ?? 0;
  return {
    name: group.name,
    rank,
    of: ratio.length,
    explained: explainedBy(ratio, rank),
    relativeError: Object.fromEntries(rebuilt.map(({ projection, relativeError }) => [projection, relativeError])),
    parameters: { dense: ins * outs, factored: rank * (ins + outs) },
  };
}

/** The values that a reader of the written file will see. */
function roundTo(dtype: WeightDtype, values: Float32Array, name: string): Float32Array {
  return dtype === 'F32' ? values : toFloat32(fromFloat32(values, dtype, name), dtype);
}
