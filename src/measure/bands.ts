// Energies of the residual stream along tokens, summed by the band that a token's final probability falls into.
import type { LensChunk } from '../runtime/sequence.ts';
import { Averages, type Mean } from './averages.ts';
import { logSumExp } from './logits.ts';
import { likelyFrom, mean, type Normal, rowOf } from './normal.ts';
import { requireFinite } from './sampling.ts';

/** Bands of the final probability, likely first: each holds what is at least its bound, and less than the one before. */
export const bands = [
  { name: '≥ 0.1', from: likelyFrom },
  { name: '≥ 0.01', from: 1e-2 },
  { name: '≥ 1e-4', from: 1e-4 },
  { name: '≥ 1e-6', from: 1e-6 },
  { name: '< 1e-6', from: 0 },
] as const;

/** Each token's band in a context, from the last point's logits. */
function bandsOfRow(logits: Float32Array): Uint8Array {
  const logSum = requireFinite(logSumExp(logits));
  const bounds = bands.map(({ from }) => Math.log(from) + logSum);
  return Uint8Array.from(logits, (logit) => bounds.findIndex((bound) => logit >= bound));
}

export interface BandFigures {
  readonly band: string;
  /** Pairs of a position and a token. */
  readonly pairs: number;
  readonly energy: Mean | null;
  readonly projection: Mean | null;
  readonly shuffled: Mean | null;
  /** Over the pairs whose token is likely elsewhere: energy here, there, and here less there. */
  readonly sameTokens: {
    readonly pairs: number;
    readonly energy: Mean | null;
    readonly whereLikely: Mean | null;
    readonly difference: Mean | null;
  };
  /** Energy less that at the point below. Null at the first point. */
  readonly change: Mean | null;
}

export interface PointBands {
  readonly point: string;
  /** Energy along random directions, uniform ones and mixtures of the tokens'. */
  readonly random: Mean | null;
  readonly mixtures: Mean | null;
  readonly bands: readonly BandFigures[];
}

export interface UnlikelyTokens {
  readonly positions: number;
  /** Tokens that are likely in enough contexts to be compared with themselves elsewhere. */
  readonly likelyTokens: number;
  readonly points: readonly PointBands[];
  /** From the middle point to the last: energy of each band, last less middle. */
  readonly fromMiddle: { readonly from: string; readonly to: string; readonly bands: readonly (Mean | null)[] };
}

/** Sums of energies over positions and tokens, by point and band. */
export class Energies {
  readonly #averages: Averages;
  readonly #normal: Normal;
  /** What a logit above the mean one is worth along its token's unit direction. */
  readonly #scales: Float64Array;

  constructor(documents: number, lengths: Float64Array, normal: Normal) {
    this.#averages = new Averages(documents);
    this.#normal = normal;
    this.#scales = lengths.map((length) => (length > 0 ? 1 / length : 0));
  }

  /** @param partners for each position told of the one whose bands stand for its own in what is shuffled */
  add(document: number, from: number, chunk: LensChunk, partners: Int32Array): void {
    const vocab = this.#scales.length;
    const points = chunk.points.length;
    const rows = chunk.ids.length - from;
    const bandsOf = Array.from({ length: rows }, (_, i) => bandsOfRow(rowOf(chunk, points - 1, from + i, vocab)));
    for (let point = 0; point < points; point++) {
      const sums = new BandSums();
      for (let i = 0; i < rows; i++) {
        const [own, other] = [bandsOf[i], bandsOf[partners[i] ?? i]];
        if (own && other) this.#addRow(sums, rowOf(chunk, point, from + i, vocab), point, own, other);
      }
      const add = (name: string, of: Float64Array, counts: Float64Array) => {
        for (const band of bands.keys())
          this.#averages.addSum(`${point} ${band} ${name}`, document, of[band] ?? 0, counts[band] ?? 0);
      };
      add('energy', sums.energy, sums.pairs);
      add('projection', sums.projection, sums.pairs);
      if (rows > 1) add('shuffled', sums.shuffled, sums.shuffledPairs);
      add('same energy', sums.sameEnergy, sums.samePairs);
      add('same likely', sums.sameLikely, sums.samePairs);
    }
  }

  #addRow(sums: BandSums, logits: Float32Array, point: number, own: Uint8Array, other: Uint8Array): void {
    const vocab = logits.length;
    const start = point * vocab;
    const { meanProjections, units, whereLikely } = this.#normal;
    const { energy, projection, pairs, shuffled, shuffledPairs, sameEnergy, sameLikely, samePairs } = sums;
    const unit = 1 / Math.sqrt(units[point] ?? 1);
    const middle = mean(logits);
    for (let v = 0; v < vocab; v++) {
      const z = (((logits[v] ?? 0) - middle) * (this.#scales[v] ?? 0) - (meanProjections[start + v] ?? 0)) * unit;
      const e = z * z;
      const band = own[v] ?? 0;
      const instead = other[v] ?? 0;
      energy[band] = (energy[band] ?? 0) + e;
      projection[band] = (projection[band] ?? 0) + z;
      pairs[band] = (pairs[band] ?? 0) + 1;
      shuffled[instead] = (shuffled[instead] ?? 0) + e;
      shuffledPairs[instead] = (shuffledPairs[instead] ?? 0) + 1;
      const likely = whereLikely[start + v] ?? Number.NaN;
      if (Number.isNaN(likely)) continue;
      sameEnergy[band] = (sameEnergy[band] ?? 0) + e;
      sameLikely[band] = (sameLikely[band] ?? 0) + likely;
      samePairs[band] = (samePairs[band] ?? 0) + 1;
    }
  }

  addControl(name: string, document: number, energies: Float64Array): void {
    this.#averages.add(name, document, energies);
  }

  result(points: readonly string[]): UnlikelyTokens {
    const { positions, whereLikely } = this.#normal;
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
        ...{ from: points[middle] ?? '', to: points[last] ?? '' },
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
        difference: this.#averages.difference(at('same energy'), at('same likely')),
      },
    };
  }
}

/** Of one chunk at one point, by band. */
class BandSums {
  readonly energy = new Float64Array(bands.length);
  readonly projection = new Float64Array(bands.length);
  readonly pairs = new Float64Array(bands.length);
  readonly shuffled = new Float64Array(bands.length);
  readonly shuffledPairs = new Float64Array(bands.length);
  readonly sameEnergy = new Float64Array(bands.length);
  readonly sameLikely = new Float64Array(bands.length);
  readonly samePairs = new Float64Array(bands.length);
}
