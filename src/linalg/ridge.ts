// Ridge regression in closed form from Gram matrices: one eigenproblem, after which every penalty and target is cheap.
import { symmetricEigen } from './eigen.ts';
import { type Matrix, multiply } from './products.ts';

/** A map fitted with the penalty that served best. */
export interface RidgeFit {
  /** (inputs, outputs): a centred row x is mapped to x · coefficients. */
  readonly coefficients: Matrix;
  readonly lambda: number;
  /** Σ ‖y − ŷ‖² − Σ ‖y‖² over the validation rows, for each penalty tried. */
  readonly losses: readonly number[];
}

/**
 * The inputs' side of ridge regressions: Gram matrices of centred inputs, turned into the eigenbasis of the first.
 * With XᵀX = V D Vᵀ the coefficients are V (D + λ)⁻¹ Vᵀ XᵀY (Hoerl and Kennard 1970), and the validation error is a
 * quadratic form in (D + λ)⁻¹, so that each further λ takes inputs² flops.
 */
export class Ridge {
  /** Eigenvalues of the training Gram matrix, largest first; rounding below zero is cut off. */
  readonly eigenvalues: Float64Array;
  readonly #vectors: Matrix;
  /** Vᵀ Xᵥᵀ Xᵥ V of the validation rows. */
  readonly #validation: Matrix;

  private constructor(eigenvalues: Float64Array, vectors: Matrix, validation: Matrix) {
    this.eigenvalues = eigenvalues;
    this.#vectors = vectors;
    this.#validation = validation;
  }

  /**
   * @param train XᵀX of the training rows, (inputs, inputs), both triangles
   * @param validation the same of the validation rows, less the training rows' means
   * @throws SurgeryError `numeric` for NaN or infinity
   */
  static async of(train: Matrix, validation: Matrix): Promise<Ridge> {
    const size = train.rows;
    const { values, vectors: data } = await symmetricEigen(train.data.slice(), size);
    const vectors = { rows: size, cols: size, data };
    const turned = await multiply(await multiply(vectors, validation), vectors, { transposeB: true });
    return new Ridge(
      values.map((value) => Math.max(value, 0)),
      vectors,
      turned,
    );
  }

  /**
   * The fit whose penalty has the least error on the validation rows.
   * @param train XᵀY of the training rows, (inputs, outputs), both sides centred
   * @param validation the same of the validation rows, less the training rows' means
   * @param lambdas penalties to choose from, above 0
   */
  async fit(train: Matrix, validation: Matrix, lambdas: readonly number[]): Promise<RidgeFit> {
    const cross = await multiply(this.#vectors, train); // (inputs, outputs) in the eigenbasis
    const held = await multiply(this.#vectors, validation);
    const products = await multiply(cross, cross, { transposeB: true });
    const losses = lambdas.map((lambda) => this.#loss(lambda, cross, held, products));
    const best = losses.reduce((least, loss, i) => (loss < (losses[least] ?? 0) ? i : least), 0);
    const lambda = lambdas[best] ?? 0;
    const scaled = new Float64Array(cross.data);
    for (let i = 0; i < cross.rows; i++) {
      const weight = 1 / ((this.eigenvalues[i] as number) + lambda);
      for (let j = i * cross.cols; j < (i + 1) * cross.cols; j++) scaled[j] = (scaled[j] as number) * weight;
    }
    const coefficients = await multiply(this.#vectors, { ...cross, data: scaled }, { transposeA: true });
    return { coefficients, lambda, losses };
  }

  /** −2 ⟨W, XᵥᵀYᵥ⟩ + ⟨W, XᵥᵀXᵥ W⟩ in the eigenbasis, where W = (D + λ)⁻¹ VᵀXᵀY. */
  #loss(lambda: number, cross: Matrix, held: Matrix, products: Matrix): number {
    const size = this.eigenvalues.length;
    const weights = this.eigenvalues.map((value) => 1 / (value + lambda));
    let loss = 0;
    for (let i = 0; i < size; i++) {
      let linear = 0;
      for (let j = i * cross.cols; j < (i + 1) * cross.cols; j++)
        linear += (cross.data[j] as number) * (held.data[j] as number);
      let quadratic = 0;
      for (let j = 0; j < size; j++) {
        const at = i * size + j;
        quadratic += (weights[j] as number) * (this.#validation.data[at] as number) * (products.data[at] as number);
      }
      loss += (weights[i] as number) * (quadratic - 2 * linear);
    }
    return loss;
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
