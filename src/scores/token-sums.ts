// A score of one model over documents: its sum in each, where it needs them its values at all tokens, and their statistics.
import { itemAt } from '../platform/indexing.ts';
import type { Described } from './logits.ts';
import { bootstrap, quantile } from './statistics.ts';

/** A 95 % confidence interval. Null for a single document. */
export type Interval = readonly [low: number, high: number] | null;

/** A model's prediction of one token: its logits, the token that came next, the likeliest one, and the normaliser. */
export interface Prediction extends Described {
  /** (vocab) */
  readonly logits: Float32Array;
  readonly target: number;
}

/** How a score is summed. */
export interface Accumulation {
  /** The sum with one more token. */
  accumulate(sum: number, own: Prediction, original: Prediction): number;
  /** Whether the value at each token is kept, too: 8 bytes per token. */
  readonly keepsTokens?: boolean;
}

export class TokenSums {
  /** Tokens scored in each document. */
  readonly counts: readonly number[];
  /** By document. */
  readonly sums: number[];
  /** The value at each token, in order, where it is kept. */
  readonly tokens: Float64Array;
  readonly #accumulation: Accumulation;
  #sorted: Float64Array | undefined;
  #added = 0;

  constructor(counts: readonly number[], accumulation: Accumulation) {
    this.counts = counts;
    this.sums = counts.map(() => 0);
    this.tokens = new Float64Array(accumulation.keepsTokens ? total(counts) : 0);
    this.#accumulation = accumulation;
  }

  add(document: number, own: Prediction, original: Prediction): void {
    const sum = itemAt(this.sums, document);
    if (this.#accumulation.keepsTokens) {
      const value = this.#accumulation.accumulate(0, own, original);
      this.tokens[this.#added++] = value;
      this.sums[document] = sum + value;
    } else this.sums[document] = this.#accumulation.accumulate(sum, own, original);
  }

  /** Mean over tokens. */
  get mean(): number {
    return total(this.sums) / total(this.counts);
  }

  /** The mean with its interval; compared with another model on the same documents, that of the paired difference. */
  estimate(less?: TokenSums): { mean: number; interval: Interval } {
    return meanOver(this.counts, less ? this.sums.map((sum, i) => sum - itemAt(less.sums, i)) : this.sums);
  }

  /** The value below which a share `p` of all tokens lies, interpolated linearly; NaN of no tokens. */
  quantile(p: number): number {
    this.#sorted ??= this.tokens.slice().sort();
    return quantile(this.#sorted, p);
  }
}

/**
 * The token-weighted mean over documents of what a quantity sums to in each, and its interval: see `intervalRule`.
 * With differences of two variants' sums it is the interval of a paired comparison.
 */
export function meanOver(tokens: readonly number[], sums: readonly number[]): { mean: number; interval: Interval } {
  const { mean, low, high } = resampled(sums.map((sum, i) => ({ sum, count: itemAt(tokens, i) })));
  return { mean, interval: low === undefined || high === undefined ? null : [low, high] };
}

/** All intervals over the same documents come from the same resamples. */
const resampled = bootstrap(0);

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
