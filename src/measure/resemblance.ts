// Whether a token probe's matrix is nearer to the embedding than chance: rows, kernels, leading subspaces.
import { alignment, kernelOf, permutedAlignment } from '../linalg/alignment.ts';
import { type Matrix, multiply } from '../linalg/products.ts';
import { randomOrthonormal, seededRandom } from '../linalg/random.ts';
import { centred, innerProduct, pickRows, unitRows } from '../linalg/rows.ts';
import { leadingSingularVectors, principalCosines } from '../linalg/subspaces.ts';
import { shuffled } from './splits.ts';

/** A measure of likeness and what it is for matrices that are alike by chance only. */
export interface Likeness {
  readonly value: number;
  /** With the rows of the matrix in a random order; none where the order of rows does not matter. */
  readonly permuted: Chance | null;
  /** With random matrices that have the matrix's singular values. */
  readonly random: Chance;
}

/** Over the draws. */
export interface Chance {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** All but `rowCosine` do not depend on the basis of one side's tokens or the other's. Columns are centred in all. */
export interface Resemblance {
  /** Mean cosine of a token's row in both matrices. */
  readonly rowCosine: Likeness;
  /** Linear CKA of the tokens' kernels. */
  readonly cka: Likeness;
  /** Mean squared cosine of the principal angles between the leading subspaces of the residual space. */
  readonly hiddenSpace: Likeness;
  /** The same of the leading subspaces of the tokens' space. */
  readonly tokenSpace: Likeness;
}

export const permutations = 40;
export const randomDraws = 10;

/** What the leading subspaces hold of all dimensions: an eighth. */
const leadingShare = 1 / 8;

/** The rule in words, to be printed beside what follows from it. */
export const resemblanceRule =
  `columns centred; leading subspaces of an eighth of the dimensions; chance: ${permutations} random orders of the rows, ` +
  `${randomDraws} random matrices with the same singular values`;

/** Both spaces and the kernel of a matrix. */
interface Described {
  readonly matrix: Matrix;
  readonly unit: Matrix;
  readonly kernel: Matrix;
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
   */
  static async all(matrices: readonly Matrix[], seed: number): Promise<Reference[]> {
    const own: Described[] = [];
    for (const matrix of matrices) own.push(await describe(matrix));
    const { rows = 0, cols = 0 } = matrices[0] ?? {};
    const random = seededRandom(seed + 3);
    const left = await randomOrthonormal(rows, rows, random);
    const right = await randomOrthonormal(cols, cols, random);
    const turned: Matrix[] = [];
    for (const { matrix } of own) turned.push(await multiply(await multiply(left, matrix), right));
    const draws: Described[][] = matrices.map(() => []);
    for (let draw = 0; draw < randomDraws; draw++) {
      const [byRows, byColumns] = [signedOrder(rows, random), signedOrder(cols, random)];
      for (const [i, matrix] of turned.entries()) draws[i]?.push(await describe(reordered(matrix, byRows, byColumns)));
    }
    const orders = Array.from({ length: permutations }, () => shuffled(rows, random));
    return own.map((one, i) => new Reference(one, draws[i] ?? [], orders));
  }

  /** @param matrix (tokens, hidden), of the same tokens in the same order */
  async compare(matrix: Matrix): Promise<Resemblance> {
    const other = await describe(matrix);
    const over = async (of: (reference: Described) => number | Promise<number>) => {
      const values: number[] = [];
      for (const draw of this.#random) values.push(await of(draw));
      return chance(values);
    };
    const rows = (reference: Described) => innerProduct(other.unit.data, reference.unit.data) / matrix.rows;
    const cka = (reference: Described) => alignment(other.kernel, reference.kernel);
    const hidden = (reference: Described) => sharedShare(other.hidden, reference.hidden);
    const tokens = (reference: Described) => sharedShare(other.tokens, reference.tokens);
    const own = this.#own;
    const tokensPermuted: number[] = [];
    for (const order of this.#orders)
      tokensPermuted.push(await tokens({ ...own, tokens: pickColumns(own.tokens, order) }));
    return {
      rowCosine: {
        value: rows(own),
        permuted: chance(this.#orders.map((order) => rows({ ...own, unit: pickRows(own.unit, order) }))),
        random: await over(rows),
      },
      cka: {
        value: cka(own),
        permuted: chance(this.#orders.map((order) => permutedAlignment(other.kernel, own.kernel, order))),
        random: await over(cka),
      },
      hiddenSpace: { value: await hidden(own), permuted: null, random: await over(hidden) },
      tokenSpace: { value: await tokens(own), permuted: chance(tokensPermuted), random: await over(tokens) },
    };
  }
}

async function describe(matrix: Matrix): Promise<Described> {
  const own = centred(matrix);
  const count = Math.max(1, Math.round(Math.min(own.rows, own.cols) * leadingShare));
  const { left, right } = await leadingSingularVectors(own, count);
  return { matrix: own, unit: unitRows(own), kernel: await kernelOf(own), hidden: right, tokens: left };
}

/** Mean squared cosine of the principal angles: of random subspaces, their dimensions over those of the space. */
async function sharedShare(a: Matrix, b: Matrix): Promise<number> {
  const cosines = await principalCosines(a, b);
  return cosines.reduce((sum, cosine) => sum + cosine * cosine, 0) / Math.max(cosines.length, 1);
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
    for (let j = 0; j < cols; j++) out[i * cols + j] = data[i * cols + (order[j] ?? 0)] as number;
  }
  return { rows, cols, data: out };
}

function chance(values: readonly number[]): Chance {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values) };
}
