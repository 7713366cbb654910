// Are the directions of near-impossible tokens reused inside? Energy of the residual stream along them, by probability.
import { type Matrix, multiply } from '../../linalg/products.ts';
import { seededRandom } from '../../linalg/random.ts';
import type { LensChunk } from '../../runtime/sequence.ts';
import { countedRule } from '../lens/lens.ts';
import type { TextReadingOptions } from '../lens/over-text.ts';
import type { LensSource } from '../lens/source.ts';
import { normalised } from '../residual-rows.ts';
import { derangement } from '../similarity.ts';
import { Energies } from './bands.ts';
import { mixedDirections, randomDirections, tokenDirections } from './directions.ts';
import type { UnlikelyTokens } from './result.ts';
import { chunksOf, leastContexts, type TextStatistics, textStatistics } from './text-norms.ts';

/** Random directions of each kind. */
const randomCount = 64;

/** The definition, printed with the results. */
export function unlikelyRule(hasBos: boolean): string {
  return (
    `${countedRule(hasBos)}. Energy of a position along a token: ((y − ȳ) · u)² divided by its expectation for a random ` +
    'direction, mean |y − ȳ|² / hidden, so that 1 is the chance level. y is the residual after the final norm without its ' +
    'scale γ, which makes layers and positions comparable: an attention sink has no more weight than other positions. ȳ is ' +
    'its mean over the text at that layer: what all contexts share is no reuse. u is γ ⊙ (W_v − mean of W), normalised: ' +
    'softmax ignores a shift of all logits. Bands by the probability at the last layer, where the value follows from the ' +
    'band. Projection: (y − ȳ) · u in units of a random direction’s root mean square; negative where the token is ' +
    'suppressed. Shuffled: energy by the bands of another position of the same stretch of text. Mixtures: random sums of ' +
    `all tokens' u. Same tokens: those that are likely (≥ 0.1) in ${leastContexts} or more other contexts, and their mean ` +
    'energy there, taken as known'
  );
}

/**
 * Reads documents twice: for the means and for the energy of tokens where they are likely, then for all energies.
 * The hypothesis is nostalgebraist's: near-impossible tokens' directions are reused mid-network and subtracted at the end.
 * @param documents token ids, BOS first, which the model has read
 * @param onProgress called with the tokens done and in all, over both readings
 */
export async function unlikelyTokens(
  documents: readonly (readonly number[])[],
  model: LensSource,
  { seed = 0, bosId }: TextReadingOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<UnlikelyTokens> {
  const { points, checkpoint } = model;
  const directions = await tokenDirections(checkpoint);
  const total = 2 * documents.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  const advance = (tokens: number) => {
    done += tokens;
    onProgress?.(done, total);
  };
  const statistics = await textStatistics(documents, model, bosId, directions, advance);
  const random = seededRandom(seed);
  const controls = {
    random: randomDirections(randomCount, checkpoint.config.hiddenSize, random),
    mixtures: await mixedDirections(directions, randomCount, random),
  };
  const energies = new Energies(documents.length, directions.lengths, statistics);
  for await (const { document, from, chunk } of chunksOf(documents, model, bosId)) {
    energies.add(document, from, chunk, derangement(chunk.ids.length - from, random));
    for (const point of points.keys()) {
      const rows = centred(chunk, from, point, statistics);
      const unit = statistics.units[point] ?? 1;
      energies.addControl('random', point, document, await energiesAlong(controls.random, rows, unit));
      energies.addControl('mixtures', point, document, await energiesAlong(controls.mixtures, rows, unit));
    }
    advance(chunk.ids.length);
  }
  return energies.result(points);
}

/** Energies of positions along unit directions, (directions, hidden): (positions, directions). */
async function energiesAlong(
  directions: Matrix<Float32Array>,
  rows: Matrix<Float32Array>,
  unit: number,
): Promise<Float64Array> {
  const { data } = await multiply(rows, directions, { transposeB: true });
  const energies = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) energies[i] = ((data[i] as number) * (data[i] as number)) / unit;
  return energies;
}

/** y − ȳ of the counted positions of a chunk. */
function centred(
  { ids, points }: LensChunk,
  from: number,
  point: number,
  statistics: TextStatistics,
): Matrix<Float32Array> {
  const { hidden, epsilon, means } = statistics;
  const rows = ids.length - from;
  const residual = points[point] ?? new Float32Array(0);
  const data = normalised(residual.subarray(from * hidden), hidden, epsilon);
  for (let at = 0; at < data.length; at++)
    data[at] = (data[at] as number) - (means.data[point * hidden + (at % hidden)] as number);
  return { rows, cols: hidden, data };
}
