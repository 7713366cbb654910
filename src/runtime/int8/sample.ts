// What outlier coordinates are found on: the few numbers of a product's input that are far larger than the rest in trained
// models, at every token. In 8 bits they would leave the others too few steps, so they are multiplied in float32.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { Activation, Projection } from '../../checkpoint/names.ts';
import { itemAt } from '../../platform/indexing.ts';

/** Changes when what is computed in 8 bits does: what caches hold of it is then no longer found. */
export const int8Version = 'rotated2';

/** How many coordinates of an input of `size` numbers are multiplied in float32. */
export const outlierCount = (size: number) => Math.min(8, size);

/** The projections that read an activation, in the order in which a block computes them. */
export const readers = {
  qkv: ['q', 'k', 'v'],
  o: ['o'],
  gateup: ['gate', 'up'],
  down: ['down'],
} as const satisfies Record<Activation, readonly Projection[]>;

/** Documents and tokens of each. */
const sample = { documents: 4, tokens: 32 };

/**
 * Token ids spread over the vocabulary. Outliers belong to the model more than to a text (Dettmers et al. 2022, "LLM.int8()"), so
 * that these show them and no tokenizer is needed. Four texts of 128 tokens found others that were no better.
 */
export function sampleDocuments({ vocabSize, contextLength }: LlamaConfig): number[][] {
  const tokens = Math.min(sample.tokens, contextLength);
  return Array.from({ length: sample.documents }, (_, document) =>
    Array.from({ length: tokens }, (_, i) => ((document * tokens + i) * 7919) % vocabSize),
  );
}

/** Raises the largest magnitudes of coordinates, (size), by those of rows, (rows, size). */
export function addLargest(largest: Float64Array, rows: Float32Array): void {
  const size = largest.length;
  for (let from = 0; from < rows.length; from += size)
    for (let i = 0; i < size; i++) {
      const magnitude = Math.abs(rows[from + i] as number);
      if (magnitude > (largest[i] as number)) largest[i] = magnitude;
    }
}

/** Rows (rows, size) behind a norm, whose epsilon changes no order of their coordinates. */
export function normed(rows: Float32Array, norm: Float32Array): Float32Array {
  const size = norm.length;
  const out = new Float32Array(rows.length);
  for (let from = 0; from < rows.length; from += size) {
    const row = rows.subarray(from, from + size);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
    for (const [i, value] of row.entries()) out[from + i] = (value / length) * itemAt(norm, i);
  }
  return out;
}

/** Places of the largest magnitudes, ascending. */
export function mostOf(values: Float64Array): number[] {
  const order = Array.from(values.keys()).sort((a, b) => itemAt(values, b) - itemAt(values, a) || a - b);
  return order.slice(0, outlierCount(values.length)).sort((a, b) => a - b);
}
