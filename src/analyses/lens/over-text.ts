// The logit lens over a text: averages at every point, similarity of consecutive points, and chance levels.

import { seededRandom } from '../../linalg/random.ts';
import { itemAt } from '../../platform/indexing.ts';
import { normalisedRule } from '../residual-rows.ts';
import { derangement, PositionSample } from '../similarity.ts';
import { countedRule, firstCounted, Lens, together } from './lens.ts';
import type { DepthProfile, LensOfText } from './result.ts';
import type { LensSource } from './source.ts';
import { LensAverages } from './sums.ts';

export interface DepthProfiles extends Pick<LensOfText, 'positions' | 'sampled'> {
  /** The original's, then each variant's. */
  readonly profiles: readonly DepthProfile[];
}

/** How a text is read. */
export interface TextReadingOptions {
  /** Of all random draws. Default 0. */
  readonly seed?: number;
  /** The token that the tokenizer puts first, if any: its position is left out. */
  readonly bosId?: number | undefined;
}

/** Positions that CKA is taken over at most. */
const sampleSize = 1024;

/** The rule, printed with the results. */
export function depthRule(hasBos: boolean): string {
  return (
    `${countedRule(hasBos)}. Means over positions; medians for norms and ‖difference‖ / ‖original‖, since an attention ` +
    'sink can have a hundred times the norm of other positions. Shuffled: the lens or the residual at another position of ' +
    `the same stretch of text. CKA: linear, ${normalisedRule}; over at most 1,024 positions, its interval a jackknife over ` +
    '20 groups of documents, its baseline with positions shuffled over all documents'
  );
}

/**
 * Reads documents with the original and its variants side by side, a chunk at a time.
 * @param documents token ids, which the models have read
 * @param models the original first
 * @param onProgress called with the tokens done and in all
 */
export async function depthProfiles(
  documents: readonly (readonly number[])[],
  models: readonly LensSource[],
  { seed = 0, bosId }: TextReadingOptions = {},
  onProgress?: (done: number, total: number) => void,
): Promise<DepthProfiles> {
  const counts = documents.map((ids) => ids.length - firstCounted(ids, bosId));
  const averages = makeAverages(documents, counts, models, seed);
  const random = seededRandom(seed);
  const total = documents.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  for (const [document, ids] of documents.entries()) {
    let start = 0;
    for await (const chunks of together(ids, models)) {
      const tokens = itemAt(chunks, 0).ids.length;
      const from = start === 0 ? firstCounted(ids, bosId) : 0;
      const place = { document, from, first: start + from - firstCounted(ids, bosId) };
      const partners = derangement(tokens - from, random);
      const figures = chunks.map((chunk, i) => averages[i]?.add(chunk, place, partners));
      for (let i = 1; i < chunks.length; i++)
        averages[i]?.compare([chunks[0], figures[0]], [chunks[i], figures[i]], place);
      start += tokens;
      done += tokens;
      onProgress?.(done, total);
    }
  }
  const profiles: DepthProfile[] = [];
  for (const one of averages) profiles.push(await one.profile(seed));
  const positions = counts.reduce((sum, count) => sum + count, 0);
  return { positions, sampled: Math.min(sampleSize, positions), profiles };
}

function makeAverages(
  documents: readonly (readonly number[])[],
  counts: readonly number[],
  models: readonly LensSource[],
  seed: number,
): LensAverages[] {
  return models.map(({ checkpoint: { config }, points }) => {
    const lens = new Lens(config.vocabSize, unigramLogits(documents, config.vocabSize));
    const sample = new PositionSample(counts, sampleSize, points.length, config.hiddenSize, seededRandom(seed));
    return new LensAverages(documents.length, points, lens, sample, config.rmsNormEps);
  });
}

/** How often each token occurs in the documents, one more for each, as logits. */
function unigramLogits(documents: readonly (readonly number[])[], vocab: number): Float32Array {
  const counts = new Float32Array(vocab).fill(1);
  for (const ids of documents) for (const id of ids) counts[id] = (counts[id] as number) + 1;
  return counts.map(Math.log);
}
