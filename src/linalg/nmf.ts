// Non-negative matrix factorisation by multiplicative updates.
import { itemAt } from '../platform/indexing.ts';
import { type Matrix, multiply } from './products.ts';
import { seededRandom } from './random.ts';
import { innerProduct, rowOf, squaredNorm } from './rows.ts';

export interface Factors {
  /** Non-negative weight of each component in each row, (rows, components). */
  readonly weights: Matrix<Float32Array>;
  /** Non-negative rows of unit length, (components, cols). */
  readonly components: Matrix<Float32Array>;
  /** ‖X − W C‖² / ‖X‖². */
  readonly error: number;
  readonly iterations: number;
}

export interface NmfOptions {
  readonly seed: number;
  /** Maximum number of updates. Default 500. */
  readonly iterations?: number;
  /** Stops when the relative error falls by less than this over {@link checked} updates. Default 1e-4. */
  readonly tolerance?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Updates between two checks of the error. */
const checked = 10;

/** What counts as zero, and keeps it from dividing by zero. */
const tiny = 1e-12;

/**
 * X ≈ W C with no negative number anywhere, by the multiplicative updates for squared error of Lee and Seung (2001),
 * which never raise it. They start from random numbers and end in a local minimum. Components are sorted by their
 * contribution ‖w‖ ‖c‖ to the sum, largest first. Products in float32: 8 · rows · cols · count flops per update.
 * @param x (rows, cols), non-negative
 */
export async function factorise(
  x: Matrix<Float32Array>,
  count: number,
  { seed, iterations = 500, tolerance = 1e-4, onProgress }: NmfOptions,
): Promise<Factors> {
  const square = squaredNorm(x.data);
  const random = seededRandom(seed);
  const size = Math.sqrt(x.data.reduce((sum, value) => sum + value, 0) / (x.data.length * count)) || 1;
  const start = (rows: number, cols: number) => ({
    rows,
    cols,
    data: Float32Array.from({ length: rows * cols }, () => size * (0.5 + random())),
  });
  const weights = start(x.rows, count);
  const components = start(count, x.cols);
  let [error, last, done] = [1, 1, 0];
  while (done < iterations) {
    const inner = await multiply(components, components, { transposeB: true });
    update(weights, await multiply(x, components, { transposeB: true }), await multiply(weights, inner));
    const overlap = await multiply(weights, weights, { transposeA: true });
    const match = await multiply(weights, x, { transposeA: true });
    update(components, match, await multiply(overlap, components));
    done++;
    if (done % checked > 0 && done < iterations) continue;
    const fitted = await multiply(components, components, { transposeB: true });
    const cross = innerProduct(match.data, components.data);
    error = Math.max(0, square - 2 * cross + innerProduct(overlap.data, fitted.data)) / (square || 1);
    onProgress?.(done, iterations);
    if (last - error < tolerance * last) break;
    last = error;
  }
  return { ...ordered(weights, components), error, iterations: done };
}

function update({ data }: Matrix<Float32Array>, above: Matrix<Float32Array>, below: Matrix<Float32Array>): void {
  for (let i = 0; i < data.length; i++) {
    const value = ((data[i] as number) * (above.data[i] as number)) / ((below.data[i] as number) + tiny);
    data[i] = value > tiny ? value : 0; // vanishing numbers would become denormal, which makes products slow
  }
}

/** Moves the components' lengths into the weights, and sorts by contribution to the sum, largest first. */
function ordered(
  weights: Matrix<Float32Array>,
  components: Matrix<Float32Array>,
): Pick<Factors, 'weights' | 'components'> {
  const { rows, cols: count } = weights;
  const { cols } = components;
  const lengths = Array.from({ length: count }, (_, k) => Math.sqrt(squaredNorm(rowOf(components, k))));
  const sizes = lengths.map((length, k) => {
    let sum = 0;
    for (let i = 0; i < rows; i++)
      sum += (weights.data[i * count + k] as number) * (weights.data[i * count + k] as number);
    return length * Math.sqrt(sum);
  });
  const order = [...sizes.keys()].sort((a, b) => itemAt(sizes, b) - itemAt(sizes, a));
  const outWeights = new Float32Array(weights.data.length);
  const outComponents = new Float32Array(components.data.length);
  for (const [to, from] of order.entries()) {
    const length = lengths[from] || 1;
    const unit = rowOf(components, from).map((value) => value / length);
    outComponents.set(unit, to * cols);
    for (let i = 0; i < rows; i++) outWeights[i * count + to] = (weights.data[i * count + from] as number) * length;
  }
  return { weights: { ...weights, data: outWeights }, components: { ...components, data: outComponents } };
}
