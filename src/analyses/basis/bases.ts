// Ordered bases of a vocabulary's matrix: principal components, non-negative parts, frequent tokens, random directions, a dictionary.
import { type Coherence, coherenceOf } from '../../linalg/coherence.ts';
import { errorsBySparsity, learnDictionary } from '../../linalg/dictionary.ts';
import { factorise } from '../../linalg/nmf.ts';
import { type Matrix, multiply } from '../../linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { centred, columnMeans, rowRange, squaredNorm, subtractRow, unitRows } from '../../linalg/rows.ts';
import { orthonormalised, principalComponents } from '../../linalg/subspaces.ts';
import { weightShares } from '../probe/weight-spectrum.ts';
import type { BasisMethod } from './methods.ts';
import type { DictionaryReport, Reconstruction } from './result.ts';

export interface Basis {
  readonly method: BasisMethod;
  /** Unit rows in their order, (components, hidden). */
  readonly directions: Matrix;
  /** Error against the number of components: of the first ones of an orthonormal basis, else of bases of each size. */
  readonly reconstruction: readonly Reconstruction[];
  /** The token that each direction came from. */
  readonly tokens?: readonly number[];
  readonly dictionary?: DictionaryReport;
}

export interface BasisOptions {
  readonly method: BasisMethod;
  readonly components: number;
  readonly seed: number;
  /** Atoms for each token, of a dictionary. */
  readonly sparsity: number;
  /** Token ids, the most frequent first. */
  readonly byFrequency: readonly number[];
  readonly onProgress?: (done: number, total: number) => void;
}

const coherenceLimits = [0.1, 0.2, 0.3] as const;
const coherenceDraws = 5;

/**
 * An ordered basis of a matrix whose columns are centred first.
 * @param matrix (tokens, hidden)
 */
export async function makeBasis(matrix: Matrix<Float32Array>, options: BasisOptions): Promise<Basis> {
  const own = centred(matrix);
  switch (options.method) {
    case 'pca':
      return projecting(own, options, await principalComponents(matrix, options.components));
    case 'random':
      return projecting(
        own,
        options,
        await randomOrthonormal(options.components, own.cols, seededRandom(options.seed)),
      );
    case 'frequency': {
      const rows = options.byFrequency.map((id) => ({ id, row: rowRange(own, id, id + 1).data }));
      const { directions, ids } = orthonormalised(rows, options.components, own.cols);
      return { ...(await projecting(own, options, directions)), tokens: ids };
    }
    case 'nmf':
      return nonNegative(own, options);
    case 'dictionary':
      return overcomplete(own, options);
  }
}

/** An orthonormal basis: the matrix is rebuilt by projection, so the first k components are the basis of k. */
async function projecting(own: Matrix, { method }: BasisOptions, directions: Matrix): Promise<Basis> {
  const shares = await weightShares(own, directions);
  let left = 1;
  const errors = Array.from(shares, (share) => (left -= share));
  const reconstruction = sizesUpTo(directions.rows).map((components) => ({
    components,
    error: Math.max(0, errors[components - 1] ?? 1),
  }));
  return { method, directions, reconstruction };
}

/** Reported sizes: powers of two, and all. */
function sizesUpTo(components: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(components)) }, (_, i) => 2 ** i);
  return [...powers.filter((size) => size < components), components];
}

/** Factorisations of each size; the largest is the basis. */
async function nonNegative(own: Matrix, { method, components, seed, onProgress }: BasisOptions): Promise<Basis> {
  const parts = signParts(own);
  const reconstruction: Reconstruction[] = [];
  let directions: Matrix = { rows: 0, cols: own.cols, data: new Float64Array() };
  const sizes = sizesUpTo(components).slice(-4);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  for (const size of sizes) {
    const factors = await factorise(parts, size, {
      seed,
      onProgress: (done, all) => onProgress?.(before + (size * done) / all, total),
    });
    before += size;
    const difference = signed(factors.components);
    const rebuilt = await multiply(factors.weights, difference);
    reconstruction.push({ components: size, error: relativeError(own, rebuilt) });
    directions = unitRows(difference);
  }
  return { method, directions, reconstruction };
}

/** [M₊, M₋], (tokens, 2 hidden): what is above zero, and what is below it with its sign turned. */
function signParts({ rows, cols, data }: Matrix): Matrix<Float32Array> {
  const out = new Float32Array(rows * cols * 2);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const value = data[i * cols + j] as number;
      out[i * 2 * cols + (value > 0 ? j : cols + j)] = Math.abs(value);
    }
  }
  return { rows, cols: 2 * cols, data: out };
}

/** ‖M − M̂‖² / ‖M‖². */
function relativeError({ data }: Matrix, rebuilt: Matrix<Float32Array>): number {
  let error = 0;
  for (let i = 0; i < data.length; i++) {
    const difference = (data[i] as number) - (rebuilt.data[i] as number);
    error += difference * difference;
  }
  return error / (squaredNorm(data) || 1);
}

/** The positive minus the negative half of each row. */
function signed({ rows, cols, data }: Matrix<Float32Array>): Matrix<Float32Array> {
  const half = cols / 2;
  const out = new Float32Array(rows * half);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < half; j++)
      out[i * half + j] = (data[i * cols + j] as number) - (data[i * cols + half + j] as number);
  }
  return { rows, cols: half, data: out };
}

/** Dictionaries of a quarter, half and all of the atoms; the largest is the basis. */
async function overcomplete(own: Matrix, options: BasisOptions): Promise<Basis> {
  const { method, components, seed, sparsity, onProgress } = options;
  const sizes = [...new Set([components / 4, components / 2, components].map(Math.ceil))];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const reconstruction: Reconstruction[] = [];
  let before = 0;
  let basis: Pick<Basis, 'directions' | 'dictionary'> | undefined;
  for (const size of sizes) {
    const { atoms, codes } = await learnDictionary(own, {
      atoms: size,
      sparsity: Math.min(sparsity, size),
      seed,
      onProgress: (done, all) => onProgress?.(before + (size * done) / all, total),
    });
    before += size;
    const errors = errorsBySparsity(codes);
    reconstruction.push({ components: size, error: errors.at(-1) ?? 1 });
    if (size === components) basis = { directions: atoms, dictionary: await report(atoms, errors, seed) };
  }
  if (!basis) throw new RangeError('no dictionary was trained');
  return { method, reconstruction, ...basis };
}

async function report(atoms: Matrix, errors: readonly number[], seed: number): Promise<DictionaryReport> {
  const random = seededRandom(seed + 1);
  const drawn: Coherence[] = [];
  for (let draw = 0; draw < coherenceDraws; draw++) {
    const data = gaussian(atoms.rows * atoms.cols, random);
    drawn.push(await coherenceOf(unitRows({ ...atoms, data }), coherenceLimits));
  }
  return {
    sparsity: errors.map((error, i) => ({ atoms: i + 1, error })),
    limits: coherenceLimits,
    coherence: await coherenceOf(atoms, coherenceLimits),
    random: drawn,
  };
}

/** A token and how near its row is to a direction. */
export interface Near {
  readonly token: number;
  readonly cosine: number;
}

/** The tokens whose rows have the largest cosines with each direction; and those with the least, which it points away from. */
export interface Nearest {
  readonly nearest: readonly Near[];
  readonly farthest: readonly Near[];
}

/**
 * @param matrix (tokens, hidden), centred here
 * @param count tokens at each end
 */
export async function nearestTokens(
  matrix: Matrix<Float32Array>,
  directions: Matrix,
  count: number,
): Promise<Nearest[]> {
  const mean = columnMeans(matrix);
  const cosines = new Float32Array(matrix.rows * directions.rows);
  for (let from = 0; from < matrix.rows; from += block) {
    const rows = unitRows(subtractRow(rowRange(matrix, from, Math.min(from + block, matrix.rows)), mean));
    cosines.set((await multiply(rows, directions, { transposeB: true })).data, from * directions.rows);
  }
  const tokens = [...Array(matrix.rows).keys()];
  return Array.from({ length: directions.rows }, (_, k) => {
    const cosine = (token: number) => cosines[token * directions.rows + k] as number;
    const order = tokens.toSorted((a, b) => cosine(b) - cosine(a) || a - b);
    const described = (list: readonly number[]) => list.map((token) => ({ token, cosine: cosine(token) }));
    return { nearest: described(order.slice(0, count)), farthest: described(order.slice(-count).reverse()) };
  });
}

/** Rows that are turned into float64 at once. */
const block = 2048;
