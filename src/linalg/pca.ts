// Principal component analysis of the rows of a matrix, through the eigenvectors of its smaller Gram matrix.
import { entryOf, itemAt } from '../platform/indexing.ts';
import { symmetricEigen } from './eigen/eigen.ts';
import { gramOfRows, type Matrix, multiply, multiplyInto } from './products.ts';
import { columnMeans, rowRange, transpose } from './rows.ts';

/** A fitted PCA: the spectrum, and the leading directions on the smaller side of the matrix. */
export interface Pca {
  /** Mean of each column of the matrix, (cols); zeros where it was not centred. */
  readonly mean: Float64Array;
  /** What each row was divided by, (rows), if the matrix was balanced. */
  readonly scales?: Float64Array;
  /** Squared singular values of what was fitted, largest first, (min(rows, cols)). */
  readonly eigenvalues: Float64Array;
  /** Share of the variance along each component, largest first, (min(rows, cols)). All 0 where rows do not differ. */
  readonly explainedVarianceRatio: Float64Array;
  /** The fitted matrix, transposed if it has more rows than columns: the smaller side comes first. */
  readonly centred: Matrix;
  /** Whether `centred` is the transpose. */
  readonly transposed: boolean;
  /** Leading eigenvectors of `centred · centredᵀ`, one per row, (k, min(rows, cols)). */
  readonly vectors: Matrix<Float32Array>;
}

/** Eigenvalues of `centred · centredᵀ`, all, largest first, and the leading eigenvectors, one per row. */
export interface Components {
  readonly eigenvalues: Float64Array;
  readonly vectors: Matrix<Float32Array>;
}

/**
 * Finds the components of a matrix that has no more rows than columns; `count` says from the explained-variance ratios how
 * many are wanted.
 */
export type Solver = (centred: Matrix, count: (explainedVarianceRatio: Float64Array) => number) => Promise<Components>;

/** What is done to the matrix before it is decomposed. */
export interface PcaOptions {
  /** Whether column means are subtracted. Default: yes. */
  readonly center?: boolean;
  /** The block that each row belongs to, (rows): after centring, every block is divided by its own Frobenius norm. */
  readonly balance?: readonly number[];
}

/**
 * Fits a PCA to the rows of `x`, which is overwritten.
 *
 * The eigenvalues of the Gram matrix on the smaller side are the squared singular values of the centred matrix, so the
 * result is that of an SVD; squaring costs digits only in components far below float32's resolution.
 *
 * @param x (rows, cols)
 * @param components how many leading components to keep, from the spectrum; more than it says cannot be rebuilt later
 * @throws SurgeryError `numeric` for NaN or infinity
 */
export async function fitPca(
  x: Matrix,
  components: (explainedVarianceRatio: Float64Array) => number,
  solve: Solver = solveByGram,
  { center = true, balance }: PcaOptions = {},
): Promise<Pca> {
  const mean = center ? columnMeans(x) : new Float64Array(x.cols);
  const transposed = x.rows > x.cols;
  subtractFromRows(x, mean);
  const scales = balance && blockNorms(x, balance);
  if (scales) divideRows(x, scales);
  const centred = transposed ? transpose(x) : x;
  const { eigenvalues, vectors } = await solve(centred, components);
  const explainedVarianceRatio = explainedRatios(eigenvalues);
  return { mean, ...(scales ? { scales } : {}), eigenvalues, explainedVarianceRatio, centred, transposed, vectors };
}

/** Directions per block: of eigenvectors in the eigensolver, and of terms in a reconstruction. */
const slab = 128;

/**
 * The project's own engine: the Gram matrix of the smaller side and its eigenvectors, in float64; the vectors are then
 * rounded to float32. Cost: half a product of rows × cols × min(rows, cols), one eigenproblem of size min(rows, cols).
 */
export const solveByGram: Solver = async (centred, count) => {
  const side = centred.rows;
  const { data } = await gramOfRows(centred);
  // In whole slabs: then a vector's last digits do not depend on how many others are computed with it.
  let rows = 0;
  const inSlabs = (all: Float64Array) => {
    rows = count(explainedRatios(all));
    return Math.min(Math.ceil(rows / slab) * slab, side);
  };
  const { values, vectors } = await symmetricEigen(data, side, { count: inSlabs });
  return {
    eigenvalues: values,
    vectors: { rows, cols: side, data: new Float32Array(vectors.subarray(0, rows * side)) },
  };
};

/** The library ml-pca, by singular values: independent of ours, and a hundred times slower on large matrices. */
export const solveByLibrary: Solver = async (centred, count) => {
  const { PCA } = await import('ml-pca');
  const { rows: samples, cols: side, data } = transpose(centred);
  const list = Array.from({ length: samples }, (_, i) => [...data.subarray(i * side, (i + 1) * side)]);
  const library = new PCA(list, { center: false, scale: false });
  const eigenvalues = new Float64Array(side);
  eigenvalues.set(library.getEigenvalues().slice(0, side));
  const rows = count(explainedRatios(eigenvalues));
  const loadings = library.getLoadings().to2DArray().slice(0, rows);
  return { eigenvalues, vectors: { rows, cols: side, data: new Float32Array(loadings.flat()) } };
};

/**
 * The smallest rank whose cumulative ratio reaches `variance`; if rounding never lets it, the numerical rank; 0 if there
 * is no variance. So at 1 it is the rank of the matrix: that of n centred rows is n − 1 at most.
 */
export function rankForVariance(explainedVarianceRatio: Float64Array, variance: number): number {
  const all = numericalRank(explainedVarianceRatio);
  let sum = 0;
  for (let i = 0; i < all; i++) {
    sum += explainedVarianceRatio[i] as number;
    if (sum >= variance) return i + 1;
  }
  return all;
}

/** How many eigenvalues exceed the rounding error of a zero, their number × float64's epsilon × the largest, as in LAPACK. */
function numericalRank(values: Float64Array): number {
  const rounding = values.length * Number.EPSILON * itemAt(values, 0);
  return values.findLastIndex((value) => value > rounding) + 1;
}

/** Variance that the first `rank` components explain, 0 to 1; 1 where there is none to explain. */
export function explainedBy(explainedVarianceRatio: Float64Array, rank: number): number {
  if ((explainedVarianceRatio[0] as number) === 0) return 1;
  return explainedVarianceRatio.subarray(0, rank).reduce((sum, share) => sum + share, 0);
}

/** What a matrix is rebuilt from: its leading directions and how much of it lies along each, without the matrix itself. */
export interface Leading extends Pick<Pca, 'transposed' | 'vectors'> {
  /** The projection of `centred` on each vector, (k, its columns). */
  readonly scores: Matrix<Float32Array>;
}

/** The sum over the first `blocks` blocks of directions, for a larger rank to continue from, in the shape of `centred`. */
export interface PartialSum {
  readonly blocks: number;
  readonly sum: Float32Array;
}

/** @throws RangeError if `count` is above the number of vectors kept */
export async function leadingOf({ centred, transposed, vectors }: Pca, count: number): Promise<Leading> {
  if (count > vectors.rows) throw new RangeError(`rank ${count} asked of a PCA that kept ${vectors.rows} components`);
  const first = rowRange(vectors, 0, count);
  const scores = await multiply(first, { ...centred, data: new Float32Array(centred.data) });
  return { transposed, vectors: first, scores };
}

/**
 * Projects the fitted matrix on the leading directions: `(X − μ) Vᵣ Vᵣᵀ` in the shape of `x`, (rows, cols), balanced rows
 * still balanced; products in float32. Vᵣ are the leading right singular vectors. Where the smaller side gives the left ones,
 * these are used, since `U Uᵀ X = X V Vᵀ`; nothing is divided by a singular value.
 *
 * The sum runs over whole blocks of directions, always in the same order. A larger rank can therefore continue from the sum
 * of a smaller one, with the same digits as from zero.
 * @param from is overwritten; ignored if it is of a larger rank
 * @returns the projection, which must not be changed since it may share its memory with the sum; and the sum to continue from
 * @throws RangeError if `rank` is above the number of vectors kept
 */
export async function project(
  { transposed, vectors, scores }: Leading,
  rank: number,
  from?: PartialSum,
): Promise<{ projected: Matrix<Float32Array>; partial: PartialSum }> {
  if (rank > vectors.rows) throw new RangeError(`rank ${rank} asked of a PCA that kept ${vectors.rows} components`);
  const blocks = Math.floor(rank / slab);
  const goOn = from && from.blocks <= blocks ? from : { blocks: 0, sum: new Float32Array(vectors.cols * scores.cols) };
  const sum = { rows: vectors.cols, cols: scores.cols, data: goOn.sum };
  const add = (to: Matrix<Float32Array>, first: number, last: number) =>
    multiplyInto(to, rowRange(vectors, first, last), rowRange(scores, first, last), {
      transposeA: true,
      accumulate: true,
    });
  for (let block = goOn.blocks; block < blocks; block++) await add(sum, block * slab, (block + 1) * slab);
  const rest = blocks * slab < rank ? { ...sum, data: sum.data.slice() } : sum;
  if (rest !== sum) await add(rest, blocks * slab, rank);
  return { projected: transposed ? transpose(rest) : rest, partial: { blocks, sum: sum.data } };
}

/** Frobenius norm of the block that each row belongs to, (rows). A block of zeros counts as 1. */
function blockNorms({ rows, cols, data }: Matrix, blocks: readonly number[]): Float64Array {
  const squares = new Map<number, number>();
  for (let i = 0; i < rows; i++) {
    let sum = squares.get(itemAt(blocks, i)) ?? 0;
    for (let j = 0; j < cols; j++) sum += (data[i * cols + j] as number) ** 2;
    squares.set(itemAt(blocks, i), sum);
  }
  return Float64Array.from({ length: rows }, (_, i) => Math.sqrt(entryOf(squares, itemAt(blocks, i))) || 1);
}

/** Subtracts a row from every row, in place. */
function subtractFromRows({ rows, cols, data }: Matrix, row: Float64Array): void {
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) data[i * cols + j] = (data[i * cols + j] as number) - (row[j] as number);
}

/** Divides each row by its own number, in place. */
function divideRows({ rows, cols, data }: Matrix, divisors: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    const factor = (divisors[i] as number) ** -1;
    for (let j = 0; j < cols; j++) data[i * cols + j] = (data[i * cols + j] as number) * factor;
  }
}

/** Eigenvalues as shares of their sum. Rounding leaves tiny negative ones where the matrix is rank-deficient. */
export function explainedRatios(values: Float64Array): Float64Array<ArrayBuffer> {
  const positive = Float64Array.from(values, (value) => Math.max(value, 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  return total > 0 ? positive.map((value) => value / total) : positive;
}
