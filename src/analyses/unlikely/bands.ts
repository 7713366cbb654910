// Energies of the residual stream along tokens, summed by the band that a token's final probability falls into.

import { itemAt } from '../../platform/indexing.ts';
import type { LensChunk } from '../../runtime/sequence.ts';
import { logSumExp, requireFinite } from '../../scores/logits.ts';
import { Averages } from '../averages.ts';
import type { BandFigures, UnlikelyTokens } from './result.ts';
import { likelyFrom, mean, rowOf, type TextStatistics } from './text-norms.ts';

/** Bands of the final probability, likely first: each from its bound up to the one before. */
const bands = [
  { name: '≥ 0.1', from: likelyFrom },
  { name: '≥ 0.01', from: 1e-2 },
  { name: '≥ 1e-4', from: 1e-4 },
  { name: '≥ 1e-6', from: 1e-6 },
  { name: '< 1e-6', from: 0 },
] as const;

/** Sums of energies over positions and tokens, by point and band. */
export class Energies {
  readonly #averages: Averages;
  readonly #statistics: TextStatistics;
  /** Projection on a token's unit direction per unit of logit above the mean. */
  readonly #scales: Float64Array;
  /** Tokens that are likely in enough contexts. */
  readonly #comparable: readonly number[];

  constructor(documents: number, lengths: Float64Array, statistics: TextStatistics) {
    this.#averages = new Averages(documents);
    this.#statistics = statistics;
    this.#scales = lengths.map((length) => (length > 0 ? 1 / length : 0));
    this.#comparable = [...lengths.keys()].filter((token) => !Number.isNaN(statistics.whereLikely[token]));
  }

  /** @param partners for each counted position, the one whose bands replace its own in the shuffled baseline */
  add(document: number, from: number, chunk: LensChunk, partners: Int32Array): void {
    const vocab = this.#scales.length;
    const points = chunk.points.length;
    const rows = chunk.ids.length - from;
    const bandsOf = Array.from({ length: rows }, (_, i) => bandsOfRow(rowOf(chunk, points - 1, from + i, vocab)));
    const pairs = bandsOf.map((own, i) => bandPairs(own, bandsOf[partners[i] ?? i] ?? own));
    for (let point = 0; point < points; point++) {
      const sums = new BandSums();
      for (const [i, pair] of pairs.entries()) this.#addRow(sums, rowOf(chunk, point, from + i, vocab), point, pair);
      const unit = this.#statistics.units[point] ?? 1;
      const add = (name: string, of: Float64Array, counts: Float64Array, scale = 1) => {
        for (const band of bands.keys())
          this.#averages.addSum(
            `${point} ${band} ${name}`,
            document,
            (of[band] as number) * scale,
            counts[band] as number,
          );
      };
      const [counts, shuffledCounts] = marginals(sums.pairs);
      const [energy, shuffled] = marginals(sums.energy);
      add('energy', energy, counts, 1 / unit);
      add('projection', sums.projection, counts, 1 / Math.sqrt(unit));
      if (rows > 1) add('shuffled', shuffled, shuffledCounts, 1 / unit);
      add('same energy', sums.sameEnergy, sums.samePairs, 1 / unit);
      add('same likely', sums.sameLikely, sums.samePairs);
    }
  }

  /** One position's projections, still in the residual's own unit. */
  #addRow(sums: BandSums, logits: Float32Array, point: number, pairs: Uint8Array): void {
    const { energy, projection, sameEnergy, sameLikely, samePairs } = sums;
    const { meanProjections, whereLikely } = this.#statistics;
    const scales = this.#scales;
    const start = point * logits.length;
    const middle = mean(logits);
    for (let v = 0; v < logits.length; v++) {
      const z = ((logits[v] as number) - middle) * (scales[v] as number) - (meanProjections[start + v] as number);
      const pair = pairs[v] as number;
      energy[pair] = (energy[pair] as number) + z * z;
      projection[pair >> 3] = (projection[pair >> 3] as number) + z;
      sums.pairs[pair] = (sums.pairs[pair] as number) + 1;
    }
    for (const v of this.#comparable) {
      const z = ((logits[v] as number) - middle) * (scales[v] as number) - (meanProjections[start + v] as number);
      const band = (pairs[v] as number) >> 3;
      sameEnergy[band] = (sameEnergy[band] as number) + z * z;
      sameLikely[band] = (sameLikely[band] as number) + (whereLikely[start + v] ?? Number.NaN);
      samePairs[band] = (samePairs[band] as number) + 1;
    }
  }

  /** @param energies (positions × directions) at a point, along random directions of a kind */
  addControl(kind: 'random' | 'mixtures', point: number, document: number, energies: Float64Array): void {
    this.#averages.add(`${point} ${kind}`, document, energies);
  }

  result(points: readonly string[]): UnlikelyTokens {
    const { positions, whereLikely } = this.#statistics;
    const vocab = this.#scales.length;
    const last = points.length - 1;
    const middle = Math.floor(last / 2);
    const energy = (point: number, band: number) => `${point} ${band} energy`;
    return {
      positions,
      likelyTokens: whereLikely.subarray(0, vocab).filter((value) => !Number.isNaN(value)).length,
      points: points.map((point, i) => ({
        point,
        random: this.#averages.mean(`${i} random`),
        mixtures: this.#averages.mean(`${i} mixtures`),
        bands: bands.map(({ name }, band) => ({
          band: name,
          ...this.#bandFigures(i, band),
          change: i === 0 ? null : this.#averages.difference(energy(i, band), energy(i - 1, band)),
        })),
      })),
      fromMiddle: {
        from: itemAt(points, middle),
        to: itemAt(points, last),
        bands: bands.map((_, band) => this.#averages.difference(energy(last, band), energy(middle, band))),
      },
    };
  }

  #bandFigures(point: number, band: number): Omit<BandFigures, 'band' | 'change'> {
    const at = (name: string) => `${point} ${band} ${name}`;
    return {
      pairs: this.#averages.count(at('energy')),
      energy: this.#averages.mean(at('energy')),
      projection: this.#averages.mean(at('projection')),
      shuffled: this.#averages.mean(at('shuffled')),
      sameTokens: {
        pairs: this.#averages.count(at('same energy')),
        energy: this.#averages.mean(at('same energy')),
        whereLikely: this.#averages.mean(at('same likely')),
        // In the likely band each value would be compared with a mean that includes it.
        difference: band === 0 ? null : this.#averages.difference(at('same energy'), at('same likely')),
      },
    };
  }
}

/** Of one chunk at one point: by pairs of a band and the band that stands for it when shuffled, or by band alone. */
class BandSums {
  readonly energy = new Float64Array(64);
  readonly pairs = new Float64Array(64);
  readonly projection = new Float64Array(bands.length);
  readonly sameEnergy = new Float64Array(bands.length);
  readonly sameLikely = new Float64Array(bands.length);
  readonly samePairs = new Float64Array(bands.length);
}

/** Both bands of each token in one number: 8 × its own + the other context's. */
function bandPairs(own: Uint8Array, other: Uint8Array): Uint8Array {
  return own.map((band, v) => 8 * band + (other[v] as number));
}

/** Sums over pairs of bands → by the first of them, and by the second. */
function marginals(pairs: Float64Array): readonly [Float64Array, Float64Array] {
  const [first, second] = [new Float64Array(bands.length), new Float64Array(bands.length)];
  for (const [pair, value] of pairs.entries()) {
    if (value === 0) continue;
    first[pair >> 3] = (first[pair >> 3] as number) + value;
    second[pair % 8] = (second[pair % 8] as number) + value;
  }
  return [first, second];
}

/** Each token's band in a context, from the last point's logits: as many bounds as its logit is below. */
function bandsOfRow(logits: Float32Array): Uint8Array {
  const logSum = requireFinite(logSumExp(logits));
  const [a = 0, b = 0, c = 0, d = 0] = bands.map(({ from }) => Math.log(from) + logSum);
  const out = new Uint8Array(logits.length);
  for (let v = 0; v < logits.length; v++) {
    const logit = logits[v] as number;
    out[v] = logit >= a ? 0 : logit >= b ? 1 : logit >= c ? 2 : logit >= d ? 3 : 4;
  }
  return out;
}
