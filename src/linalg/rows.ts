// What is done to the rows of a float64 matrix: taken out, centred, brought to unit length, measured.
import type { Matrix, Numbers } from './products.ts';

/** The rows from `from` up to `to`, as a view. */
export function rowRange<T extends Numbers>({ cols, data }: Matrix<T>, from: number, to: number): Matrix<T> {
  return { rows: to - from, cols, data: data.subarray(from * cols, to * cols) as T };
}

/** Copies of some rows, in the order asked for. */
export function pickRows({ cols, data }: Matrix<Numbers>, picked: ArrayLike<number>): Matrix {
  const out = new Float64Array(picked.length * cols);
  for (let i = 0; i < picked.length; i++) {
    const from = (picked[i] ?? 0) * cols;
    out.set(data.subarray(from, from + cols), i * cols);
  }
  return { rows: picked.length, cols, data: out };
}

/** Mean of each column, (cols), or the mean weighted by `weights`, (rows). */
export function columnMeans({ rows, cols, data }: Matrix<Numbers>, weights?: ArrayLike<number>): Float64Array {
  const mean = new Float64Array(cols);
  let total = 0;
  for (let i = 0; i < rows; i++) {
    const weight = weights ? (weights[i] ?? 0) : 1;
    total += weight;
    for (let j = 0; j < cols; j++) mean[j] = (mean[j] as number) + weight * (data[i * cols + j] as number);
  }
  return total > 0 ? mean.map((sum) => sum / total) : mean;
}

/** The matrix less a row, as a float64 copy: with its column means, it is centred. */
export function lessRow({ rows, cols, data }: Matrix<Numbers>, row: Float64Array): Matrix {
  const out = new Float64Array(data);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[i * cols + j] = (out[i * cols + j] as number) - (row[j] as number);
  }
  return { rows, cols, data: out };
}

/** The matrix less its column means. */
export function centred(matrix: Matrix<Numbers>): Matrix {
  return lessRow(matrix, columnMeans(matrix));
}

/** Squared length of each row, (rows). */
export function squaredLengths({ rows, cols, data }: Matrix<Numbers>): Float64Array {
  const out = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = i * cols; j < (i + 1) * cols; j++) sum += (data[j] as number) * (data[j] as number);
    out[i] = sum;
  }
  return out;
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
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] as number) * (data[i] as number);
  return sum;
}

/** Σ x y. */
export function innerProduct(x: Numbers, y: Numbers): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (y[i] as number);
  return sum;
}
