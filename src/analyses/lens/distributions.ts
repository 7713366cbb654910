// Several rows of logits over one vocabulary, at once: entropies, divergences between them, ranks. Float64.

import { itemAt } from '../../platform/indexing.ts';
import { type Kernels, loadKernels, padding, requireFinite } from '../../scores/logits.ts';

/** A row of logits as a distribution. */
export interface Distribution {
  /** The likeliest token, the first of equals. */
  readonly top: number;
  /** Natural logarithm of Σ exp(logits). */
  readonly logSum: number;
  /** In nats. */
  readonly entropy: number;
}

/**
 * Buffers for rows of logits and for exp(logits − max) of some of them, so that each row's exponentials are computed once,
 * however many rows it is compared with:
 * KL(p ‖ q) = Σ p log p − Σ p log q = −H(p) − E_p[logits of q] + logSum of q.
 */
export class Distributions {
  readonly #kernels: Kernels = loadKernels();
  readonly #count: number;
  readonly #rows: readonly { readonly at: number; readonly view: Float32Array }[];
  readonly #weights: readonly number[];
  readonly #sums: Float64Array;
  readonly #totals: number[] = [];

  /** @param rows places for rows; `weights` places for distributions */
  constructor(vocab: number, rows: number, weights: number) {
    this.#count = Math.ceil(vocab / 4) * 4;
    const { memory } = this.#kernels;
    const from = memory.buffer.byteLength;
    const sumsAt = from + this.#count * (4 * rows + 8 * weights);
    memory.grow(Math.ceil((sumsAt + 16 - from) / 65536));
    this.#weights = Array.from({ length: weights }, (_, i) => from + 8 * this.#count * i);
    const firstRow = from + 8 * this.#count * weights;
    this.#rows = Array.from({ length: rows }, (_, i) => {
      const at = firstRow + 4 * this.#count * i;
      return { at, view: new Float32Array(memory.buffer, at, this.#count).fill(padding) };
    });
    this.#sums = new Float64Array(memory.buffer, sumsAt, 2);
  }

  /** Copies logits, (vocab), to a place. */
  put(row: number, logits: Float32Array): void {
    this.#row(row).view.set(logits);
  }

  /**
   * Makes the row's distribution and keeps its weights.
   * @throws SurgeryError `numeric` for logits that are not finite
   */
  describe(row: number, weights: number): Distribution {
    const { at } = this.#row(row);
    const most = requireFinite(this.#kernels.largest(at, this.#count));
    this.#kernels.exps(at, this.#count, most, this.#at(weights), this.#sums.byteOffset);
    const [total = 0, moment = 0] = this.#sums;
    this.#totals[weights] = total;
    const logTotal = Math.log(requireFinite(total));
    return {
      top: this.#kernels.firstOf(at, this.#count, most),
      logSum: most + logTotal,
      entropy: logTotal - moment / total,
    };
  }

  /** Mean of a row's logits under a distribution: −Σ p log q is its logSum minus this. */
  expected(weights: number, row: number): number {
    return this.#kernels.weighted(this.#at(weights), this.#row(row).at, this.#count) / itemAt(this.#totals, weights);
  }

  /** A token's logit. */
  logit(row: number, token: number): number {
    return this.#row(row).view[token] ?? Number.NaN;
  }

  /** 1 + the number of tokens that the row finds likelier. */
  rank(row: number, token: number): number {
    return 1 + this.#kernels.larger(this.#row(row).at, this.#count, this.logit(row, token));
  }

  /** The row's `wanted` likeliest tokens, likeliest first, the earlier of equals first. */
  likeliest(row: number, wanted: number): number[] {
    const { at, view } = this.#row(row);
    const best: number[] = [];
    // Four logits at a time are compared with the smallest one that is still listed.
    for (let from = 0, least = padding; from < this.#count; from += 4) {
      const found = this.#kernels.firstAbove(at, from, this.#count, least);
      if (found < 0) break;
      from = found - (found % 4);
      for (let id = found; id < from + 4; id++) {
        const value = view[id] as number;
        if (value <= least) continue;
        const place = best.findIndex((each) => value > (view[each] as number));
        best.splice(place < 0 ? best.length : place, 0, id);
        if (best.length > wanted) best.pop();
        if (best.length === wanted) least = view[best[wanted - 1] as number] as number;
      }
    }
    return best;
  }

  #row(place: number) {
    const row = this.#rows[place];
    if (!row) throw new RangeError(`no place ${place} for a row`);
    return row;
  }

  #at(weights: number): number {
    const at = this.#weights[weights];
    if (at === undefined) throw new RangeError(`no place ${weights} for a distribution`);
    return at;
  }
}
