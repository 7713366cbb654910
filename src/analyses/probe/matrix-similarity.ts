// Similarity of a token probe's matrix to the embedding, compared with chance: rows, kernels, leading subspaces.

import { alignment, kernelOf, permutedAlignments } from '../../linalg/alignment.ts';
import { type Matrix, multiply } from '../../linalg/products.ts';
import { randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { centred, innerProduct, squaredNorm, unitRows } from '../../linalg/rows.ts';
import { leadingSingularVectors } from '../../linalg/subspaces.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { Chance, Resemblance } from './result.ts';
import { shuffled } from './splits.ts';

const permutations = 40;
const randomDraws = 10;

/** What the leading subspaces hold of all dimensions: an eighth. */
const leadingShare = 1 / 8;

/** The rule in words, printed with the results. */
export const resemblanceRule =
  `columns centred; leading subspaces of an eighth of the dimensions; chance: ${permutations} random orders of the rows, ` +
  `${randomDraws} random matrices with the same singular values`;

/** What matrices with the same tokens are compared by, columns centred. */
export interface Described {
  /** Rows of length 1, (tokens, hidden). */
  readonly unit: Matrix;
  /** (tokens, tokens) */
  readonly kernel: Matrix;
  /** Leading singular vectors on both sides: (count, hidden) and (count, tokens). */
  readonly hidden: Matrix;
  readonly tokens: Matrix;
}

/** A matrix that others are compared with, and its chance versions, which are drawn once for all of them. */
export class Reference {
  readonly #own: Described;
  readonly #random: readonly Described[];
  readonly #orders: readonly Uint32Array[];

  private constructor(own: Described, random: readonly Described[], orders: readonly Uint32Array[]) {
    this.#own = own;
    this.#random = random;
    this.#orders = orders;
  }

  /**
   * References for matrices of the same tokens, which share what is drawn. A random matrix with their singular values is
   * Q M R, Q and R uniformly random orthogonal. One such pair is made; for each draw the rows and columns of Q M R change
   * places and signs at random, which leaves Q and R as random as they were and takes no further eigenproblem.
   * @param matrices (tokens, hidden)
   * @param onProgress called with the share of the work that is done
   */
  static async all(
    matrices: readonly Matrix[],
    seed: number,
    onProgress?: (share: number) => void,
  ): Promise<Reference[]> {
    const own: Described[] = [];
    for (const matrix of matrices) own.push(await described(matrix));
    const { rows, cols } = itemAt(matrices, 0);
    const random = seededRandom(seed + 3);
    const left = await randomOrthonormal(rows, rows, random);
    const right = await randomOrthonormal(cols, cols, random);
    const turned: Matrix[] = [];
    for (const matrix of matrices) turned.push(await multiply(await multiply(left, centred(matrix)), right));
    const draws: Described[][] = matrices.map(() => []);
    for (let draw = 0; draw < randomDraws; draw++) {
      const [byRows, byColumns] = [signedOrder(rows, random), signedOrder(cols, random)];
      for (const [i, matrix] of turned.entries())
        itemAt(draws, i).push(await described(reordered(matrix, byRows, byColumns)));
      onProgress?.((draw + 1) / randomDraws);
    }
    const orders = Array.from({ length: permutations }, () => shuffled(rows, random));
    return own.map((one, i) => new Reference(one, itemAt(draws, i), orders));
  }

  /** @param other a matrix of the same tokens in the same order */
  async compare(other: Described): Promise<Resemblance> {
    const own = this.#own;
    const over = async (of: (reference: Described) => number | Promise<number>) => {
      const values: number[] = [];
      for (const draw of this.#random) values.push(await of(draw));
      return chance(values);
    };
    const cosines = await multiply(other.unit, own.unit, { transposeB: true }); // of each row with each
    const count = cosines.rows;
    const rowsInOrder = (at: (row: number) => number) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += cosines.data[i * count + at(i)] as number;
      return sum / count;
    };
    const cka = (reference: Described) => alignment(other.kernel, reference.kernel);
    const hidden = (reference: Described) => sharedShare(other.hidden, reference.hidden);
    const tokens = (reference: Described) => sharedShare(other.tokens, reference.tokens);
    const tokensPermuted: number[] = [];
    for (const order of this.#orders)
      tokensPermuted.push(await tokens({ ...own, tokens: pickColumns(own.tokens, order) }));
    return {
      rowCosine: {
        value: rowsInOrder((i) => i),
        permuted: chance(this.#orders.map((order) => rowsInOrder((i) => order[i] as number))),
        random: await over(({ unit }) => innerProduct(other.unit.data, unit.data) / count),
      },
      cka: {
        value: cka(own),
        permuted: chance(permutedAlignments(other.kernel, own.kernel, this.#orders)),
        random: await over(cka),
      },
      hiddenSpace: { value: await hidden(own), permuted: null, random: await over(hidden) },
      tokenSpace: { value: await tokens(own), permuted: chance(tokensPermuted), random: await over(tokens) },
    };
  }
}

/** What a matrix is compared by. @param matrix (tokens, hidden) */
export async function described(matrix: Matrix): Promise<Described> {
  const own = centred(matrix);
  const count = Math.max(1, Math.round(Math.min(own.rows, own.cols) * leadingShare));
  const { left, right } = await leadingSingularVectors(own, count);
  return { unit: unitRows(own), kernel: await kernelOf(own), hidden: right, tokens: left };
}

/**
 * Mean squared cosine of the principal angles: of random subspaces, their dimensions over those of the space. The squared
 * cosines are the squared singular values of A Bᵀ, whose sum needs no eigenproblem.
 * @param a (r, n) and b (s, n), orthonormal rows
 */
async function sharedShare(a: Matrix, b: Matrix): Promise<number> {
  const product = await multiply(a, b, { transposeB: true });
  return squaredNorm(product.data) / Math.min(a.rows, b.rows);
}

/** Places that change, and the sign that each takes on. */
interface SignedOrder {
  readonly order: Uint32Array;
  readonly signs: Int8Array;
}

function signedOrder(count: number, random: () => number): SignedOrder {
  return { order: shuffled(count, random), signs: Int8Array.from({ length: count }, () => (random() < 0.5 ? -1 : 1)) };
}

function reordered({ rows, cols, data }: Matrix, byRows: SignedOrder, byColumns: SignedOrder): Matrix {
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    const from = (byRows.order[i] as number) * cols;
    const sign = byRows.signs[i] as number;
    for (let j = 0; j < cols; j++) {
      const value = data[from + (byColumns.order[j] as number)] as number;
      out[i * cols + j] = sign * (byColumns.signs[j] as number) * value;
    }
  }
  return { rows, cols, data: out };
}

/** The columns in another order: column j of the result is column order[j]. */
function pickColumns({ rows, cols, data }: Matrix, order: ArrayLike<number>): Matrix {
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[i * cols + j] = data[i * cols + (order[j] as number)] as number;
  }
  return { rows, cols, data: out };
}

function chance(values: readonly number[]): Chance {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values) };
}
