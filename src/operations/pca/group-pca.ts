// One group: weights → stacked matrix → PCA → rebuilt weights. Takes and gives plain data, so that a thread can do it.

import { roundTo, type WeightDtype } from '../../checkpoint/dtypes.ts';
import type { Projection } from '../../checkpoint/names.ts';
import {
  explainedBy,
  fitPca,
  type Leading,
  leadingOf,
  type PartialSum,
  type Pca,
  project,
  rankForVariance,
  solveByGram,
  solveByLibrary,
} from '../../linalg/pca.ts';
import type { Matrix } from '../../linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { squaredNorm as sumOfSquares, transpose } from '../../linalg/rows.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { PcaEngine } from '../kind.ts';
import { cached } from './component-cache.ts';
import type { MeanRule, RankBudget } from './spec.ts';

/** The weight of a member, as the checkpoint holds it. */
export interface Member {
  readonly projection: Projection;
  /** Name of the tensor. */
  readonly name: string;
  /** First of its rows that the member has. */
  readonly row: number;
  /** (rows of the member, in_features) */
  readonly shape: readonly [rows: number, cols: number];
  readonly values: Float32Array;
  /** The dtype that the rebuilt weight will be written in. */
  readonly writeAs: WeightDtype;
}

/** How components are found. */
export interface FitOptions {
  /** The project's own eigensolver, or the library ml-pca as a cross-check. */
  readonly engine: PcaEngine;
  /** Whether to look for the components on disk, and to keep them there. */
  readonly cache: boolean;
  /** Whether column means are subtracted first. */
  readonly center: boolean;
  /** Whether each projection is divided by its Frobenius norm first, if there are several. */
  readonly balance: boolean;
}

/** What is done with the components. */
export interface Rebuilding {
  readonly budget: RankBudget;
  readonly mean: MeanRule;
  /** A control that changes what is rebuilt, and the seed of what it draws. */
  readonly control?: { readonly kind: 'random-subspace' | 'noise'; readonly seed: number };
}

/** A group's squared singular values after centring and balancing, largest first, and the size of its means. */
export interface GroupSpectrum {
  readonly eigenvalues: Float64Array;
  /** The eigenvalues over their sum; all 0 if there is no variance. */
  readonly explainedVarianceRatio: Float64Array;
  /** Squared Frobenius norm of the means: rows × ‖μ‖², as fitted. */
  readonly meanSquares: number;
}

export interface RebuiltGroup {
  readonly rank: number;
  /** Components there are: min(rows, columns) of the stacked matrix. */
  readonly of: number;
  /** Share of the variance that lies along the kept directions. */
  readonly explained: number;
  /** Share of the variance along each of the group's own components, largest first. */
  readonly explainedVarianceRatio: Float64Array;
  /** Whether the components came from the disk. */
  readonly fromCache: boolean;
  /** One for each member, in their order. */
  readonly members: readonly RebuiltMember[];
}

export interface RebuiltMember {
  /** Name of the tensor, and the first row of it that this is. */
  readonly name: string;
  readonly row: number;
  /** in_features */
  readonly cols: number;
  /** Row-major, (rows, in_features), holding exactly what a file of the dtype will hold. */
  readonly values: Float32Array;
  /** ‖W − Ŵ‖² in Frobenius norm, before rounding to the dtype, and ‖W‖². */
  readonly squaredError: number;
  readonly squaredNorm: number;
}

/** A group's PCA, of the stacked matrix or, for a single member with more rows than columns, of its transpose. */
export interface Fitted {
  readonly pca: Pca;
  readonly transposed: boolean;
  readonly fromCache: boolean;
}

/**
 * Rebuilds the members of a group, `(W − μ) Vᵣ Vᵣᵀ` and `+ μ` if the mean is kept.
 * @throws SurgeryError `numeric`, by tensor name, for NaN, infinity, and values that do not fit the dtype
 */
export async function operateGroup(
  members: readonly Member[],
  rebuilding: Rebuilding,
  options: FitOptions,
): Promise<RebuiltGroup> {
  const fitted = await fitGroup(members, (ratio) => rankFor(ratio, rebuilding.budget), options);
  return rebuildGroup(members, fitted, rebuilding);
}

/** @throws SurgeryError `numeric`, by tensor name, for NaN or infinity */
export async function groupSpectrum(members: readonly Member[], options: FitOptions): Promise<GroupSpectrum> {
  return spectrumOf(await fitGroup(members, () => 0, options));
}

/** Fits a group; `components` says from the spectrum how many directions will be wanted. */
export async function fitGroup(
  members: readonly Member[],
  components: (explainedVarianceRatio: Float64Array) => number,
  { engine, cache, center, balance }: FitOptions,
): Promise<Fitted> {
  members.forEach(requireFinite);
  const stacked = stack(members);
  const transposed = members.length === 1 && stacked.rows > stacked.cols;
  const blocks = balance && members.length > 1 ? blocksOf(members) : undefined;
  const use = { hit: false };
  const solve = engine === 'native' ? solveByGram : solveByLibrary;
  const preparation = [center ? 'centred' : 'not centred', blocks ? `balanced ${blocks.join()}` : 'as it is'];
  const identity = [engine, ...preparation, ...members.flatMap(({ shape, values }) => [shape.join(), bytesOf(values)])];
  const solver = cache ? cached(solve, identity, use) : solve;
  const x = transposed ? transpose(stacked) : stacked;
  const pca = await fitPca(x, components, solver, { center, ...(blocks ? { balance: blocks } : {}) });
  return { pca, transposed, fromCache: use.hit };
}

export function spectrumOf({ pca }: Fitted): GroupSpectrum {
  const { eigenvalues, explainedVarianceRatio, mean, centred, transposed } = pca;
  const rows = transposed ? centred.cols : centred.rows;
  return { eigenvalues, explainedVarianceRatio, meanSquares: rows * sumOfSquares(mean) };
}

/** The second half of {@link operateGroup}. @throws SurgeryError as it does */
export async function rebuildGroup(
  members: readonly Member[],
  { pca, transposed, fromCache }: Fitted,
  rebuilding: Rebuilding,
): Promise<RebuiltGroup> {
  const ratio = pca.explainedVarianceRatio;
  const rank = rankFor(ratio, rebuilding.budget);
  const { control } = rebuilding;
  const isRandom = control?.kind === 'random-subspace';
  const along = isRandom ? await withRandomVectors(pca, rank, seededRandom(control.seed)) : pca;
  const { projected } = await project(await leadingOf(along, rank), rank);
  const rebuilt = rebuiltOf(members, projected, { ...pca, transposed }, rebuilding);
  const explained = isRandom ? shareOf(projected, pca) : explainedBy(ratio, rank);
  return { rank, of: ratio.length, explained, explainedVarianceRatio: ratio, fromCache, members: rebuilt };
}

/** A fitted group without its matrix, which can be rebuilt at one rank after the other. */
export interface Prepared {
  readonly leading: Leading;
  readonly spectrum: GroupSpectrum;
  readonly placed: Placed;
  readonly fromCache: boolean;
  readonly partial?: PartialSum;
}

/** How a fitted matrix relates to the weights: what was subtracted and divided out, and whether it is their transpose. */
type Placed = Pick<Pca, 'mean' | 'scales'> & Pick<Fitted, 'transposed'>;

/** Fits a group for several budgets. @throws SurgeryError `numeric`, by tensor name, for NaN or infinity */
export async function prepareGroup(
  members: readonly Member[],
  budgets: readonly RankBudget[],
  options: FitOptions,
): Promise<Prepared> {
  const most = (ratio: Float64Array) => Math.max(0, ...budgets.map((budget) => rankFor(ratio, budget)));
  const fitted = await fitGroup(members, most, options);
  const { pca, transposed, fromCache } = fitted;
  const leading = await leadingOf(pca, most(pca.explainedVarianceRatio));
  const { mean, scales } = pca;
  const placed = { mean, ...(scales ? { scales } : {}), transposed };
  return { leading, spectrum: spectrumOf(fitted), placed, fromCache };
}

/**
 * {@link operateGroup} from a prepared fit, with the same digits. Not for random directions, which need the matrix.
 * @returns also what to rebuild from next, which is fastest at a larger rank
 */
export async function rebuildPrepared(
  members: readonly Member[],
  prepared: Prepared,
  rebuilding: Rebuilding,
): Promise<{ rebuilt: RebuiltGroup; prepared: Prepared }> {
  const { leading, placed, fromCache } = prepared;
  const ratio = prepared.spectrum.explainedVarianceRatio;
  const rank = rankFor(ratio, rebuilding.budget);
  const { projected, partial } = await project(leading, rank, prepared.partial);
  const rebuilt = {
    rank,
    of: ratio.length,
    explained: explainedBy(ratio, rank),
    fromCache,
    members: rebuiltOf(members, projected, placed, rebuilding),
    explainedVarianceRatio: ratio.slice(), // the prepared one goes back and forth between threads
  };
  return { rebuilt, prepared: { ...prepared, partial } };
}

/** The projected matrix cut into its members, with their means and scales, rounded to the dtype; and what was lost. */
export function rebuiltOf(
  members: readonly Member[],
  projected: Matrix<Float32Array>,
  { mean, scales, transposed }: Placed,
  { mean: rule, control }: Rebuilding,
): RebuiltMember[] {
  const random = control?.kind === 'noise' ? seededRandom(control.seed) : undefined;
  const { data } = transposed ? transpose(projected) : projected;
  const rebuilt: RebuiltMember[] = [];
  let first = 0;
  for (const { name, row, shape, values, writeAs } of members) {
    const [rows, cols] = shape;
    const exact = new Float32Array(values.length);
    const added = new Float64Array(cols);
    if (rule === 'keep' && !transposed) added.set(mean);
    let squaredError = 0;
    let squaredNorm = 0;
    for (let i = 0; i < rows; i++) {
      const scale = scales?.[first + i] ?? 1;
      if (rule === 'keep' && transposed) added.fill(mean[i] as number);
      const from = i * cols;
      const source = (first + i) * cols;
      for (let j = 0; j < cols; j++) {
        // In float64 up to here: the error is that of the products, not of the rounding.
        const value = (data[source + j] as number) * scale + (added[j] as number);
        const weight = values[from + j] as number;
        const lost = weight - value;
        squaredError += lost * lost; // a power takes ten times as long as a product
        squaredNorm += weight * weight;
        exact[from + j] = value;
      }
    }
    first += rows;
    if (random) putNoise(exact, values, squaredError, random);
    rebuilt.push({ name, row, cols, values: roundTo(writeAs, exact, name), squaredError, squaredNorm });
  }
  return rebuilt;
}

/** Components that a budget asks for. */
export function rankFor(explainedVarianceRatio: Float64Array, budget: RankBudget): number {
  if ('rank' in budget) return Math.min(budget.rank, explainedVarianceRatio.length);
  return rankForVariance(explainedVarianceRatio, budget.variance);
}

/** Random directions on the smaller side: like the components, they lie within the row space of the matrix. */
async function withRandomVectors(pca: Pca, rank: number, random: () => number): Promise<Pca> {
  const { rows, cols, data } = await randomOrthonormal(rank, pca.centred.rows, random);
  return { ...pca, vectors: { rows, cols, data: new Float32Array(data) } };
}

/** Share of the variance of what was fitted that its projection holds. */
function shareOf(projected: Matrix<Float32Array>, { centred }: Pca): number {
  const total = sumOfSquares(centred.data);
  return total > 0 ? sumOfSquares(projected.data) / total : 1;
}

/** The weight itself with normal noise, as large in Frobenius norm as the error that it takes the place of. */
function putNoise(out: Float32Array, weight: Float32Array, squaredError: number, random: () => number): void {
  const noise = gaussian(weight.length, random);
  const factor = Math.sqrt(squaredError / sumOfSquares(noise));
  for (let i = 0; i < out.length; i++) out[i] = (weight[i] as number) + factor * (noise[i] as number);
}

/** The block of each row of the stacked matrix: rows of one projection, whatever the layer, are one block. */
function blocksOf(members: readonly Member[]): number[] {
  const order = [...new Set(members.map(({ projection }) => projection))];
  return members.flatMap(({ projection, shape: [rows] }) => new Array<number>(rows).fill(order.indexOf(projection)));
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function requireFinite({ name, row, shape: [, cols], values }: Member): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const where = `[${row + Math.floor(i / cols)}, ${i % cols}]`;
    throw new SurgeryError('numeric', `tensor ${name} holds ${values[i]} at ${where}: PCA needs finite weights`);
  }
}

export function stack(members: readonly Member[]): Matrix<Float64Array> {
  const rows = members.reduce((sum, { shape }) => sum + shape[0], 0);
  const [, cols] = itemAt(members, 0).shape;
  const data = new Float64Array(rows * cols);
  let at = 0;
  for (const { values } of members) {
    data.set(values, at);
    at += values.length;
  }
  return { rows, cols, data };
}
