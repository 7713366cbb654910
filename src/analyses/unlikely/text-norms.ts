// Statistics of a text that energies along tokens need: means, units, and energies where tokens are likely.

import { type Matrix, multiply } from '../../linalg/products.ts';
import type { LensChunk } from '../../runtime/sequence.ts';
import { logSumExp, requireFinite } from '../../scores/logits.ts';
import { firstCounted } from '../lens/lens.ts';
import type { LensSource } from '../lens/source.ts';
import { normalised } from '../residual-rows.ts';
import type { TokenDirections } from './directions.ts';

/** Contexts in which a token has to be likely for its energy there to be compared with that elsewhere. */
export const leastContexts = 5;
/** Probability from which a token is likely in a context. */
export const likelyFrom = 0.1;

/** Statistics of a text that energies need. */
export interface TextStatistics {
  readonly positions: number;
  readonly hidden: number;
  readonly epsilon: number;
  /** ȳ, (points, hidden). */
  readonly means: Matrix<Float32Array>;
  /** ȳ · u, (points, vocab). */
  readonly meanProjections: Float32Array;
  /** Mean |y − ȳ|² / hidden, by point. */
  readonly units: Float64Array;
  /** Energy of tokens over the contexts in which they are likely, (points, vocab); NaN for tokens that are in too few. */
  readonly whereLikely: Float64Array;
}

export interface PlacedChunk {
  readonly document: number;
  /** First counted row. */
  readonly from: number;
  readonly chunk: LensChunk;
}

/** The lens of each document, a chunk at a time. */
export async function* chunksOf(
  documents: readonly (readonly number[])[],
  model: LensSource,
  bosId: number | undefined,
): AsyncGenerator<PlacedChunk> {
  for (const [document, ids] of documents.entries()) {
    let from = firstCounted(ids, bosId);
    for await (const chunk of model.chunks(ids)) {
      yield { document, from, chunk };
      from = 0;
    }
  }
}

/** Reads documents once. @param advance called with the tokens of each chunk */
export async function textStatistics(
  documents: readonly (readonly number[])[],
  model: LensSource,
  bosId: number | undefined,
  { unit, lengths }: TokenDirections,
  advance: (tokens: number) => void,
): Promise<TextStatistics> {
  const { hiddenSize: hidden, vocabSize: vocab, rmsNormEps: epsilon } = model.checkpoint.config;
  const points = model.points.length;
  const sums = new Float64Array(points * hidden);
  const squares = new Float64Array(points);
  const contexts = new Int32Array(vocab);
  const projections = new Float64Array(points * vocab); // over contexts where the token is likely
  const squaredProjections = new Float64Array(points * vocab);
  let positions = 0;
  for await (const { from, chunk } of chunksOf(documents, model, bosId)) {
    const rows = chunk.ids.length;
    positions += rows - from;
    for (const [point, residual] of chunk.points.entries()) {
      const own = normalised(residual.subarray(from * hidden), hidden, epsilon);
      for (let at = 0; at < own.length; at++) {
        const [to, value] = [point * hidden + (at % hidden), own[at] as number];
        sums[to] = (sums[to] as number) + value;
        squares[point] = (squares[point] as number) + value * value;
      }
    }
    for (let row = from; row < rows; row++) {
      const likely = likelyTokens(rowOf(chunk, points - 1, row, vocab));
      for (const token of likely) contexts[token] = (contexts[token] as number) + 1;
      for (let point = 0; point < points && likely.length > 0; point++) {
        const logits = rowOf(chunk, point, row, vocab);
        const middle = mean(logits);
        for (const token of likely) {
          const at = point * vocab + token;
          const a = ((logits[token] as number) - middle) / (lengths[token] ?? 1);
          projections[at] = (projections[at] as number) + a;
          squaredProjections[at] = (squaredProjections[at] as number) + a * a;
        }
      }
    }
    advance(rows);
  }
  const means = { rows: points, cols: hidden, data: Float32Array.from(sums, (sum) => sum / positions) };
  const { data: meanProjections } = await multiply(means, unit, { transposeB: true });
  const units = squares.map((sum, point) => {
    const own = means.data.subarray(point * hidden, (point + 1) * hidden);
    return (sum / positions - own.reduce((total, value) => total + value * value, 0)) / hidden;
  });
  const whereLikely = projections.map((sum, at) => {
    const n = contexts[at % vocab] as number;
    const m = meanProjections[at] as number;
    if (n < leastContexts) return Number.NaN;
    return ((squaredProjections[at] as number) / n - (2 * m * sum) / n + m * m) / (units[Math.floor(at / vocab)] ?? 1);
  });
  return { positions, hidden, epsilon, means, meanProjections, units, whereLikely };
}

/** Tokens that are likely after a position, by the last point's logits. */
function likelyTokens(logits: Float32Array): number[] {
  const found: number[] = [];
  const bound = Math.log(likelyFrom) + requireFinite(logSumExp(logits));
  for (let id = 0; id < logits.length; id++) if ((logits[id] as number) >= bound) found.push(id);
  return found;
}

/** The lens's logits at a point and a row of a chunk. */
export function rowOf({ ids, logits }: LensChunk, point: number, row: number, vocab: number): Float32Array {
  const at = (point * ids.length + row) * vocab;
  return logits.subarray(at, at + vocab);
}

export function mean(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}
