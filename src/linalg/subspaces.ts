// Subspaces given by orthonormal rows: the leading ones of a matrix, all of one in an order, and angles between them.
import { symmetricEigen } from './eigen/eigen.ts';
import { gramOfRows, type Matrix, multiply, multiplyInto, type Numbers } from './products.ts';
import { columnMeans, innerProduct, rowRange, subtractRow, unitRows } from './rows.ts';

/**
 * Cosines of the principal angles of two subspaces, largest first (Björck and Golub 1973): the singular values of A Bᵀ,
 * as the roots of its Gram matrix's eigenvalues on the smaller side.
 * @param a (r, n) and b (s, n), orthonormal rows
 */
export async function principalCosines(a: Matrix, b: Matrix): Promise<number[]> {
  const [small, large] = a.rows <= b.rows ? [a, b] : [b, a];
  if (small.rows === 0) return [];
  const product = await multiply(small, large, { transposeB: true });
  const { values } = await symmetricEigen((await gramOfRows(product)).data, small.rows, { count: () => 0 });
  return Array.from(values, (value) => Math.sqrt(Math.min(Math.max(value, 0), 1)));
}

/** Leading singular vectors of a matrix, as orthonormal rows: (count, cols) of its rows' space, (count, rows) of its columns'. */
export interface SingularVectors {
  readonly right: Matrix;
  readonly left: Matrix;
}

/** The leading `count` singular vectors on both sides, through the Gram matrix of the smaller side, in float64. */
export async function leadingSingularVectors(x: Matrix, count: number): Promise<SingularVectors> {
  const lying = x.rows <= x.cols;
  const gram = lying ? await gramOfRows(x) : await multiply(x, x, { transposeA: true });
  const size = gram.rows;
  const { vectors } = await symmetricEigen(gram.data, size, { count: () => Math.min(count, size) });
  const near = { rows: vectors.length / size, cols: size, data: vectors };
  const far = unitRows(await multiply(near, x, lying ? {} : { transposeB: true }));
  return lying ? { left: near, right: far } : { left: far, right: near };
}

/** Rows that are turned into float64 at once. */
const block = 2048;

/** (X − μ)ᵀ (X − μ), (cols, cols), in float64, without a float64 copy of X. */
async function centredGram(x: Matrix<Numbers>): Promise<Matrix> {
  const mean = columnMeans(x);
  const gram = { rows: x.cols, cols: x.cols, data: new Float64Array(x.cols * x.cols) };
  for (let from = 0; from < x.rows; from += block) {
    const part = subtractRow(rowRange(x, from, Math.min(from + block, x.rows)), mean);
    await multiplyInto(gram, part, part, { transposeA: true, accumulate: true });
  }
  return gram;
}

/**
 * Principal components of the rows of a matrix, (count, cols), orthonormal, the largest variance first. Up to `cols` of
 * them, those without variance included. By the project's eigensolver, in float64.
 * @param count default: all columns
 */
export async function principalComponents(x: Matrix<Numbers>, count = x.cols): Promise<Matrix> {
  const { vectors } = await symmetricEigen((await centredGram(x)).data, x.cols, {
    count: () => Math.min(count, x.cols),
  });
  return { rows: vectors.length / x.cols, cols: x.cols, data: vectors };
}

/** A vector that depends on those before it by more than this share of its length gives no direction of its own. */
const dependent = 1e-6;

/**
 * Orthonormal rows that span what the first rows span, one row after the other (Gram and Schmidt, twice over so that
 * rounding does not add up), and the rows that they came from; rows that add no direction are passed over.
 * @param rows in their order; read until there are `count` directions
 */
export function orthonormalised(
  rows: Iterable<{ readonly id: number; readonly row: Float64Array }>,
  count: number,
  size: number,
): { directions: Matrix; ids: number[] } {
  const directions: Float64Array[] = [];
  const ids: number[] = [];
  for (const { id, row } of rows) {
    if (directions.length === count) break;
    const rest = row.slice();
    const length = Math.hypot(...row);
    for (let pass = 0; pass < 2; pass++) {
      for (const direction of directions) {
        const product = innerProduct(direction, rest);
        for (let j = 0; j < size; j++) rest[j] = (rest[j] as number) - product * (direction[j] as number);
      }
    }
    const left = Math.hypot(...rest);
    if (!(left > dependent * length)) continue;
    directions.push(rest.map((value) => value / left));
    ids.push(id);
  }
  const data = new Float64Array(directions.length * size);
  for (const [i, direction] of directions.entries()) data.set(direction, i * size);
  return { directions: { rows: directions.length, cols: size, data }, ids };
}
