// One group of one layer: weights → stacked matrix → PCA → rebuilt weights. Takes and gives plain data, so that a thread
// can do it.
import { roundTo, type WeightDtype } from '../checkpoint/dtypes.ts';
import type { Projection } from '../checkpoint/names.ts';
import { SurgeryError } from '../errors.ts';
import {
  explainedBy,
  fitPca,
  type Pca,
  rankForVariance,
  reconstruct,
  solveByGram,
  solveByLibrary,
  transpose,
} from '../linalg/pca.ts';
import type { Matrix } from '../linalg/products.ts';
import { cached } from './cache.ts';

/** A projection's weight as the checkpoint holds it. */
export interface Member {
  readonly projection: Projection;
  /** Name of the tensor. */
  readonly name: string;
  /** (out_features, in_features) */
  readonly shape: readonly [rows: number, cols: number];
  readonly values: Float32Array;
  /** The dtype that the rebuilt weight will be written in. */
  readonly writeAs: WeightDtype;
}

/** How components are found. */
export interface FitOptions {
  /** The project's own eigensolver, or the library ml-pca as a cross-check. */
  readonly engine: Engine;
  /** Whether to look for the components on disk, and to keep them there. */
  readonly cache: boolean;
}

export type Engine = 'native' | 'ml-pca';

/** What `--mean` says: whether the rebuilt matrix gets its column means back. */
export type MeanRule = 'keep' | 'drop';

/** What an operation did to one group of one layer. */
export interface GroupReport {
  readonly name: string;
  readonly rank: number;
  /** Components there are: min(rows, columns) of the stacked matrix. */
  readonly of: number;
  /** Share of the variance that the kept components explain. */
  readonly explained: number;
  /** By projection, ‖W − Ŵ‖ / ‖W‖ in Frobenius norm, before rounding to the dtype. */
  readonly relativeError: Readonly<Record<string, number>>;
  /** Parameters as dense matrices, and as `rank × (in + Σ out)` if the factors were kept instead. */
  readonly parameters: { readonly dense: number; readonly factored: number };
}

export interface OperatedGroup {
  readonly report: GroupReport;
  /** Whether the components came from the disk. */
  readonly fromCache: boolean;
  /** Row-major, (out_features, in_features), holding exactly what a file of the dtype will hold. */
  readonly rebuilt: readonly { readonly name: string; readonly values: Float32Array }[];
}

/**
 * Rebuilds the projections of a group, `(W − μ) Vᵣ Vᵣᵀ` and `+ μ` if the mean is kept, from the fewest components that
 * reach `variance`.
 * @throws SurgeryError `numeric`, by tensor name, for NaN, infinity, and values that do not fit the dtype
 */
export async function operateGroup(
  name: string,
  members: readonly Member[],
  variance: number,
  mean: MeanRule,
  options: FitOptions,
): Promise<OperatedGroup> {
  const fit = await fitGroup(members, (ratio) => rankForVariance(ratio, variance), options);
  const { pca, transposed } = fit;
  const ratio = pca.explainedVarianceRatio;
  const rank = rankForVariance(ratio, variance);
  const projected = await reconstruct(pca, rank, mean === 'keep');
  const whole = transposed ? transpose(projected) : projected;

  const relativeError: Record<string, number> = {};
  const rebuilt: { name: string; values: Float32Array }[] = [];
  let at = 0;
  for (const member of members) {
    const exact = whole.data.subarray(at, at + member.values.length);
    at += member.values.length;
    relativeError[member.projection] = relativeDistance(member.values, exact);
    rebuilt.push({ name: member.name, values: roundTo(member.writeAs, new Float32Array(exact), member.name) });
  }
  const outs = members.reduce((sum, { shape: [rows] }) => sum + rows, 0);
  const ins = members[0]?.shape[1] ?? 0;
  const parameters = { dense: ins * outs, factored: rank * (ins + outs) };
  return {
    report: { name, rank, of: ratio.length, explained: explainedBy(ratio, rank), relativeError, parameters },
    fromCache: fit.fromCache,
    rebuilt,
  };
}

/**
 * Share of the variance along each component of a group, largest first.
 * @throws SurgeryError `numeric`, by tensor name, for NaN or infinity
 */
export async function groupSpectrum(members: readonly Member[], options: FitOptions): Promise<Float64Array> {
  return (await fitGroup(members, () => 0, options)).pca.explainedVarianceRatio;
}

/** A single projection with more rows than columns is fitted on its transpose. */
async function fitGroup(
  members: readonly Member[],
  components: (explainedVarianceRatio: Float64Array) => number,
  { engine, cache }: FitOptions,
): Promise<{ pca: Pca; transposed: boolean; fromCache: boolean }> {
  members.forEach(requireFinite);
  const stacked = stack(members);
  const transposed = members.length === 1 && stacked.rows > stacked.cols;
  const use = { hit: false };
  const solve = engine === 'native' ? solveByGram : solveByLibrary;
  const identity = [engine, ...members.flatMap(({ shape, values }) => [shape.join(), bytesOf(values)])];
  const solver = cache ? cached(solve, identity, use) : solve;
  const pca = await fitPca(transposed ? transpose(stacked) : stacked, components, solver);
  return { pca, transposed, fromCache: use.hit };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function requireFinite({ name, shape: [, cols], values }: Member): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const where = `[${Math.floor(i / cols)}, ${i % cols}]`;
    throw new SurgeryError('numeric', `tensor ${name} holds ${values[i]} at ${where}: PCA needs finite weights`);
  }
}

function stack(members: readonly Member[]): Matrix<Float64Array> {
  const rows = members.reduce((sum, { shape }) => sum + shape[0], 0);
  const cols = members[0]?.shape[1] ?? 0;
  const data = new Float64Array(rows * cols);
  let at = 0;
  for (const { values } of members) {
    data.set(values, at);
    at += values.length;
  }
  return { rows, cols, data };
}

function relativeDistance(weight: Float32Array, rebuilt: Float64Array): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < weight.length; i++) {
    const value = weight[i] ?? 0;
    error += (value - (rebuilt[i] ?? 0)) ** 2;
    norm += value ** 2;
  }
  return norm > 0 ? Math.sqrt(error / norm) : 0;
}
