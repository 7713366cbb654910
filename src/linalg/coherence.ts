// How nearly orthogonal many directions are to each other.
import { itemAt } from '../platform/indexing.ts';
import { type Matrix, multiply } from './products.ts';

export interface Coherence {
  /** Largest |cosine| of two different directions. */
  readonly largest: number;
  readonly mean: number;
  /** For each limit, the share of pairs within it. */
  readonly pairs: readonly number[];
  /** For each limit, how many directions a greedy pass in order keeps, such that every pair of them is within it. */
  readonly independent: readonly number[];
}

/**
 * Statistics of the |cosine| of all pairs of directions.
 * @param directions unit rows, (directions, size)
 * @param limits of |cosine| up to which two directions count as nearly orthogonal
 */
export async function coherenceOf(directions: Matrix, limits: readonly number[]): Promise<Coherence> {
  const { rows } = directions;
  const cosines = (await multiply(directions, directions, { transposeB: true })).data.map(Math.abs);
  let [largest, sum] = [0, 0];
  const within = limits.map(() => 0);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      const cosine = cosines[i * rows + j] as number;
      largest = Math.max(largest, cosine);
      sum += cosine;
      for (const [k, limit] of limits.entries()) if (cosine <= limit) within[k] = itemAt(within, k) + 1;
    }
  }
  const pairs = (rows * (rows - 1)) / 2;
  const greedy = (limit: number) => {
    const taken: number[] = [];
    for (let i = 0; i < rows; i++) if (taken.every((j) => (cosines[i * rows + j] as number) <= limit)) taken.push(i);
    return taken.length;
  };
  return {
    largest,
    mean: pairs > 0 ? sum / pairs : 0,
    pairs: within.map((count) => (pairs > 0 ? count / pairs : 1)),
    independent: limits.map(greedy),
  };
}
