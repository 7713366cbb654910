// Directions of the residual stream that mean tokens: the unembedding's rows as the final norm lets them see the stream.
import { embedName, finalNormName, unembedName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { type Matrix, multiply } from '../../linalg/products.ts';
import { gaussian } from '../../linalg/random.ts';

export interface TokenDirections {
  /** (vocab, hidden), rows of unit length. */
  readonly unit: Matrix<Float32Array>;
  /** Lengths before they were made unit, (vocab); 0 for a token whose row is the mean row. */
  readonly lengths: Float64Array;
}

/**
 * For token v the direction γ ⊙ (W_v − mean of W), made unit: γ is the final norm's scale and W the unembedding. A
 * normalised residual y has the logits y · (γ ⊙ W_v), so this is the direction in which it has to move for v's logit to
 * rise above the mean logit fastest. The mean row is taken off because it moves all logits alike, which softmax does not
 * see; lengths are taken off because frequent tokens' rows are longer, and energy is to be compared between tokens.
 */
export async function tokenDirections(checkpoint: Checkpoint): Promise<TokenDirections> {
  const { vocabSize: rows, hiddenSize: cols, tiedEmbeddings } = checkpoint.config;
  const data = await checkpoint.readFloat32(tiedEmbeddings ? embedName : unembedName);
  const scale = await checkpoint.readFloat32(finalNormName);
  const mean = new Float64Array(cols);
  for (let at = 0; at < data.length; at++) mean[at % cols] = (mean[at % cols] as number) + (data[at] as number) / rows;
  const lengths = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * cols, (row + 1) * cols);
    let squares = 0;
    for (let i = 0; i < cols; i++) {
      const value = ((own[i] as number) - (mean[i] as number)) * (scale[i] as number);
      own[i] = value;
      squares += value * value;
    }
    lengths[row] = Math.sqrt(squares);
    if (squares > 0) for (let i = 0; i < cols; i++) own[i] = (own[i] as number) / (lengths[row] ?? 1);
  }
  return { unit: { rows, cols, data }, lengths };
}

/** `count` unit rows of length `cols`, uniformly random. */
export function randomDirections(count: number, cols: number, random: () => number): Matrix<Float32Array> {
  return unitRows({ rows: count, cols, data: Float32Array.from(gaussian(count * cols, random)) });
}

/**
 * `count` unit rows, each a sum of all token directions with Gaussian weights: random, but where token directions crowd.
 * Energy along these that is as large as along the tokens' own says nothing of single tokens.
 */
export async function mixedDirections(
  { unit }: TokenDirections,
  count: number,
  random: () => number,
): Promise<Matrix<Float32Array>> {
  const weights = { rows: count, cols: unit.rows, data: Float32Array.from(gaussian(count * unit.rows, random)) };
  return unitRows(await multiply(weights, unit));
}

function unitRows({ rows, cols, data }: Matrix<Float32Array>): Matrix<Float32Array> {
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * cols, (row + 1) * cols);
    let squares = 0;
    for (const value of own) squares += value * value;
    for (let i = 0; i < cols; i++) own[i] = (own[i] as number) / Math.sqrt(squares);
  }
  return { rows, cols, data };
}
