// Principal component analysis of the rows of a matrix, through the eigenvectors of its smaller Gram matrix.
import { symmetricEigen } from './eigen.ts';
import { type Matrix, multiply } from './products.ts';

/** A fitted PCA: the spectrum, and the leading directions on the smaller side of the matrix. */
export interface Pca {
  /** Mean of each column, (cols). */
  readonly mean: Float64Array;
  /** The matrix with its column means removed, (rows, cols). */
  readonly centred: Matrix;
  /** Share of the variance along each component, largest first, (min(rows, cols)). All 0 where rows do not differ. */
  readonly explainedVarianceRatio: Float64Array;
  /** Leading eigenvectors, one a row: (k, cols) of XᵀX, or (k, rows) of XXᵀ where there are fewer rows than columns. */
  readonly vectors: Matrix;
}

/**
 * Fits a centred PCA to the rows of `x` in float64.
 *
 * The eigenvalues of the Gram matrix on the smaller side are the squared singular values of the centred matrix, so the
 * result is that of an SVD; squaring costs digits only in components far below float32's resolution. Cost: one product
 * of rows × cols × min(rows, cols) and one symmetric eigenproblem of size min(rows, cols).
 *
 * @param x (rows, cols)
 * @param components how many leading components to keep, from the spectrum; more than it says cannot be rebuilt later
 * @throws SurgeryError `numeric` for NaN or infinity
 */
export async function fitPca(x: Matrix, components: (explainedVarianceRatio: Float64Array) => number): Promise<Pca> {
  const mean = columnMeans(x);
  const centred = subtractRow(x, mean);
  const wide = x.rows < x.cols;
  const gram = await multiply(centred, centred, wide ? { transposeB: true } : { transposeA: true });
  let ratio = new Float64Array(gram.rows);
  const { vectors } = await symmetricEigen(gram.data, gram.rows, {
    count: (values) => {
      ratio = shares(values);
      return components(ratio);
    },
  });
  const kept = vectors.length / gram.rows;
  return { mean, centred, explainedVarianceRatio: ratio, vectors: { rows: kept, cols: gram.rows, data: vectors } };
}

/** The smallest rank whose cumulative ratio reaches `variance`; all of them if rounding never lets it; 0 if there is no variance. */
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

/** `(X − μ) Vᵣ Vᵣᵀ`, (rows, cols), without the mean. `rank` is at most the number of vectors kept. */
export async function projectCentred({ centred, vectors }: Pca, rank: number): Promise<Matrix> {
  if (rank > vectors.rows) throw new RangeError(`rank ${rank} asked of a PCA that kept ${vectors.rows} components`);
  const { rows, cols } = centred;
  if (rank === 0) return { rows, cols, data: new Float64Array(rows * cols) };
  const leading = { rows: rank, cols: vectors.cols, data: vectors.data.subarray(0, rank * vectors.cols) };
  if (vectors.cols === cols && rows >= cols) {
    return multiply(await multiply(centred, leading, { transposeB: true }), leading);
  }
  // U Uᵀ X equals X V Vᵀ: the eigenvectors of XXᵀ serve without dividing by singular values.
  return multiply(leading, await multiply(leading, centred), { transposeA: true });
}

function columnMeans({ rows, cols, data }: Matrix): Float64Array {
  const mean = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) mean[j] = (mean[j] ?? 0) + (data[i * cols + j] ?? 0);
  }
  return mean.map((sum) => sum / rows);
}

function subtractRow({ rows, cols, data }: Matrix, row: Float64Array): Matrix {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[i * cols + j] = (data[i * cols + j] ?? 0) - (row[j] ?? 0);
  }
  return { rows, cols, data: out };
}

/** Eigenvalues as shares of their sum. Rounding leaves tiny negative ones where the matrix is rank-deficient. */
function shares(values: Float64Array): Float64Array<ArrayBuffer> {
  const positive = Float64Array.from(values, (value) => Math.max(value, 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  return total > 0 ? positive.map((value) => value / total) : positive;
}
