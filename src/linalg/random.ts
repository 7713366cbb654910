// Seeded random numbers, and random directions made of them.
import { symmetricEigen } from './eigen/eigen.ts';
import { gramOfRows, type Matrix, multiply } from './products.ts';

/** Uniform numbers in [0, 1) from a whole-number seed. Chris Doty-Humphrey's sfc32, 53 bits a draw. */
export function seededRandom(seed: number): () => number {
  let [a, b, c, counter] = [0x9e3779b9, Math.floor(seed / 2 ** 32) | 0, seed | 0, 1];
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** `count` independent standard normal numbers (Box and Muller). */
export function gaussian(count: number, random: () => number): Float64Array {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/**
 * `rows` orthonormal rows of length `cols`, spanning a subspace that is uniformly random: X of normal numbers, made
 * orthonormal as (X Xᵀ)^(−½) X. With nearly as many rows as columns X may be ill-conditioned, and the condition number of
 * X Xᵀ is its square: the result is then made orthonormal a second time.
 * @throws RangeError for more rows than columns
 */
export async function randomOrthonormal(rows: number, cols: number, random: () => number): Promise<Matrix> {
  if (rows > cols) throw new RangeError(`${rows} directions in a space of ${cols} cannot be orthonormal`);
  const x = { rows, cols, data: gaussian(rows * cols, random) };
  if (rows === 0) return x;
  const { matrix, ratio } = await symmetricallyOrthonormalised(x);
  return ratio < 1e-4 ? (await symmetricallyOrthonormalised(matrix)).matrix : matrix;
}

/** (X Xᵀ)^(−½) X (Löwdin 1950), and the smallest eigenvalue of X Xᵀ over the largest: rounding errors grow with its inverse. */
async function symmetricallyOrthonormalised(x: Matrix): Promise<{ matrix: Matrix; ratio: number }> {
  const { rows } = x;
  const { values, vectors } = await symmetricEigen((await gramOfRows(x)).data, rows);
  const [largest = 1, smallest = 1] = [values[0], values.at(-1)];
  const length = (i: number) => Math.sqrt(Math.max(values[i] ?? 1, 1e-15 * largest));
  const scaled = vectors.map((value, i) => value / length(Math.floor(i / rows)));
  const square = (data: Float64Array) => ({ rows, cols: rows, data });
  const root = await multiply(square(vectors), square(scaled), { transposeA: true });
  return { matrix: await multiply(root, x), ratio: smallest / largest };
}
