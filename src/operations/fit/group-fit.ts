// The best low-rank replacement of a group's stacked weights W on given inputs: Ŵ = U Uᵀ W, U the leading eigenvectors of
// W G Wᵀ. G is the inputs' second moment (fit to outputs), their mean sizes on the diagonal (scaled), or 1 (plain SVD).
import { symmetricEigen } from '../../linalg/eigen/eigen.ts';
import { gramOfRows, type Matrix, multiply, multiplyInto } from '../../linalg/products.ts';
import { innerProduct, rowOf, rowRange, squaredNorm, unitRows } from '../../linalg/rows.ts';
import { itemAt } from '../../platform/indexing.ts';

/** G in the error tr(E G Eᵀ) of a replacement Ŵ = W − E: (n, n), or a diagonal, (n). */
export type Metric = { readonly full: Matrix } | { readonly diagonal: Float64Array };

/** Directions of a group's outputs, most important first. */
export interface GroupFit {
  /** Energy along each direction, the eigenvalues of W G Wᵀ, largest first, (min(m, n)). */
  readonly eigenvalues: Float64Array;
  /** Orthonormal rows, (min(m, n), m): where the inputs leave energies 0, the leading singular vectors of the rest of W. */
  readonly directions: Matrix;
}

/** Energies below this share of the largest count as rounding: the error of a direction grows with the inverse of its share. */
const smallest = 1e-12;

/**
 * Finds the directions of a group. With m ≤ n outputs they are eigenvectors of W G Wᵀ; with more, left singular vectors of
 * W F with G = F Fᵀ, through its Gram matrix on the smaller side.
 *
 * If the samples do not span the input space, as with fewer samples than inputs, part of W has no energy. That part is
 * truncated by its own singular values, which is the limit of G + ε as ε goes to 0.
 * @param w stacked weights, (m, n)
 * @param factor F of a full metric, (n, n), called only if there are more outputs than inputs
 */
export async function fitOutputs(w: Matrix, metric: Metric, factor: () => Promise<Matrix>): Promise<GroupFit> {
  const { values, vectors } = await energies(w, metric, factor);
  const size = Math.min(w.rows, w.cols);
  const directions = { rows: size, cols: w.rows, data: new Float64Array(size * w.rows) };
  const rank = above(values, smallest * Math.max(itemAt(values, 0), 0));
  const seen = await orthonormal(rowRange(vectors, 0, rank));
  directions.data.set(seen.data);
  if (rank < size) {
    const rest = await without(w, seen);
    const ofRest = await energies(rest, { diagonal: new Float64Array(w.cols).fill(1) }, factor);
    const count = Math.min(size - rank, above(ofRest.values, smallest * squaredNorm(w.data)));
    const others = await orthonormal(rowRange(ofRest.vectors, 0, count));
    directions.data.set(others.data, seen.data.length); // what is left is 0, as W has nothing there
  }
  return { eigenvalues: values.map((value, i) => (i < rank ? value : 0)), directions };
}

function above(values: Float64Array, limit: number): number {
  return values.findLastIndex((value) => value > limit) + 1;
}

interface Energies {
  readonly values: Float64Array;
  readonly vectors: Matrix;
}

async function energies(w: Matrix, metric: Metric, factor: () => Promise<Matrix>): Promise<Energies> {
  const { rows, cols } = w;
  if (rows <= cols) {
    const gram =
      'full' in metric
        ? await multiply(await multiply(w, metric.full), w, { transposeB: true })
        : await gramOfRows(scaledColumns(w, metric.diagonal.map(Math.sqrt)));
    const { values, vectors } = await symmetricEigen(gram.data, rows);
    return { values, vectors: { rows, cols: rows, data: vectors } };
  }
  const x = 'full' in metric ? await multiply(w, await factor()) : scaledColumns(w, metric.diagonal.map(Math.sqrt));
  const { values, vectors } = await symmetricEigen((await multiply(x, x, { transposeA: true })).data, cols);
  const right = { rows: cols, cols, data: vectors };
  return { values, vectors: await multiply(right, x, { transposeB: true }) };
}

/** F with F Fᵀ = G for a symmetric G that is positive semi-definite up to rounding: Qᵀ √Λ of its eigenvectors Q, as rows. */
export async function symmetricFactor({ rows, data }: Matrix): Promise<Matrix> {
  const { values, vectors } = await symmetricEigen(data.slice(), rows);
  const factor = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    const root = Math.sqrt(Math.max(values[i] as number, 0));
    for (let j = 0; j < rows; j++) factor[j * rows + i] = root * (vectors[i * rows + j] as number);
  }
  return { rows, cols: rows, data: factor };
}

function scaledColumns({ rows, cols, data }: Matrix, scales: Float64Array): Matrix {
  const scaled = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) scaled[i] = (data[i] as number) * (scales[i % cols] as number);
  return { rows, cols, data: scaled };
}

/** W − U Uᵀ W */
async function without(w: Matrix, directions: Matrix): Promise<Matrix> {
  const rest = { ...w, data: w.data.slice() };
  const along = await multiply(directions, w);
  await multiplyInto(rest, directions, along, { transposeA: true, alpha: -1, accumulate: true });
  return rest;
}

/**
 * Makes rows orthonormal that are orthogonal up to rounding, of any lengths. The span of the first k rows stays the same
 * for every k, since a row changes only by those before it: twice U − E U, with E the lower triangle of U Uᵀ − 1 and half of
 * its diagonal. This is the Gram–Schmidt method to first order, in matrix products.
 */
async function orthonormal(rows: Matrix): Promise<Matrix> {
  let made = unitRows(rows);
  for (let pass = 0; pass < 2; pass++) {
    const { data, cols } = await multiply(made, made, { transposeB: true });
    for (let i = 0; i < cols; i++) {
      data[i * cols + i] = ((data[i * cols + i] as number) - 1) / 2;
      data.fill(0, i * cols + i + 1, (i + 1) * cols);
    }
    const next = { ...made, data: made.data.slice() };
    await multiplyInto(next, { rows: cols, cols, data }, made, { alpha: -1, accumulate: true });
    made = next;
  }
  return made;
}

/**
 * Output energy that each part of a group loses, tr(E G Eᵀ) over its rows with E = W − V Vᵀ W, when the group keeps the
 * directions V instead of all its own, U: the squared norm of its rows of (1 − V Vᵀ) U √Λ.
 * @param kept V: orthonormal rows, (r, m), its own leading directions or others
 * @returns for each part the energy that is lost, and its total energy
 */
export async function lostAlong(
  own: { readonly eigenvalues: Float64Array; readonly directions: Matrix<Float32Array> },
  kept: Matrix<Float32Array>,
  parts: readonly Rows[],
): Promise<{ readonly lost: number; readonly all: number }[]> {
  const { rows, cols, data } = own.directions;
  const rest = { rows, cols, data: new Float32Array(data.length) };
  for (let i = 0; i < data.length; i++)
    rest.data[i] = (data[i] as number) * Math.sqrt(own.eigenvalues[Math.floor(i / cols)] as number);
  const energyOf = ([from, to]: Rows) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += squaredNorm(rowOf(rest, i).subarray(from, to));
    return sum;
  };
  const all = parts.map(energyOf);
  const along = await multiply(rest, kept, { transposeB: true });
  await multiplyInto(rest, along, kept, { alpha: -1, accumulate: true });
  return parts.map((part, i) => ({ lost: energyOf(part), all: itemAt(all, i) }));
}

/** Rows of the stacked weights: the first included, the second excluded. */
export type Rows = readonly [from: number, to: number];

/**
 * Output energy that each part of a group loses on given inputs when only the first r directions U are kept, tr(E C Eᵀ) over
 * its rows with E = W − U Uᵀ W, for r from 0 to all: (directions + 1) for each part.
 * @param w stacked weights, (m, n)
 * @param c second moment of the inputs, (n, n)
 * @param parts rows of each part of the outputs
 */
export async function lostOutputs(
  w: Matrix,
  c: Matrix,
  directions: Matrix,
  parts: readonly Rows[],
): Promise<Float64Array[]> {
  const wc = await multiply(w, c);
  const along = await multiply(directions, w); // T = Uᵀ W
  const across = await multiply(along, wc, { transposeB: true }); // Uᵀ W C Wᵀ, (k, m)
  const between = await multiply(across, directions, { transposeB: true }); // B = Uᵀ W C Wᵀ U, (k, k)
  return Promise.all(
    parts.map(async ([from, to]) => {
      const own = columns(directions, from, to);
      const overlaps = await multiply(own, own, { transposeB: true });
      let lost = 0;
      for (let i = from; i < to; i++) lost += innerProduct(rowOf(w, i), rowOf(wc, i));
      const all = Float64Array.from({ length: directions.rows + 1 }, () => lost);
      for (let r = 0; r < directions.rows; r++) {
        const row = rowOf(across, r).subarray(from, to);
        lost -= 2 * innerProduct(rowOf(own, r), row);
        for (let i = 0; i <= r; i++) {
          const twice = i < r ? 2 : 1;
          lost +=
            twice * (overlaps.data[r * overlaps.cols + i] as number) * (between.data[r * between.cols + i] as number);
        }
        all[r + 1] = Math.max(lost, 0);
      }
      return all;
    }),
  );
}

function columns({ rows, cols, data }: Matrix, from: number, to: number): Matrix {
  const picked = new Float64Array(rows * (to - from));
  for (let i = 0; i < rows; i++) picked.set(data.subarray(i * cols + from, i * cols + to), i * (to - from));
  return { rows, cols: to - from, data: picked };
}
