// How a map's weight is spread over the directions of a basis.
import { type Matrix, multiply } from '../../linalg/products.ts';
import { squaredLengths, squaredNorm } from '../../linalg/rows.ts';

/**
 * ‖W b‖² / ‖W‖² for each direction b of a basis: the shares of an orthonormal basis of the whole space sum to 1, and a map
 * unrelated to the basis has 1 / hidden along each.
 * @param weights (outputs, hidden)
 * @param basis unit rows, (directions, hidden)
 * @returns (directions)
 */
export async function weightShares(weights: Matrix, basis: Matrix): Promise<Float64Array> {
  const total = squaredNorm(weights.data) || 1;
  const along = await multiply(basis, weights, { transposeB: true }); // (directions, outputs)
  return squaredLengths(along).map((square) => square / total);
}

/**
 * ‖W b‖² · var(bᵀx), as shares of their sum: how much of the map's output comes from each direction, since a small
 * weight on a direction of much variance may count for more than a large one where the residual hardly varies.
 * @param weights {@link weightShares} of the map along the basis
 * @param basis unit rows, (directions, hidden)
 * @param gram centred Gram matrix of the residual, (hidden, hidden)
 */
export async function signalShares(weights: Float64Array, basis: Matrix, gram: Matrix): Promise<Float64Array> {
  const turned = await multiply(basis, gram); // (directions, hidden)
  const signal = weights.map((share, i) => {
    let variance = 0;
    for (let j = i * basis.cols; j < (i + 1) * basis.cols; j++)
      variance += (turned.data[j] as number) * (basis.data[j] as number);
    return share * variance;
  });
  const total = signal.reduce((sum, share) => sum + share, 0) || 1;
  return signal.map((share) => share / total);
}

/** Sums over runs of neighbouring directions, as equal in size as possible: the first eighth of an ordered basis, the second … */
export function inRuns(shares: Float64Array, runs: number): number[] {
  return Array.from({ length: runs }, (_, run) => {
    const from = Math.round((run * shares.length) / runs);
    const to = Math.round(((run + 1) * shares.length) / runs);
    return shares.subarray(from, to).reduce((sum, share) => sum + share, 0);
  });
}
