// Rows of a dense matrix: views and copies of them, column means, centring, unit length, norms.
import type { Matrix, Numbers } from './products.ts';

/** The rows from `from` up to `to`, as a view. */
export function rowRange<T extends Numbers>({ cols, data }: Matrix<T>, from: number, to: number): Matrix<T> {
  return { rows: to - from, cols, data: data.subarray(from * cols, to * cols) as T };
}

/** Row i, (cols), as a view. */
export function rowOf<T extends Numbers>({ cols, data }: Matrix<T>, i: number): T {
  return data.subarray(i * cols, (i + 1) * cols) as T;
}

/** Copies of some rows, in the order asked for. */
export function pickRows(matrix: Matrix<Numbers>, picked: ArrayLike<number>): Matrix {
  const { cols } = matrix;
  const out = new Float64Array(picked.length * cols);
  for (let i = 0; i < picked.length; i++) out.set(rowOf(matrix, picked[i] as number), i * cols);
  return { rows: picked.length, cols, data: out };
}

/** (cols, rows), in squares that fit the first-level cache. */
export function transpose<T extends Numbers>({ rows, cols, data }: Matrix<T>): Matrix<T> {
  const out = (data instanceof Float64Array ? new Float64Array(data.length) : new Float32Array(data.length)) as T;
  const side = 32;
  for (let i0 = 0; i0 < rows; i0 += side) {
    const i1 = Math.min(i0 + side, rows);
    for (let j = 0; j < cols; j++) {
      for (let i = i0; i < i1; i++) out[j * rows + i] = data[i * cols + j] as number;
    }
  }
  return { rows: cols, cols: rows, data: out };
}

/** Mean of each column, (cols); zeros for a matrix without rows. */
export function columnMeans({ rows, cols, data }: Matrix<Numbers>): Float64Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) sums[j] = (sums[j] as number) + (data[i * cols + j] as number);
  }
  return rows > 0 ? sums.map((sum) => sum / rows) : sums;
}

/** The matrix with a row subtracted from each of its own, as a float64 copy: with its column means, it is centred. */
export function subtractRow({ rows, cols, data }: Matrix<Numbers>, row: Float64Array): Matrix {
  const out = new Float64Array(data);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[i * cols + j] = (out[i * cols + j] as number) - (row[j] as number);
  }
  return { rows, cols, data: out };
}

/** The matrix with its column means subtracted. */
export function centred(matrix: Matrix<Numbers>): Matrix {
  return subtractRow(matrix, columnMeans(matrix));
}

/** Squared length of each row, (rows). */
export function squaredLengths(matrix: Matrix<Numbers>): Float64Array {
  return Float64Array.from({ length: matrix.rows }, (_, i) => squaredNorm(rowOf(matrix, i)));
}

/** The rows at unit length, as a copy; rows of zeros stay. */
export function unitRows(matrix: Matrix<Numbers>): Matrix {
  const { rows, cols, data } = matrix;
  const lengths = squaredLengths(matrix);
  const out = new Float64Array(data);
  for (let i = 0; i < rows; i++) {
    const length = Math.sqrt(lengths[i] as number) || 1;
    for (let j = i * cols; j < (i + 1) * cols; j++) out[j] = (out[j] as number) / length;
  }
  return { rows, cols, data: out };
}

/** Σ x². */
export function squaredNorm(data: Numbers): number {
  return innerProduct(data, data);
}

/** Σ x y. */
export function innerProduct(x: Numbers, y: Numbers): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (y[i] as number);
  return sum;
}
