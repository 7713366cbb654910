// How well linear maps predict tokens: R², cosine, and how often the right token is the nearest of the whole vocabulary.

import { type Matrix, multiply } from '../../linalg/products.ts';
import { squaredLengths, squaredNorm } from '../../linalg/rows.ts';
import { itemAt } from '../../platform/indexing.ts';
import { bootstrap } from '../../scores/statistics.ts';
import type { LinearMap, Probe, RowSplit } from './fit.ts';
import type { Source } from './moments.ts';
import { placesAmong } from './nearest.ts';
import type { Estimate, Evaluation } from './result.ts';
import { gatherRows } from './row-batches.ts';
import { countLabels, rowsOfSubset, testSubset } from './splits.ts';

/** The rule in words, printed with the results. */
export const evaluationRule =
  'R² relative to the training mean; top 1 and top 5 over the whole vocabulary, by cosine, for the token itself by score, ' +
  'ties count as wrong; the residual itself is scaled to the mean norm of an embedding';

/** Occurrences in the text at which bands of frequency begin. */
const bandStarts = [1, 10, 100, 1000] as const;

/** A map to be evaluated on the test rows of its split. */
export interface EvaluatedMap {
  readonly map: LinearMap;
  readonly target: Probe['target'];
  readonly outputs: readonly number[];
  /** Mean of the target over the training rows: the baseline of R². */
  readonly mean: Float64Array;
  readonly rowSplit: RowSplit;
  /** True token id of each row. */
  readonly labels: Int32Array;
}

/** What the vocabulary looks like to a map into it: its rows, and the same at unit length. */
export interface Vocabulary {
  readonly embedding: Matrix<Float32Array>;
  readonly unit: Matrix<Float32Array>;
}

export function vocabularyOf(embedding: Matrix<Float32Array>): Vocabulary {
  const lengths = squaredLengths(embedding).map((square) => Math.sqrt(square) || 1);
  const data = embedding.data.map((value, i) => value / (lengths[Math.floor(i / embedding.cols)] as number));
  return { embedding, unit: { ...embedding, data } };
}

/** Intervals of all figures come from the same resamples. */
const intervals = bootstrap(0);

/** Rows evaluated at once. */
const rowsAtOnce = 1024;

/** Places beyond this are not distinguished. */
const nearest = 5;

/**
 * Evaluates maps on their test rows, reading the rows once for each split.
 * @param documents number of the document that each row is from
 * @param onProgress called with the share of the work that is done
 */
export async function evaluateMaps(
  source: Source,
  maps: readonly EvaluatedMap[],
  documents: Int32Array,
  vocabulary: Vocabulary,
  onProgress?: (share: number) => void,
): Promise<Evaluation[]> {
  const evaluators = maps.map((one) => new Evaluator(one, documents, vocabulary));
  let done = 0;
  for (const rowSplit of new Set(maps.map((one) => one.rowSplit))) {
    const ofSplit = evaluators.filter((evaluator) => evaluator.map.rowSplit === rowSplit);
    const { length } = rowsOfSubset(rowSplit.subsets, testSubset);
    for await (const { x, rows } of gatherRows(source, rowSplit.subsets, testSubset, rowsAtOnce)) {
      for (const evaluator of ofSplit) {
        await evaluator.add(x, rows);
        done += rows.length / length;
        onProgress?.(done / evaluators.length);
      }
    }
  }
  return evaluators.map((evaluator) => evaluator.evaluation());
}

/** Sums over the test rows of each document and each band. */
class Evaluator {
  readonly map: EvaluatedMap;
  readonly #documents: Int32Array;
  readonly #vocabulary: Vocabulary;
  readonly #coefficients: Matrix<Float32Array>;
  readonly #output: ReadonlyMap<number, number>;
  readonly #counts: ReadonlyMap<number, number>;
  /** By document: rows, squared error, squared distance from the mean, cosines, right ones, those among five. */
  readonly #sums = new Map<number, Float64Array>();
  /** By band: rows, right ones, those among five. */
  readonly #bands = bandStarts.map(() => new Float64Array(3));

  constructor(map: EvaluatedMap, documents: Int32Array, vocabulary: Vocabulary) {
    this.map = map;
    this.#documents = documents;
    this.#vocabulary = vocabulary;
    const { coefficients } = map.map;
    this.#coefficients = { ...coefficients, data: new Float32Array(coefficients.data) };
    this.#output = new Map(map.outputs.map((type, i) => [type, i]));
    this.#counts = countLabels(map.labels);
  }

  /** @param rows numbers of these rows of x */
  async add(x: Matrix, rows: readonly number[]): Promise<void> {
    const predicted = await predict(this.map.map, this.#coefficients, x);
    const labels = rows.map((row) => this.map.labels[row] as number);
    const described =
      this.map.target === 'embedding'
        ? await this.#describeEmbeddings(predicted, labels)
        : this.#describeTokens(predicted, labels);
    for (const [i, { error, spread, cosine, rank }] of described.entries()) {
      const document = this.#documents[itemAt(rows, i)] as number;
      const sums = this.#sums.get(document) ?? new Float64Array(6);
      this.#sums.set(document, sums);
      const hits = [Number(rank === 1), Number(rank <= nearest)];
      for (const [j, value] of [1, error, spread, cosine, ...hits].entries()) sums[j] = (sums[j] as number) + value;
      const count = this.#counts.get(itemAt(labels, i)) ?? 0;
      const band = this.#bands[bandStarts.findLastIndex((start) => count >= start)];
      for (const [j, value] of [1, ...hits].entries()) if (band) band[j] = (band[j] as number) + value;
    }
  }

  evaluation(): Evaluation {
    const documents = [...this.#sums.values()];
    const ratio = (sum: number, count: number): Estimate => {
      const groups = documents.map((sums) => ({ sum: sums[sum] as number, count: sums[count] as number }));
      const { mean, low, high } = intervals(groups);
      return { value: mean, interval: low === undefined || high === undefined ? null : [low, high] };
    };
    // A share has no place beyond 0 and 1, which an interval of this kind may well reach.
    const within = ({ value, interval }: Estimate): Estimate => ({
      value,
      interval: interval && [Math.max(interval[0], 0), Math.min(interval[1], 1)],
    });
    const error = ratio(1, 2);
    return {
      rows: documents.reduce((sum, all) => sum + (all[0] as number), 0),
      r2: {
        value: 1 - error.value,
        interval: error.interval && [1 - error.interval[1], 1 - error.interval[0]],
      },
      cosine: ratio(3, 0),
      top1: within(ratio(4, 0)),
      top5: within(ratio(5, 0)),
      bands: this.#bands.map(([rows = 0, top1 = 0, top5 = 0], i) => ({
        from: itemAt(bandStarts, i),
        rows,
        top1: rows > 0 ? top1 / rows : 0,
        top5: rows > 0 ? top5 / rows : 0,
      })),
    };
  }

  async #describeEmbeddings(predicted: Matrix<Float32Array>, labels: readonly number[]): Promise<Described[]> {
    const { embedding, unit } = this.#vocabulary;
    const { mean } = this.map;
    const places = await placesAmong(predicted, labels, unit, nearest); // by cosine: lengths of predictions change no place
    return labels.map((label, i) => {
      const [y, p] = [label * embedding.cols, i * predicted.cols];
      let [error, spread, length, product] = [0, 0, 0, 0];
      for (let j = 0; j < embedding.cols; j++) {
        const [truth, guess] = [embedding.data[y + j] as number, predicted.data[p + j] as number];
        error += (truth - guess) * (truth - guess);
        spread += (truth - (mean[j] as number)) * (truth - (mean[j] as number));
        length += guess * guess;
        product += guess * (unit.data[y + j] as number);
      }
      return { error, spread, cosine: length > 0 ? product / Math.sqrt(length) : 0, rank: places[i] as number };
    });
  }

  #describeTokens({ cols, data }: Matrix<Float32Array>, labels: readonly number[]): Described[] {
    const { mean } = this.map;
    const meanSquare = squaredNorm(mean);
    const unseen = this.#vocabulary.embedding.rows - cols;
    return labels.map((label, i) => {
      const row = data.subarray(i * cols, (i + 1) * cols);
      const output = this.#output.get(label);
      const own = output === undefined ? 0 : (row[output] as number);
      const expected = output === undefined ? 0 : (mean[output] as number);
      const square = squaredNorm(row);
      // Types without an output have the score 0, and ties count against the right one.
      const behind = own > 0 ? 0 : unseen;
      const rank = output === undefined ? row.filter((score) => score >= 0).length + unseen : rankOf(row, output);
      return {
        error: square - 2 * own + 1,
        spread: meanSquare - 2 * expected + 1,
        cosine: square > 0 ? own / Math.sqrt(square) : 0,
        rank: output === undefined ? rank : rank + behind,
      };
    });
  }
}

interface Described {
  /** ‖y − ŷ‖² and ‖y − ȳ‖². */
  readonly error: number;
  readonly spread: number;
  readonly cosine: number;
  /** Place of the right token among all, 1 the nearest; not distinguished beyond {@link nearest}. */
  readonly rank: number;
}

async function predict(map: LinearMap, coefficients: Matrix<Float32Array>, x: Matrix): Promise<Matrix<Float32Array>> {
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < x.rows; i++) {
    for (let j = 0; j < x.cols; j++)
      data[i * x.cols + j] = (x.data[i * x.cols + j] as number) - (map.mean[j] as number);
  }
  const out = await multiply({ rows: x.rows, cols: x.cols, data }, coefficients);
  for (let i = 0; i < out.rows; i++) {
    for (let j = 0; j < out.cols; j++)
      out.data[i * out.cols + j] = (out.data[i * out.cols + j] as number) + (map.offset[j] as number);
  }
  return out;
}

/** How many scores are at least the one at `own`, itself included. */
function rankOf(scores: Float32Array, own: number): number {
  const score = scores[own] as number;
  let rank = 0;
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) >= score) rank++;
  return rank;
}
