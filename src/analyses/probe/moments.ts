// Sums over the rows of a subset, streamed: counts, means, the Gram matrix, and the sums of each token type's rows.
import { type Matrix, multiplyInto } from '../../linalg/products.ts';
import { countLabels } from './splits.ts';

/** Rows of activations, in order; they may be read several times. */
export interface Source {
  /** Numbers of a row. */
  readonly width: number;
  blocks(): AsyncIterable<Block>;
}

/** Neighbouring rows of a source. */
export interface Block {
  /** The first one's number. */
  readonly from: number;
  readonly x: Matrix<Float32Array>;
}

/** Σ x over the rows of each label, (types, width): a target that depends on labels needs no other sums. */
export interface LabelSums {
  /** Token ids, ascending. */
  readonly types: readonly number[];
  readonly counts: Float64Array;
  readonly sums: Matrix;
}

/** Sums over the rows of one subset, each minus `shift`, a row near their mean: no digits are lost where means are large. */
export interface Sums {
  readonly shift: Float64Array;
  readonly rows: number;
  /** Σ x, (width). */
  readonly sum: Float64Array;
  /** Mean of the rows minus the shift, (width). */
  readonly mean: Float64Array;
  /** Σ x xᵀ, (width, width). */
  readonly gram: Matrix;
  /** One for each labelling. */
  readonly labels: readonly LabelSums[];
}

/** {@link Sums} that rows are added to. */
export class Moments implements Sums {
  readonly shift: Float64Array;
  rows = 0;
  readonly sum: Float64Array;
  readonly gram: Matrix;
  readonly labels: readonly LabelSums[];
  readonly #at: readonly ReadonlyMap<number, number>[];

  /** @param labels of the rows that will be added, in each labelling */
  constructor(shift: Float64Array, labels: readonly Int32Array[]) {
    const width = shift.length;
    this.shift = shift;
    this.sum = new Float64Array(width);
    this.gram = { rows: width, cols: width, data: new Float64Array(width * width) };
    const types = labels.map((all) => [...countLabels(all).keys()].sort((a, b) => a - b));
    this.#at = types.map((list) => new Map(list.map((type, i) => [type, i])));
    this.labels = types.map((list) => ({
      types: list,
      counts: new Float64Array(list.length),
      sums: { rows: list.length, cols: width, data: new Float64Array(list.length * width) },
    }));
  }

  /**
   * @param x rows minus the shift
   * @param labels of these rows, in each labelling
   */
  async add(x: Matrix, labels: readonly ArrayLike<number>[]): Promise<void> {
    if (x.rows === 0) return;
    this.rows += x.rows;
    await multiplyInto(this.gram, x, x, { transposeA: true, accumulate: true });
    for (let i = 0; i < x.rows; i++) addRow(this.sum, 0, x, i);
    for (const [labelling, { counts, sums }] of this.labels.entries()) {
      for (let i = 0; i < x.rows; i++) {
        const at = this.#at[labelling]?.get(labels[labelling]?.[i] ?? -1);
        if (at === undefined) throw new RangeError('a row has a label that was not announced');
        counts[at] = (counts[at] as number) + 1;
        addRow(sums.data, at * x.cols, x, i);
      }
    }
  }

  get mean(): Float64Array {
    return this.sum.map((value) => value / Math.max(this.rows, 1));
  }
}

/** Σ (x − a)(x − a)ᵀ from sums about zero. */
export function gramAbout({ rows, sum, gram: { data } }: Sums, a: Float64Array): Matrix {
  const width = a.length;
  const out = new Float64Array(data.length);
  for (let i = 0; i < width; i++) {
    const [ai, si] = [a[i] as number, sum[i] as number];
    for (let j = 0; j < width; j++) {
      const aj = a[j] as number;
      out[i * width + j] = (data[i * width + j] as number) - ai * (sum[j] as number) - si * aj + rows * ai * aj;
    }
  }
  return { rows: width, cols: width, data: out };
}

/** Σ (x − a) over the rows of each label, (types, width). */
export function sumsAbout({ counts, sums: { rows, cols, data } }: LabelSums, a: Float64Array): Matrix {
  const out = new Float64Array(data);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++)
      out[i * cols + j] = (out[i * cols + j] as number) - (counts[i] as number) * (a[j] as number);
  }
  return { rows, cols, data: out };
}

/** Mean of all rows of a source, (width). */
export async function meanOfRows(source: Source): Promise<Float64Array> {
  const sum = new Float64Array(source.width);
  let rows = 0;
  for await (const { x } of source.blocks()) {
    rows += x.rows;
    for (let i = 0; i < x.rows; i++) addRow(sum, 0, x, i);
  }
  return sum.map((value) => value / Math.max(rows, 1));
}

function addRow(to: Float64Array, at: number, { cols, data }: Matrix<Float32Array | Float64Array>, row: number): void {
  for (let j = 0; j < cols; j++) to[at + j] = (to[at + j] as number) + (data[row * cols + j] as number);
}
