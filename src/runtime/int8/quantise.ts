// Matrices of a checkpoint → 8-bit integers in a file. These functions run in worker threads.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { bytesPerElement, type WeightDtype } from '../../checkpoint/dtypes.ts';
import { hadamardBlock } from '../../graph/hadamard.ts';
import type { Int8Weight } from '../../graph/linear.ts';
import { instantiate, type WasmMemory } from '../../platform/wasm.ts';

interface Kernels {
  readonly memory: WasmMemory;
  brainFloats(source: number, target: number, count: number): void;
  halfs(source: number, target: number, count: number): void;
  rotate(values: number, count: number, size: number): void;
  quantise(values: number, rows: number, cols: number, bytes: number, scales: number): void;
  turn(bytes: number, rows: number, cols: number, target: number, stride: number): void;
}

/** A part of a file. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** A matrix in a file, and where its integers go. */
export interface QuantiseJob {
  readonly path: string;
  readonly offset: number;
  readonly dtype: WeightDtype;
  readonly rows: number;
  readonly cols: number;
  /** File that is written to. Threads of one process share descriptors. */
  readonly target: number;
  readonly to: Pick<Int8Weight, 'integers' | 'scales' | 'outliers'>;
  /** Columns that are kept out of 8 bits. */
  readonly places: readonly number[];
}

/** Weights that are worked on at once: few enough for the cache near the core. */
const chunkWeights = 1 << 18;

/**
 * Writes a matrix in 8 bits: signed integers, columns first (in, out) as integer products want them. Without its outlier
 * columns, which are written as float32, and with the rest of each row rotated, `w ≈ integer × scale` with scale = the row's
 * largest magnitude / 127.
 * @returns SHA-256 of the integers, the scales, the outliers' places, the other places and the outliers' columns
 */
export function quantiseMatrix({ path, offset, dtype, rows, cols, target, to, places }: QuantiseJob): string[] {
  const rowBytes = cols * bytesPerElement(dtype);
  const chunkRows = Math.max(1, Math.floor(chunkWeights / cols));
  const quantiser = new Quantiser(rows, cols, chunkRows, places);
  const source = openSync(path, 'r');
  try {
    for (let row = 0; row < rows; row += chunkRows) {
      const count = Math.min(chunkRows, rows - row);
      readFully(source, quantiser.source.subarray(0, count * rowBytes), offset + row * rowBytes, path);
      quantiser.run(dtype, row, count);
    }
  } finally {
    closeSync(source);
  }
  const rest = new Float32Array(cols).fill(1);
  for (const place of places) rest[place] = 0;
  const { integers, scales, outliers } = to;
  const parts: readonly (readonly [ArrayBufferView, Region])[] = [
    [quantiser.integers, integers],
    [quantiser.scales, scales],
    [BigInt64Array.from(places, BigInt), outliers.places],
    [rest, outliers.rest],
    [quantiser.columns, outliers.columns],
  ];
  return parts.map(([{ buffer, byteOffset, byteLength }, region]) => {
    const hash = createHash('sha256');
    write(target, new Uint8Array(buffer, byteOffset, byteLength), region.offset, hash);
    return hash.digest('hex');
  });
}

/** Copies a part of a file into another one. @returns its SHA-256 */
export function copyRegion(path: string, offset: number, target: number, to: Region): string[] {
  const hash = createHash('sha256');
  forChunks(path, { offset, bytes: to.bytes }, (chunk, at) => write(target, chunk, to.offset + at, hash));
  return [hash.digest('hex')];
}

/** SHA-256 of parts of a file. */
export function hashRegions(path: string, regions: readonly Region[]): string[] {
  return regions.map((region) => {
    const hash = createHash('sha256');
    forChunks(path, region, (chunk) => hash.update(chunk));
    return hash.digest('hex');
  });
}

/** float32 rows → integers, columns first, scales and the outliers' columns in memory, as {@link quantiseMatrix} writes them. */
export function quantise(
  values: Float32Array,
  rows: number,
  cols: number,
  places: readonly number[],
): { integers: Int8Array; scales: Float32Array; columns: Float32Array } {
  const quantiser = new Quantiser(rows, cols, rows, places);
  quantiser.source.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  quantiser.run('F32', 0, rows);
  return {
    integers: new Int8Array(quantiser.integers.slice().buffer),
    scales: new Float32Array(quantiser.scales.slice().buffer),
    columns: quantiser.columns,
  };
}

let kernels: Kernels | undefined;
/** Where the kernels' own memory ends. */
let base = 0;

/** The thread's kernels and the memory they work in, with room for a matrix and some rows of it: one at a time. */
class Quantiser {
  /** Rows as they lie in the file go here. */
  readonly source: Uint8Array;
  /** (cols, rows) */
  readonly integers: Uint8Array;
  /** (rows) float32 */
  readonly scales: Uint8Array;
  /** (outliers, rows) */
  readonly columns: Float32Array;
  readonly #kernels: Kernels;
  readonly #rows: number;
  readonly #cols: number;
  readonly #places: readonly number[];
  readonly #values: number;
  readonly #bytes: number;

  constructor(rows: number, cols: number, chunkRows: number, places: readonly number[]) {
    if (!kernels) {
      kernels = instantiate<Kernels>('quantise');
      base = kernels.memory.buffer.byteLength;
    }
    this.#kernels = kernels;
    this.#rows = rows;
    this.#cols = cols;
    this.#places = places;
    this.columns = new Float32Array(places.length * rows);
    const { memory } = kernels;
    const weights = Math.ceil((Math.min(chunkRows, rows) * cols) / 64) * 64;
    this.#values = base + weights * 4;
    this.#bytes = this.#values + weights * 4;
    const integers = this.#bytes + weights;
    const scales = Math.ceil((integers + rows * cols) / 64) * 64;
    const missing = scales + rows * 4 - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    this.source = new Uint8Array(memory.buffer, base, weights * 4);
    this.integers = new Uint8Array(memory.buffer, integers, rows * cols);
    this.scales = new Uint8Array(memory.buffer, scales, rows * 4);
  }

  /** Quantises the first `count` rows of the source, which are the matrix's from `row` on. */
  run(dtype: WeightDtype, row: number, count: number): void {
    const { memory, brainFloats, halfs, rotate, quantise, turn } = this.#kernels;
    const weights = count * this.#cols;
    if (dtype === 'BF16') brainFloats(base, this.#values, weights);
    if (dtype === 'F16') halfs(base, this.#values, weights);
    const from = dtype === 'F32' ? base : this.#values;
    this.#takeOut(new Float32Array(memory.buffer, from, weights), row);
    rotate(from, weights, hadamardBlock(this.#cols));
    quantise(from, count, this.#cols, this.#bytes, this.scales.byteOffset + row * 4);
    turn(this.#bytes, count, this.#cols, this.integers.byteOffset + row, this.#rows);
  }

  /** Moves the outliers of rows, the matrix's from `first` on, to their columns. */
  #takeOut(values: Float32Array, first: number): void {
    for (const [i, place] of this.#places.entries()) {
      const column = this.columns.subarray(i * this.#rows + first);
      for (let row = 0, at = place; at < values.length; row++, at += this.#cols) {
        column[row] = values[at] as number;
        values[at] = 0;
      }
    }
  }
}

function forChunks(path: string, { offset, bytes }: Region, use: (chunk: Uint8Array, at: number) => void): void {
  const buffer = new Uint8Array(Math.min(bytes, 1 << 21));
  const file = openSync(path, 'r');
  try {
    for (let at = 0; at < bytes; at += buffer.length) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, bytes - at));
      readFully(file, chunk, offset + at, path);
      use(chunk, at);
    }
  } finally {
    closeSync(file);
  }
}

function readFully(file: number, out: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < out.length; ) {
    const read = readSync(file, out, done, out.length - done, position + done);
    if (read === 0) throw new Error(`${path} ended at byte ${position + done} while it was read`);
    done += read;
  }
}

function write(file: number, bytes: Uint8Array, position: number, hash: Hash): void {
  hash.update(bytes);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
