// Values at single positions → means over a corpus with intervals over its documents.
import { itemAt } from '../platform/indexing.ts';
import { meanOver } from '../scores/token-sums.ts';
import type { Mean } from './shapes.ts';

/** Sums of any number of quantities, by name and document. */
export class Averages {
  readonly #documents: number;
  readonly #sums = new Map<string, { readonly sums: number[]; readonly counts: number[] }>();

  constructor(documents: number) {
    this.#documents = documents;
  }

  /** Adds a quantity's values at some positions of a document. */
  add(name: string, document: number, values: ArrayLike<number>): void {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i] ?? Number.NaN;
    this.addSum(name, document, sum, values.length);
  }

  addSum(name: string, document: number, sum: number, count: number): void {
    const zeros = () => Array<number>(this.#documents).fill(0);
    const own = this.#sums.get(name) ?? { sums: zeros(), counts: zeros() };
    this.#sums.set(name, own);
    own.sums[document] = itemAt(own.sums, document) + sum;
    own.counts[document] = itemAt(own.counts, document) + count;
  }

  /** Null where nothing was added. */
  mean(name: string): Mean | null {
    const own = this.#sums.get(name);
    if (!own || own.counts.every((count) => count === 0)) return null;
    return meanOver(own.counts, own.sums);
  }

  /** Mean of one quantity minus that of another at the same positions, paired by document. Null where there is none. */
  difference(name: string, than: string): Mean | null {
    const [one, other] = [this.#sums.get(name), this.#sums.get(than)];
    if (!one || !other || one.counts.every((count) => count === 0)) return null;
    if (one.counts.some((count, i) => count !== other.counts[i]))
      throw new RangeError(`${name} and ${than} are not of the same positions`);
    return meanOver(
      one.counts,
      one.sums.map((sum, i) => sum - itemAt(other.sums, i)),
    );
  }

  /** How many values were added under a name. */
  count(name: string): number {
    return this.#sums.get(name)?.counts.reduce((total, count) => total + count, 0) ?? 0;
  }
}
