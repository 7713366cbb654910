// The logit lens on one chunk of text: the final norm and the unembedding applied to the residual stream at every point.
import { itemAt } from '../../platform/indexing.ts';
import type { LensChunk } from '../../runtime/sequence.ts';
import { klDivergence } from '../../scores/logits.ts';
import { type Distribution, Distributions } from './distributions.ts';
import type { SpelledCell } from './result.ts';
import type { LensSource } from './source.ts';
import { againstLast, alone, byStatistic, entriesOf, ofCells, type Statistics } from './statistics/registry.ts';
import type { LensAgainstLast } from './statistics/statistic.ts';

/** Statistics of a registry for each (point, position), row-major. */
type Values<R> = { readonly [K in keyof R]: Float64Array };

/** How a lens and the last point's differ, and a lens and that of the point before. Bits. */
export interface Differences extends Values<typeof againstLast> {
  /** KL(lens here ‖ lens one point before), (points − 1, positions). */
  readonly stepKl: Float64Array;
}

export interface LensFigures extends Values<typeof alone>, Differences {
  /** Positions of the chunk that are reported: all from the first wanted one on. */
  readonly positions: number;
  /** The token that the lens finds likeliest. */
  readonly top: Int32Array;
  /** The likeliest tokens of each, likeliest first, where they are wanted. */
  readonly ranked: readonly RankedToken[][];
  /** Natural logarithm of Σ exp(logits). */
  readonly logSum: Float64Array;
  /** The same for the lens of another, random position: the chance level. */
  readonly shuffled?: Differences;
  /** The same for one fixed distribution in place of every lens, (1, positions). */
  readonly constant?: Differences;
}

const ofOne = entriesOf(alone);
const ofTwo = entriesOf(againstLast);

/** Places for rows: this point and the one before take turns, for the position itself and for the one shuffled to it. */
const own = 0;
const other = 2;
const constantRow = 4;
/** Places for distributions. */
const [final, here] = [0, 1];

/** Statistics of the logit lens (nostalgebraist 2020). */
export class Lens {
  readonly vocab: number;
  readonly #rows: Distributions;
  /** Normaliser of the constant distribution's logits. */
  readonly #constant: number | undefined;

  /** How many of the likeliest tokens are reported. */
  readonly #ranked: number;

  /**
   * @param constant logits, (vocab), of a distribution that every lens is compared with
   * @param ranked likeliest tokens that are wanted of each lens
   */
  constructor(vocab: number, constant?: Float32Array, ranked = 0) {
    this.vocab = vocab;
    this.#ranked = ranked;
    this.#rows = new Distributions(vocab, 5, 2);
    if (!constant) return;
    this.#rows.put(constantRow, constant);
    this.#constant = this.#rows.describe(constantRow, here).logSum;
  }

  /**
   * @param from first position that is wanted
   * @param partners for each wanted position the one, counted from `from`, that stands for it in `shuffled`
   * @throws SurgeryError `numeric` for logits that are not finite
   */
  figures(chunk: LensChunk, from = 0, partners?: Int32Array): LensFigures {
    const points = chunk.points.length;
    const positions = chunk.ids.length - from;
    const size = points * positions;
    const figures = {
      positions,
      top: new Int32Array(size),
      ...valuesOf(alone, size),
      logSum: new Float64Array(size),
      ...differences(points, positions),
    };
    const ranked: RankedToken[][] = [];
    const shuffled = partners && differences(points, positions);
    const constant = this.#constant === undefined ? undefined : differences(1, positions);
    const row = (point: number, position: number) => {
      const at = (point * chunk.ids.length + from + position) * this.vocab;
      return chunk.logits.subarray(at, at + this.vocab);
    };
    for (let i = 0; i < positions; i++) {
      this.#rows.put(own, row(points - 1, i));
      const last = this.#rows.describe(own, final);
      const common = { positions, last, input: itemAt(chunk.ids, from + i) };
      if (constant) this.#compare(constant, constantRow, { ...common, at: i, turn: 0, point: 0, entropy: 0 });
      for (let point = 0; point < points; point++) {
        const at = point * positions + i;
        const turn = point % 2;
        this.#rows.put(own + turn, row(point, i));
        const described = this.#rows.describe(own + turn, here);
        const { top, logSum, entropy } = described;
        figures.top[at] = top;
        figures.logSum[at] = logSum;
        for (const [key, statistic] of ofOne) figures[key][at] = statistic.at(described);
        if (this.#ranked > 0) ranked[at] = this.#likeliest(own + turn, logSum);
        const wanted = { ...common, at, turn, entropy, point };
        this.#compare(figures, own, wanted);
        if (!shuffled || !partners) continue;
        this.#rows.put(other + turn, row(point, partners[i] ?? i));
        this.#compare(shuffled, other, wanted);
      }
    }
    normalise(figures, figures.logSum, positions);
    if (shuffled) normalise(shuffled, figures.logSum, positions, partners);
    if (constant) normalise(constant, new Float64Array(positions).fill(this.#constant as number), positions);
    return { ...figures, ranked, ...(shuffled && { shuffled }), ...(constant && { constant }) };
  }

  #likeliest(place: number, logSum: number): RankedToken[] {
    const tokens = this.#rows.likeliest(place, this.#ranked);
    return tokens.map((id) => ({ id, probability: Math.exp(this.#rows.logit(place, id) - logSum) }));
  }

  /** Statistics of one point and position, before the row's normaliser is applied. */
  #compare(to: Differences, place: number, { at, positions, turn, last, input, entropy, point }: Wanted): void {
    const now = place + turn;
    const reading: LensAgainstLast = {
      finalEntropy: last.entropy,
      expectedLogit: this.#rows.expected(final, now),
      finalLogit: this.#rows.logit(now, last.top),
      rankFinal: this.#rows.rank(now, last.top),
      rankInput: this.#rows.rank(now, input),
    };
    for (const [key, statistic] of ofTwo) to[key][at] = statistic.at(reading);
    if (point > 0) to.stepKl[at - positions] = -entropy - this.#rows.expected(here, place + 1 - turn);
  }
}

interface Wanted {
  readonly at: number;
  readonly positions: number;
  readonly turn: number;
  readonly last: Distribution;
  readonly input: number;
  readonly entropy: number;
  readonly point: number;
}

function valuesOf<R extends Statistics>(statistics: R, size: number): Values<R> {
  return byStatistic(statistics, () => new Float64Array(size));
}

function differences(points: number, positions: number): Differences {
  return {
    ...valuesOf(againstLast, points * positions),
    stepKl: new Float64Array((points - 1) * positions),
  };
}

/** Adds the normalisers, which for a shuffled position are its partner's, and turns nats into bits. */
function normalise(to: Differences, logSum: Float64Array, positions: number, partners?: Int32Array) {
  const { stepKl } = to;
  for (let at = 0; at < to.kl.length; at++) {
    const i = at % positions;
    const sum = logSum[at - i + (partners?.[i] ?? i)] as number;
    for (const [key, { normalised }] of ofTwo) if (normalised) to[key][at] = normalised(to[key][at] as number, sum);
    if (at < stepKl.length) stepKl[at] = ((stepKl[at] as number) + sum) / Math.LN2; // the row before, whose place this is
  }
}

/**
 * The first position of a text that averages take in. The tokenizer's BOS is the same in every text.
 */
export function firstCounted(ids: readonly number[], bosId: number | undefined): number {
  return bosId !== undefined && ids[0] === bosId ? 1 : 0;
}

/** {@link firstCounted} in words. */
export function countedRule(hasBos: boolean): string {
  return hasBos ? 'every position except BOS' : "every position; no BOS, as the model's tokenizer adds none";
}

/** A token whose text is not looked up yet. */
export type RankedToken = Omit<SpelledCell['top'][number], 'token' | 'shown'>;
export type LensCell = Omit<SpelledCell, 'top'> & { readonly top: readonly RankedToken[] };

/**
 * The lens at every point and position of one text, of several models, (models, points, positions). The cells of all but
 * the first have what they change of the first's.
 * @param ids one of the models' documents
 * @param count likeliest tokens of each
 */
export async function lensesOf(
  models: readonly LensSource[],
  ids: readonly number[],
  count: number,
  onProgress?: (done: number, total: number) => void,
): Promise<LensCell[][][]> {
  const lenses = models.map(({ checkpoint }) => new Lens(checkpoint.config.vocabSize, undefined, count));
  const cells = models.map(({ points }) => points.map((): LensCell[] => []));
  let done = 0;
  for await (const chunks of together(ids, models)) {
    const read = chunks.map((chunk, i) => ({ chunk, figures: itemAt(lenses, i).figures(chunk) }));
    const first = itemAt(read, 0);
    for (const [i, one] of read.entries()) {
      const { figures } = one;
      const changes = i > 0 ? changesOf(first, one) : undefined;
      for (let at = 0; at < figures.kl.length; at++) {
        const number = (from: Float64Array) => from[at] as number;
        cells[i]?.[Math.floor(at / figures.positions)]?.push({
          top: figures.ranked[at] ?? [],
          ...byStatistic(ofCells, (key) => number(figures[key])),
          ...(changes && { change: { kl: number(changes.kl), logProbability: number(changes.logProbability) } }),
        });
      }
    }
    done += first.figures.positions;
    onProgress?.(done, ids.length);
  }
  return cells;
}

/** A chunk of text run through one model, and its lens from position `from` on. */
export interface LensReading {
  readonly chunk: LensChunk;
  readonly figures: LensFigures;
  readonly from?: number;
}

/** What a variant's lens changes of the original's on the same chunk, for each (point, position), row-major. Bits. */
export interface LensChanges {
  /** KL(original's lens ‖ variant's lens). */
  readonly kl: Float64Array;
  /** Change of the log-probability of the original's final top token. */
  readonly logProbability: Float64Array;
}

export function changesOf(original: LensReading, variant: LensReading): LensChanges {
  const { positions, kl: size } = variant.figures;
  const vocab = variant.chunk.logits.length / (variant.chunk.points.length * variant.chunk.ids.length);
  const kl = new Float64Array(size.length);
  const logProbability = new Float64Array(size.length);
  const lastRow = size.length - positions;
  for (let at = 0; at < size.length; at++) {
    const row = ({ chunk: { logits, ids }, from = 0 }: LensReading) => {
      const start = (Math.floor(at / positions) * ids.length + from + (at % positions)) * vocab;
      return logits.subarray(start, start + vocab);
    };
    const sum = ({ figures }: LensReading) => figures.logSum[at] as number;
    const [before, after] = [row(original), row(variant)];
    const final = original.figures.top[lastRow + (at % positions)] as number;
    kl[at] = klDivergence(before, sum(original), after, sum(variant)) / Math.LN2;
    logProbability[at] =
      ((after[final] as number) - sum(variant) - ((before[final] as number) - sum(original))) / Math.LN2;
  }
  return { kl, logProbability };
}

/** The same chunks of one document as each model reads them. */
export async function* together(
  ids: readonly number[],
  models: readonly LensSource[],
): AsyncGenerator<readonly LensChunk[]> {
  const readers = models.map((model) => model.chunks(ids));
  for (;;) {
    const chunks: LensChunk[] = [];
    for (const reader of readers) {
      const { value, done } = await reader.next();
      if (done) return;
      chunks.push(value);
    }
    yield chunks;
  }
}
