// Untrained baseline maps.
import { type Matrix, multiply } from '../../linalg/products.ts';
import type { LinearMap } from './fit.ts';

/** Always the training mean: for a token target, how frequent each token is. */
export function meanMap({ mean, coefficients: { rows, cols }, offset }: LinearMap): LinearMap {
  return { mean, coefficients: { rows, cols, data: new Float64Array(rows * cols) }, offset };
}

/**
 * The residual itself, scaled, as the predicted embedding: the baseline of blocks that only add to it.
 * @param size root mean square of an embedding, which a residual of root mean square 1 is brought to
 */
export function identityMap(hidden: number, size: number): LinearMap {
  const data = new Float64Array(hidden * hidden);
  for (let i = 0; i < hidden; i++) data[i * hidden + i] = size;
  return {
    mean: new Float64Array(hidden),
    coefficients: { rows: hidden, cols: hidden, data },
    offset: new Float64Array(hidden),
  };
}

/**
 * A map with a trained one's singular values, and so its rank and size, between random directions.
 * @param left and right: orthogonal, (hidden, hidden), random
 */
export async function randomMap({ mean, coefficients, offset }: LinearMap, left: Matrix, right: Matrix) {
  return { mean, coefficients: await multiply(await multiply(left, coefficients), right), offset };
}
