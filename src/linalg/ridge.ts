// Ridge regression in closed form from Gram matrices: one eigenproblem, after which every penalty and target is cheap.

import { itemAt } from '../platform/indexing.ts';
import type { WorkerPool } from '../platform/threads/pool.ts';
import { symmetricEigen } from './eigen/eigen.ts';
import { gramOfRows, type Matrix, multiply } from './products.ts';
import { innerProduct, rowOf } from './rows.ts';

/** A linear map fitted with the best of several penalties. */
export interface RidgeFit {
  /** (inputs, outputs): a centred row x is mapped to x · coefficients. */
  readonly coefficients: Matrix;
  readonly lambda: number;
  /** Σ ‖y − ŷ‖² − Σ ‖y‖² over the validation rows, for each penalty tried. */
  readonly losses: readonly number[];
}

/** Two Gram matrices in the eigenbasis of the first. */
interface Eigenbasis {
  /** Eigenvalues of the training Gram matrix, largest first; rounding below zero is cut off. */
  readonly eigenvalues: Float64Array;
  /** Unit eigenvectors as rows. */
  readonly vectors: Matrix;
  /** Vᵀ Xᵥᵀ Xᵥ V of the validation rows. */
  readonly validation: Matrix;
}

/** What {@link Ridge.of} needs of its matrices, for a thread to make. @throws SurgeryError `numeric` for NaN or infinity */
export async function eigenbasis(train: Matrix, validation: Matrix): Promise<Eigenbasis> {
  const size = train.rows;
  const { values, vectors: data } = await symmetricEigen(train.data, size);
  const vectors = { rows: size, cols: size, data };
  const turned = await multiply(await multiply(vectors, validation), vectors, { transposeB: true });
  return { eigenvalues: values.map((value) => Math.max(value, 0)), vectors, validation: turned };
}

/** Inputs from which on an eigenproblem takes longer than to ask a thread for it. */
const worthAThread = 400;

/**
 * The inputs' side of ridge regressions: Gram matrices of centred inputs, turned into the eigenbasis of the first.
 * With XᵀX = V D Vᵀ the coefficients are V (D + λ)⁻¹ Vᵀ XᵀY (Hoerl and Kennard 1970), and the validation error is a
 * quadratic form in (D + λ)⁻¹, so that each further λ takes inputs² flops.
 */
export class Ridge {
  readonly #basis: Eigenbasis;

  private constructor(basis: Eigenbasis) {
    this.#basis = basis;
  }

  /**
   * @param train XᵀX of the training rows, (inputs, inputs), both triangles; it is overwritten
   * @param validation XᵀX of the validation rows, centred by the training rows' means; it is given away
   * @param pool of threads for large eigenproblems; by default they are solved on the spot
   * @throws SurgeryError `numeric` for NaN or infinity
   */
  static async of(train: Matrix, validation: Matrix, pool?: WorkerPool): Promise<Ridge> {
    if (!pool || train.rows < worthAThread) return new Ridge(await eigenbasis(train, validation));
    const module = new URL('./ridge.ts', import.meta.url);
    return new Ridge(await pool.run<Eigenbasis>(module, 'eigenbasis', () => [train, validation]));
  }

  /** Rows of inputs, or sums of such rows, in the eigenbasis: what {@link fit} takes is made of them. (rows, inputs) */
  turn(rows: Matrix): Promise<Matrix> {
    return multiply(rows, this.#basis.vectors, { transposeB: true });
  }

  /**
   * The fit whose penalty has the least error on the validation rows.
   * @param train XᵀY of the training rows, X in the eigenbasis, (inputs, outputs), both sides centred
   * @param validation XᵀY of the validation rows, centred by the training rows' means
   * @param lambdas penalties to choose from, above 0
   */
  async fit(train: Matrix, validation: Matrix, lambdas: readonly number[]): Promise<RidgeFit> {
    const losses = await this.#losses(train, validation, lambdas);
    const best = losses.reduce((least, loss, i) => (loss < itemAt(losses, least) ? i : least), 0);
    const lambda = itemAt(lambdas, best);
    const scaled = new Float64Array(train.data);
    for (let i = 0; i < train.rows; i++) {
      const weight = 1 / ((this.#basis.eigenvalues[i] as number) + lambda);
      for (let j = i * train.cols; j < (i + 1) * train.cols; j++) scaled[j] = (scaled[j] as number) * weight;
    }
    const coefficients = await multiply(this.#basis.vectors, { ...train, data: scaled }, { transposeA: true });
    return { coefficients, lambda, losses };
  }

  /**
   * −2 ⟨W, XᵥᵀYᵥ⟩ + ⟨W, XᵥᵀXᵥ W⟩, where W = (D + λ)⁻¹ XᵀY: with w the diagonal of (D + λ)⁻¹, wᵀ Q w − 2 wᵀ l, where Q is
   * XᵥᵀXᵥ and XᵀY YᵀX multiplied entry by entry, and l holds the products of the rows of XᵀY and XᵥᵀYᵥ.
   */
  async #losses(train: Matrix, validation: Matrix, lambdas: readonly number[]): Promise<number[]> {
    const size = this.#basis.eigenvalues.length;
    const linear = Float64Array.from({ length: size }, (_, i) => innerProduct(rowOf(train, i), rowOf(validation, i)));
    const quadratic = await this.#quadratic(train);
    const weights = new Float64Array(lambdas.length * size);
    for (const [l, lambda] of lambdas.entries())
      for (let i = 0; i < size; i++) weights[l * size + i] = 1 / ((this.#basis.eigenvalues[i] as number) + lambda);
    const turned = await multiply({ rows: lambdas.length, cols: size, data: weights }, quadratic);
    return lambdas.map((_, l) => {
      let loss = 0;
      for (let i = 0; i < size; i++)
        loss += (weights[l * size + i] as number) * ((turned.data[l * size + i] as number) - 2 * (linear[i] as number));
      return loss;
    });
  }

  /** Q, both triangles. */
  async #quadratic(train: Matrix): Promise<Matrix> {
    const size = this.#basis.eigenvalues.length;
    const quadratic = await gramOfRows(train);
    const { data } = quadratic;
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        const at = i * size + j;
        data[at] = (data[at] as number) * (this.#basis.validation.data[at] as number);
        data[j * size + i] = data[at] as number;
      }
    }
    return quadratic;
  }
}

/** Penalties to choose from: twelve decades in half-decade steps about the mean eigenvalue of a Gram matrix. */
export function penalties(mean: number): number[] {
  return Array.from({ length: 25 }, (_, i) => mean * 10 ** (-10 + i / 2));
}

/** Trace over size; 1 for a matrix of zeros. */
export function meanEigenvalue({ rows, data }: Matrix): number {
  let trace = 0;
  for (let i = 0; i < rows; i++) trace += data[i * rows + i] as number;
  return trace / rows || 1;
}
