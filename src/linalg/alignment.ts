// How alike two matrices with matching rows are, whatever the basis of their columns: centred kernels and linear CKA.
import { type Matrix, multiply } from './products.ts';
import { innerProduct, squaredNorm } from './rows.ts';

/** X Xᵀ, (rows, rows), both triangles. */
export function kernelOf(x: Matrix): Promise<Matrix> {
  return multiply(x, x, { transposeB: true });
}

/**
 * Linear centred kernel alignment (Kornblith, Norouzi, Lee and Hinton 2019): ⟨K, L⟩ / (‖K‖ ‖L‖), 0 to 1; 1 where one
 * matrix is the other turned and scaled. For matrices of zeros 0.
 * @param k and l: kernels X Xᵀ of matrices whose columns are centred
 */
export function alignment(k: Matrix, l: Matrix): number {
  const size = Math.sqrt(squaredNorm(k.data) * squaredNorm(l.data));
  return size > 0 ? innerProduct(k.data, l.data) / size : 0;
}

/** {@link alignment} for each reordering of the second matrix's rows: its row order[i] is compared with row i of the first. */
export function permutedAlignments(k: Matrix, l: Matrix, orders: readonly ArrayLike<number>[]): number[] {
  const size = Math.sqrt(squaredNorm(k.data) * squaredNorm(l.data));
  return orders.map((order) => {
    let sum = 0;
    for (let i = 0; i < k.rows; i++) {
      const from = (order[i] as number) * l.cols;
      for (let j = 0; j < k.cols; j++)
        sum += (k.data[i * k.cols + j] as number) * (l.data[from + (order[j] as number)] as number);
    }
    return size > 0 ? sum / size : 0;
  });
}
