// Linear CKA of two representations of the same positions, with an interval over groups of documents.

import { alignment } from '../linalg/alignment.ts';
import type { Matrix } from '../linalg/products.ts';
import { itemAt } from '../platform/indexing.ts';
import { studentQuantile } from '../scores/statistics.ts';
import type { Mean } from './shapes.ts';

/**
 * Linear CKA ({@link alignment}) of two representations of the same positions. With few positions of many dimensions it is
 * high by chance: compare it with the value for shuffled positions.
 *
 * The 95 % interval is a delete-a-group jackknife (Student's t over the groups); none where there are fewer than two.
 * @param k and l: kernels X Xᵀ of matrices whose columns are centred, (positions, positions)
 * @param groups each position's group, counted from 0
 */
export function linearCka(k: Matrix, l: Matrix, groups: Int32Array): Mean {
  const mean = alignment(k, l);
  const [kl, kk, ll] = [productsWithout(k, l, groups), productsWithout(k, k, groups), productsWithout(l, l, groups)];
  const without = kl.map((product, group) => product / Math.sqrt(itemAt(kk, group) * itemAt(ll, group)));
  if (without.length < 2) return { mean, interval: null };
  const centre = without.reduce((sum, value) => sum + value, 0) / without.length;
  const squares = without.reduce((sum, value) => sum + (value - centre) * (value - centre), 0);
  const error = Math.sqrt((squares * (without.length - 1)) / without.length);
  const half = error * studentQuantile(0.975, without.length - 1);
  return { mean, interval: [mean - half, mean + half] };
}

/** Σ of the products of two kernels without each group of positions in turn, centred anew over those that are left. */
function productsWithout({ rows: n, data: k }: Matrix, { data: l }: Matrix, groups: Int32Array): number[] {
  const count = Math.max(...groups) + 1;
  const products = new Float64Array(count * count); // by the groups of row and column
  const kSums = new Float64Array(n * count); // sums of a row over each group
  const lSums = new Float64Array(n * count);
  for (let i = 0; i < n; i++) {
    const ofRow = (groups[i] as number) * count;
    for (let j = 0; j < n; j++) {
      const group = groups[j] as number;
      const a = k[i * n + j] as number;
      const b = l[i * n + j] as number;
      products[ofRow + group] = (products[ofRow + group] as number) + a * b;
      kSums[i * count + group] = (kSums[i * count + group] as number) + a;
      lSums[i * count + group] = (lSums[i * count + group] as number) + b;
    }
  }
  const without = (left: number) => {
    let [m, product, rowProducts, kTotal, lTotal] = [0, 0, 0, 0, 0];
    for (let a = 0; a < count; a++)
      for (let b = 0; b < count; b++) if (a !== left && b !== left) product += products[a * count + b] as number;
    for (let i = 0; i < n; i++) {
      if (groups[i] === left) continue;
      let [kRow, lRow] = [0, 0];
      for (let group = 0; group < count; group++) {
        if (group === left) continue;
        kRow += kSums[i * count + group] as number;
        lRow += lSums[i * count + group] as number;
      }
      m++;
      rowProducts += kRow * lRow;
      kTotal += kRow;
      lTotal += lRow;
    }
    return product - (2 / m) * rowProducts + (kTotal * lTotal) / (m * m);
  };
  return Array.from({ length: count }, (_, group) => without(group));
}

/** Rows of some positions at every point, chosen in advance: all of a small corpus, a seeded sample of a large one. */
export class PositionSample {
  /** Each kept position's document. */
  readonly documents: Int32Array;
  readonly #hidden: number;
  readonly #rows: readonly Float32Array[];
  readonly #chosen: readonly ReadonlySet<number>[];
  #kept = 0;

  /** @param counts positions of each document; at most `most` of all are kept */
  constructor(counts: readonly number[], most: number, points: number, hidden: number, random: () => number) {
    const all = counts.flatMap((count, document) => Array.from({ length: count }, (_, i) => ({ document, i })));
    for (let i = all.length - 1; i > 0 && all.length > most; i--) {
      const j = Math.floor(random() * (i + 1));
      const [a, b] = [all[i], all[j]];
      if (a && b) [all[i], all[j]] = [b, a];
    }
    const kept = all.slice(0, most);
    this.#chosen = counts.map(
      (_, document) => new Set(kept.filter((one) => one.document === document).map(({ i }) => i)),
    );
    this.documents = new Int32Array(kept.length);
    this.#hidden = hidden;
    this.#rows = Array.from({ length: points }, () => new Float32Array(kept.length * hidden));
  }

  /**
   * Keeps a chunk's chosen positions.
   * @param first position, among those counted, of the row `from` of the chunk
   */
  take(document: number, first: number, from: number, points: readonly Float32Array[]): void {
    const rows = itemAt(points, 0).length / this.#hidden;
    for (let row = from; row < rows; row++) {
      if (!this.#chosen[document]?.has(first + row - from)) continue;
      this.documents[this.#kept] = document;
      for (const [point, values] of points.entries())
        this.#rows[point]?.set(
          values.subarray(row * this.#hidden, (row + 1) * this.#hidden),
          this.#kept * this.#hidden,
        );
      this.#kept++;
    }
  }

  /** The kept rows of a point, in the order they came in. */
  matrix(point: number): Matrix<Float32Array> {
    return { rows: this.documents.length, cols: this.#hidden, data: this.#rows[point] ?? new Float32Array(0) };
  }
}

/** A random order of `count` places in which none stays where it is (Sattolo 1986); one place alone has to. */
export function derangement(count: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * i);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}
