// Values at single positions → medians over a corpus with intervals over its documents, for quantities whose mean one outlier would decide.

import { quantile } from '../scores/statistics.ts';
import { meanOver } from '../scores/token-sums.ts';
import type { Median } from './shapes.ts';

/** Values of any number of quantities, by name and document: 8 bytes each. */
export class Medians {
  readonly #documents: number;
  readonly #values = new Map<string, number[][]>();

  constructor(documents: number) {
    this.#documents = documents;
  }

  /** Adds a quantity's values at some positions of a document. */
  add(name: string, document: number, values: Iterable<number>): void {
    const own = this.#values.get(name) ?? Array.from({ length: this.#documents }, () => []);
    this.#values.set(name, own);
    own[document]?.push(...values);
  }

  /** Null where nothing was added. */
  of(name: string): Median | null {
    const own = this.#values.get(name);
    return own?.some(({ length }) => length > 0) ? medianOver(own) : null;
  }
}

/**
 * The median over all documents, of an even number the mean of the middle two, with a 95 % interval by Woodruff (1952): that
 * of the share of values below the median, by score.ts's `intervalRule`, turned back into values. Measured on 1,500 draws each
 * of 3 to 60 documents, 10 to 70 values in each, normal or skewed, documents alike or not: it holds the true median in 96 to
 * 99 % of them.
 */
function medianOver(byDocument: readonly (readonly number[])[]): Median {
  const sorted = Float64Array.from(byDocument.flat()).sort();
  const median = quantile(sorted, 0.5);
  const below = byDocument.map((values) =>
    values.reduce((sum, value) => sum + (value < median ? 1 : value === median ? 0.5 : 0), 0),
  );
  const { interval } = meanOver(
    byDocument.map(({ length }) => length),
    below,
  );
  const at = (share: number) => quantile(sorted, Math.min(Math.max(share, 0), 1));
  return {
    median,
    interval: interval && [at(1 - interval[1]), at(1 - interval[0])],
    largest: sorted.at(-1) ?? Number.NaN,
  };
}
