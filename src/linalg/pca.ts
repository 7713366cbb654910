// Principal component analysis of the rows of a matrix, through the eigenvectors of its smaller Gram matrix.
import { symmetricEigen } from './eigen.ts';
import { gramOfRows, type Matrix, multiply } from './products.ts';

/** A fitted PCA: the spectrum, and the leading directions on the smaller side of the matrix. */
export interface Pca {
  /** Mean of each column of the matrix, (cols). */
  readonly mean: Float64Array;
  /** Share of the variance along each component, largest first, (min(rows, cols)). All 0 where rows do not differ. */
  readonly explainedVarianceRatio: Float64Array;
  /** The matrix without its column means, lying down: (rows, cols), or (cols, rows) if there are more rows than columns. */
  readonly centred: Matrix<Float64Array>;
  /** Leading eigenvectors of `centred · centredᵀ`, one a row, (k, min(rows, cols)). */
  readonly vectors: Matrix<Float64Array>;
}

/**
 * Fits a centred PCA to the rows of `x` in float64.
 *
 * The eigenvalues of the Gram matrix on the smaller side are the squared singular values of the centred matrix, so the
 * result is that of an SVD; squaring costs digits only in components far below float32's resolution. Cost: half a product
 * of rows × cols × min(rows, cols), and one symmetric eigenproblem of size min(rows, cols).
 *
 * @param x (rows, cols)
 * @param components how many leading components to keep, from the spectrum; more than it says cannot be rebuilt later
 * @throws SurgeryError `numeric` for NaN or infinity
 */
export async function fitPca(
  x: Matrix<Float64Array>,
  components: (explainedVarianceRatio: Float64Array) => number,
): Promise<Pca> {
  const mean = columnMeans(x);
  const centred = x.rows > x.cols ? transpose(addToRows(x, mean, -1)) : addToRows(x, mean, -1);
  const side = centred.rows;
  const gram = await gramOfRows(centred);
  let ratio = new Float64Array(side);
  const { vectors } = await symmetricEigen(gram.data as Float64Array, side, {
    count: (values) => {
      ratio = shares(values);
      return components(ratio);
    },
  });
  return {
    mean,
    explainedVarianceRatio: ratio,
    centred,
    vectors: { rows: vectors.length / side, cols: side, data: vectors },
  };
}

/**
 * The smallest rank whose cumulative ratio reaches `variance`; all of them if rounding never lets it; 0 if there is no
 * variance.
 */
export function rankForVariance(explainedVarianceRatio: Float64Array, variance: number): number {
  if ((explainedVarianceRatio[0] ?? 0) === 0) return 0;
  let sum = 0;
  for (let i = 0; i < explainedVarianceRatio.length; i++) {
    sum += explainedVarianceRatio[i] ?? 0;
    if (sum >= variance) return i + 1;
  }
  return explainedVarianceRatio.length;
}

/** Variance that the first `rank` components explain, 0 to 1; 1 where there is none to explain. */
export function explainedBy(explainedVarianceRatio: Float64Array, rank: number): number {
  if ((explainedVarianceRatio[0] ?? 0) === 0) return 1;
  return explainedVarianceRatio.subarray(0, rank).reduce((sum, share) => sum + share, 0);
}

/**
 * `(X − μ) Vᵣ Vᵣᵀ`, or with `keepMean` `(X − μ) Vᵣ Vᵣᵀ + μ`, in the shape of `x`, (rows, cols).
 * Vᵣ are the leading right singular vectors; on a matrix that lies on its other side the left ones serve, since
 * `U Uᵀ X = X V Vᵀ`, so that nothing is divided by a singular value.
 * @throws RangeError if `rank` is above the number of vectors kept
 */
export async function reconstruct(
  { mean, centred, vectors }: Pca,
  rank: number,
  keepMean: boolean,
): Promise<Matrix<Float64Array>> {
  if (rank > vectors.rows) throw new RangeError(`rank ${rank} asked of a PCA that kept ${vectors.rows} components`);
  const leading = { rows: rank, cols: vectors.cols, data: vectors.data.subarray(0, rank * vectors.cols) };
  const projected = await multiply(leading, await multiply(leading, centred), { transposeA: true });
  // `centred` lies on the side that the means run along, unless there were more rows than columns.
  const upright = mean.length === projected.cols ? projected : transpose(projected);
  return keepMean ? addToRows(upright, mean, 1) : upright;
}

/** (cols, rows), in squares that fit the first-level cache. */
export function transpose({ rows, cols, data }: Matrix<Float64Array>): Matrix<Float64Array> {
  const out = new Float64Array(data.length);
  const side = 32;
  for (let i0 = 0; i0 < rows; i0 += side) {
    const i1 = Math.min(i0 + side, rows);
    for (let j = 0; j < cols; j++) {
      for (let i = i0; i < i1; i++) out[j * rows + i] = data[i * cols + j] ?? 0;
    }
  }
  return { rows: cols, cols: rows, data: out };
}

function columnMeans({ rows, cols, data }: Matrix<Float64Array>): Float64Array {
  const mean = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) mean[j] = (mean[j] ?? 0) + (data[i * cols + j] ?? 0);
  }
  return mean.map((sum) => sum / rows);
}

/** Adds `sign · row` to every row, in place. */
function addToRows(matrix: Matrix<Float64Array>, row: Float64Array, sign: 1 | -1): Matrix<Float64Array> {
  const { rows, cols, data } = matrix;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) data[i * cols + j] = (data[i * cols + j] ?? 0) + sign * (row[j] ?? 0);
  }
  return matrix;
}

/** Eigenvalues as shares of their sum. Rounding leaves tiny negative ones where the matrix is rank-deficient. */
function shares(values: Float64Array): Float64Array<ArrayBuffer> {
  const positive = Float64Array.from(values, (value) => Math.max(value, 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  return total > 0 ? positive.map((value) => value / total) : positive;
}
