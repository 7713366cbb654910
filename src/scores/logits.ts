// Rows of logits as distributions: normaliser, likeliest token, divergence. float64, in a WebAssembly kernel: over a
// vocabulary of tens of thousands, exponentials are most of a score's cost after the model itself.
import { SurgeryError } from '../platform/errors.ts';
import { instantiate, type WasmMemory } from '../platform/wasm.ts';

/** The kernels, which work on addresses in a memory of their own. See assembly/logits.ts. */
export interface Kernels {
  readonly memory: WasmMemory;
  largest(row: number, count: number): number;
  firstOf(row: number, count: number, value: number): number;
  firstAbove(row: number, from: number, count: number, value: number): number;
  sumOfExps(row: number, count: number, shift: number): number;
  divergence(p: number, pLogSum: number, q: number, qLogSum: number, count: number): number;
  exps(row: number, count: number, shift: number, weights: number, sums: number): void;
  weighted(weights: number, row: number, count: number): number;
  larger(row: number, count: number, value: number): number;
}

/** Numbers that fill a row up to a multiple of 4 and add nothing. */
export const padding = -1e30;

export function loadKernels(): Kernels {
  return instantiate<Kernels>('logits');
}

/** The likeliest token of a row, the first of equals, and the natural logarithm of Σ exp(logits). */
export interface Described {
  readonly top: number;
  readonly logSum: number;
}

/** Two rows in the kernels' memory. */
class Rows {
  readonly #kernels = loadKernels();
  #size = 0;
  #at: readonly [number, number] = [0, 0];
  #views: readonly [Float32Array, Float32Array] = [new Float32Array(), new Float32Array()];

  describe(row: Float32Array): Described {
    const count = this.#put(0, row);
    const most = this.#kernels.largest(this.#at[0], count);
    const sum = this.#kernels.sumOfExps(this.#at[0], count, most);
    return { top: this.#kernels.firstOf(this.#at[0], count, most), logSum: most + Math.log(sum) };
  }

  divergence(p: Float32Array, pLogSum: number, q: Float32Array, qLogSum: number): number {
    const count = this.#put(0, p);
    this.#put(1, q);
    return this.#kernels.divergence(this.#at[0], pLogSum, this.#at[1], qLogSum, count);
  }

  /** Copies a row into its place. @returns its length with the padding */
  #put(place: 0 | 1, row: Float32Array): number {
    const count = Math.ceil(row.length / 4) * 4;
    if (count > this.#size) this.#grow(count);
    const view = this.#views[place];
    view.set(row);
    view.fill(padding, row.length, count);
    return count;
  }

  #grow(count: number): void {
    const { memory } = this.#kernels;
    const from = memory.buffer.byteLength;
    memory.grow(Math.ceil((count * 8) / 65536));
    this.#size = count;
    this.#at = [from, from + count * 4];
    const view = (at: number) => new Float32Array(memory.buffer, at, count);
    this.#views = [view(this.#at[0]), view(this.#at[1])];
  }
}

let rows: Rows | undefined;
const kernels = () => (rows ??= new Rows());

/** A row of logits. Where one is NaN, so is `logSum`. */
export function describeRow(logits: Float32Array): Described {
  return kernels().describe(logits);
}

/** Natural logarithm of Σ exp(logits), float64. */
export function logSumExp(logits: Float32Array): number {
  return kernels().describe(logits).logSum;
}

/** Natural log-probability of a token in a row of logits, float64. */
export function logProbability(logits: Float32Array, id: number): number {
  return (logits[id] as number) - logSumExp(logits);
}

/** KL(p ‖ q) in nats between the softmax distributions of two rows of logits. */
export function klDivergence(p: Float32Array, pLogSum: number, q: Float32Array, qLogSum: number): number {
  return kernels().divergence(p, pLogSum, q, qLogSum);
}

/**
 * Passes a number on that every later figure hangs on.
 * @throws SurgeryError `numeric` if it is not finite
 */
export function requireFinite(value: number | undefined): number {
  if (value !== undefined && Number.isFinite(value)) return value;
  throw new SurgeryError(
    'numeric',
    'the model gives logits that are not finite: its weights hold NaN or infinity, or overflow',
  );
}
