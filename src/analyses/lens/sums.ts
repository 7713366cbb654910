// Averages of the lens over a text, for one model: at every point, for steps between points, and of the change from the original.

import { kernelOf, permutedAlignments } from '../../linalg/alignment.ts';
import { seededRandom } from '../../linalg/random.ts';
import { centred } from '../../linalg/rows.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import type { LensChunk } from '../../runtime/sequence.ts';
import { Averages } from '../averages.ts';
import { Medians } from '../medians.ts';
import { cosines, normalised, norms, relativeErrors } from '../residual-rows.ts';
import { derangement, linearCka, type PositionSample } from '../similarity.ts';
import { changesOf, type Differences, type Lens, type LensFigures } from './lens.ts';
import type { DepthProfile, StepMeans } from './result.ts';
import { againstLast, alone, byStatistic, entriesOf, type Statistics } from './statistics/registry.ts';
import { uniformOf } from './statistics/statistic.ts';

/** The position of a chunk in the corpus. */
export interface Place {
  readonly document: number;
  /** First row of the chunk that is counted. */
  readonly from: number;
  /** That row's number among the document's counted positions. */
  readonly first: number;
}

type Read = readonly [chunk: LensChunk | undefined, figures: LensFigures | undefined];

/** Groups of documents that the interval of CKA leaves out in turn. */
const jackknifeGroups = 20;

export class LensAverages {
  readonly #points: readonly string[];
  readonly #lens: Lens;
  readonly #sample: PositionSample;
  readonly #epsilon: number;
  readonly #averages: Averages;
  readonly #medians: Medians;
  #isVariant = false;

  /** @param epsilon of the model's norms */
  constructor(documents: number, points: readonly string[], lens: Lens, sample: PositionSample, epsilon: number) {
    this.#points = points;
    this.#lens = lens;
    this.#sample = sample;
    this.#epsilon = epsilon;
    this.#averages = new Averages(documents);
    this.#medians = new Medians(documents);
  }

  /** @param partners for each counted position, the one that replaces it in the shuffled baseline */
  add(chunk: LensChunk, place: Place, partners: Int32Array): LensFigures {
    const { document, from, first } = place;
    // One position alone has no other to be shuffled with.
    const figures = this.#lens.figures(chunk, from, partners.length > 1 ? partners : undefined);
    const { positions, shuffled, constant } = figures;
    for (const [point, residual] of chunk.points.entries()) {
      const rows = residual.subarray(from * (residual.length / chunk.ids.length));
      this.#medians.add(`${point} norm`, document, norms(rows, positions));
      for (const [key] of entriesOf(alone))
        this.#averages.add(`${point} ${key}`, document, ofPoint(figures[key], point, positions));
      this.#addLens(`${point}`, document, figures, point, positions);
      if (shuffled) this.#addLens(`${point} shuffled`, document, shuffled, point, positions);
      const next = chunk.points[point + 1]?.subarray(residual.length - rows.length);
      if (!next) continue;
      this.#averages.add(`${point} step`, document, ofPoint(figures.stepKl, point, positions));
      this.#averages.add(`${point} cosine`, document, cosines(next, rows, positions));
      if (!shuffled) continue;
      this.#averages.add(`${point} step shuffled`, document, ofPoint(shuffled.stepKl, point, positions));
      this.#averages.add(`${point} cosine shuffled`, document, cosines(next, rows, positions, partners));
    }
    if (constant) this.#addLens('unigram', document, constant, 0, positions);
    const hidden = itemAt(chunk.points, 0).length / chunk.ids.length;
    this.#sample.take(
      document,
      first,
      from,
      chunk.points.map((residual) => normalised(residual, hidden, this.#epsilon)),
    );
    return figures;
  }

  #addLens(name: string, document: number, from: Differences, point: number, positions: number): void {
    for (const [key] of entriesOf(againstLast))
      this.#averages.add(`${name} ${key}`, document, ofPoint(from[key], point, positions));
  }

  /** Adds the differences between a variant's and the original's residual streams and lenses on the same chunk. */
  compare([theirs, base]: Read, [ours, figures]: Read, { document, from }: Place): void {
    if (!theirs || !base || !ours || !figures)
      throw new RangeError('the variant and the original read different numbers of tokens');
    this.#isVariant = true;
    const { positions } = figures;
    const { kl } = changesOf({ chunk: theirs, figures: base, from }, { chunk: ours, figures, from });
    for (const [point, residual] of ours.points.entries()) {
      const hidden = residual.length / ours.ids.length;
      const [x, y] = [
        theirs.points[point]?.subarray(from * hidden) ?? new Float32Array(0),
        residual.subarray(from * hidden),
      ];
      const same = Float64Array.from({ length: positions }, (_, i) => {
        const at = point * positions + i;
        return base.top[at] === figures.top[at] ? 1 : 0;
      });
      this.#averages.add(`${point} change kl`, document, ofPoint(kl, point, positions));
      this.#averages.add(`${point} change sameTop`, document, same);
      this.#averages.add(`${point} change cosine`, document, cosines(x, y, positions));
      this.#medians.add(`${point} change relativeError`, document, relativeErrors(x, y, positions));
    }
  }

  /** @param seed of the shuffle for the chance level of CKA */
  async profile(seed: number): Promise<DepthProfile> {
    const mean = (name: string) => this.#averages.mean(name);
    const finalEntropy = mean(`${this.#points.length - 1} entropy`)?.mean ?? Number.NaN;
    return {
      points: this.#points.map((point, i) => ({
        point,
        norm: this.#medians.of(`${i} norm`),
        ...this.#means(alone, `${i}`),
        ...this.#means(againstLast, `${i}`),
        shuffled: this.#means(againstLast, `${i} shuffled`),
      })),
      steps: await this.#steps(seed),
      uniform: uniformOf(this.#lens.vocab, finalEntropy),
      unigram: this.#means(againstLast, 'unigram'),
      ...(this.#isVariant && {
        changes: this.#points.map((point, i) => ({
          point,
          kl: mean(`${i} change kl`),
          cosine: mean(`${i} change cosine`),
          relativeError: this.#medians.of(`${i} change relativeError`),
          sameTop: mean(`${i} change sameTop`),
        })),
      }),
    };
  }

  #means<R extends Statistics>(statistics: R, name: string) {
    return byStatistic(statistics, (key) => this.#averages.mean(`${name} ${key}`));
  }

  async #steps(seed: number): Promise<StepMeans[]> {
    const mean = (name: string) => this.#averages.mean(name);
    const groups = groupsOf(this.#sample.documents);
    const order = derangement(groups.length, seededRandom(seed));
    const steps: StepMeans[] = [];
    const kernel = (point: number) => kernelOf(centred(this.#sample.matrix(point)));
    let before = await kernel(0);
    for (let i = 0; i + 1 < this.#points.length; i++) {
      const after = await kernel(i + 1);
      steps.push({
        from: itemAt(this.#points, i),
        to: itemAt(this.#points, i + 1),
        cosine: mean(`${i} cosine`),
        kl: mean(`${i} step`),
        cka: linearCka(after, before, groups),
        shuffled: {
          cosine: mean(`${i} cosine shuffled`),
          kl: mean(`${i} step shuffled`),
          cka: permutedAlignments(after, before, [order])[0] ?? Number.NaN,
        },
      });
      before = after;
    }
    return steps;
  }
}

const ofPoint = (figures: Float64Array, point: number, positions: number) =>
  figures.subarray(point * positions, (point + 1) * positions);

/** Documents dealt to at most {@link jackknifeGroups} groups, numbered without a gap: each position's group. */
function groupsOf(documents: Int32Array): Int32Array {
  const numbers = new Map([...new Set(documents)].map((document, i) => [document, i % jackknifeGroups]));
  return documents.map((document) => entryOf(numbers, document));
}
