// Rows of one subset of a source, gathered over its blocks until there are enough of them for an efficient product.
import type { Matrix } from '../../linalg/products.ts';
import type { Source } from './moments.ts';
import { rowsOfSubset } from './splits.ts';

export interface Gathered {
  /** In float64; good until the next rows are asked for. */
  readonly x: Matrix;
  /** Their numbers in the source. */
  readonly rows: readonly number[];
}

/**
 * All rows of a subset, in order, `most` at a time.
 * @param subsets of each row of the source
 */
export async function* gatherRows(
  source: Source,
  subsets: Uint8Array,
  subset: number,
  most: number,
): AsyncGenerator<Gathered> {
  const { width } = source;
  const all = rowsOfSubset(subsets, subset);
  const data = new Float64Array(Math.min(most, all.length) * width);
  let [done, count] = [0, 0];
  for await (const { from, x } of source.blocks()) {
    for (let row = all[done + count]; row !== undefined && row < from + x.rows; row = all[done + count]) {
      data.set(x.data.subarray((row - from) * width, (row - from + 1) * width), count * width);
      count++;
      if (count < most && done + count < all.length) continue;
      const rows = all.slice(done, done + count);
      yield { x: { rows: count, cols: width, data: data.subarray(0, count * width) }, rows };
      [done, count] = [done + count, 0];
    }
  }
}
