// The rank of a token's own row among all rows of the vocabulary, without holding all scores in memory.
import { type Matrix, multiplyInto } from '../../linalg/products.ts';
import { rowRange, squaredLengths } from '../../linalg/rows.ts';

/** Rows of the vocabulary that are scored at once: enough for an efficient product, few enough to stay in the cache. */
const slab = 2048;

/**
 * Places of rows of the vocabulary by their products with predictions, 1 the first; ties count against the row that is
 * asked for. Products are made in float32, and once more in float64 where float32 cannot tell which of two is larger, so
 * that places do not depend on the order of summation.
 *
 * At most 2 · predictions · vocab · hidden flops: a prediction whose row has `most` others ahead of it is scored no further.
 * @param predicted (predictions, hidden)
 * @param own number of the row that is asked for, of each prediction
 * @param unit rows of length 1 or 0, (vocab, hidden)
 * @returns (predictions): places up to `most`, and `most` + 1 for all that are behind
 */
export async function placesAmong(
  predicted: Matrix<Float32Array>,
  own: readonly number[],
  unit: Matrix<Float32Array>,
  most: number,
): Promise<Int32Array> {
  const { rows, cols } = predicted;
  const contests = contestsOf(predicted, own, unit);
  const ahead = new Int32Array(rows);
  const asked = { ...predicted, data: predicted.data.slice() };
  const scores = new Float32Array(rows * Math.min(slab, unit.rows));
  let open = Array.from(ahead.keys());
  for (let from = 0; from < unit.rows && open.length > 0; from += slab) {
    const part = rowRange(unit, from, Math.min(from + slab, unit.rows));
    const made = { rows: open.length, cols: part.rows, data: scores.subarray(0, open.length * part.rows) };
    await multiplyInto(made, rowRange(asked, 0, open.length), part, { transposeB: true });
    for (const [k, i] of open.entries()) {
      const against = made.data.subarray(k * part.rows, (k + 1) * part.rows);
      const before = ahead[i] as number;
      ahead[i] = before + aheadOf(contests[i] as Contest, against, from, most - before);
    }
    const still = open.filter((i) => (ahead[i] as number) < most);
    if (still.length < open.length)
      for (const [k, i] of still.entries()) asked.data.set(predicted.data.subarray(i * cols, (i + 1) * cols), k * cols);
    open = still;
  }
  return ahead.map((count) => count + 1);
}

/** The score that the others are compared with. */
interface Contest {
  /** Number of the row that is asked for. */
  readonly own: number;
  /** Its score, and how far a float32 score may be from the true one. */
  readonly score: number;
  readonly margin: number;
  /** True score of any row. */
  readonly scoreOf: (row: number) => number;
}

function contestsOf(predicted: Matrix<Float32Array>, own: readonly number[], unit: Matrix<Float32Array>): Contest[] {
  // In no order of summation is a product of `cols` terms further off (Higham 2002, § 3.1); 8 more for the unit lengths.
  const margins = squaredLengths(predicted).map((square) => (predicted.cols + 8) * 2 ** -24 * Math.sqrt(square));
  return own.map((row, i) => {
    const scoreOf = (other: number) => product(predicted, i, unit, other);
    return { own: row, score: scoreOf(row), margin: margins[i] as number, scoreOf };
  });
}

/** How many of some neighbouring rows, the first one `from`, score at least as much; counted up to `most`. */
function aheadOf({ own, score, margin, scoreOf }: Contest, scores: Float32Array, from: number, most: number): number {
  const [near, sure] = [score - margin, score + margin];
  let ahead = 0;
  for (let j = 0; j < scores.length && ahead < most; j++) {
    const other = scores[j] as number;
    if (other >= near && from + j !== own && (other > sure || scoreOf(from + j) >= score)) ahead++;
  }
  return ahead;
}

/** Product of row i of a and row j of b, summed in float64. */
function product(a: Matrix<Float32Array>, i: number, b: Matrix<Float32Array>, j: number): number {
  const [x, y] = [i * a.cols, j * b.cols];
  let sum = 0;
  for (let k = 0; k < a.cols; k++) sum += (a.data[x + k] as number) * (b.data[y + k] as number);
  return sum;
}
