// Matrices of a checkpoint → 8-bit integers in a file. These functions run in worker threads.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { toFloat32, type WeightDtype } from '../../checkpoint/dtypes.ts';
import { instantiate, type WasmMemory } from '../../platform/wasm.ts';

interface Kernels {
  readonly memory: WasmMemory;
  widen(source: number, target: number, count: number): void;
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
  readonly integers: Region;
  readonly scales: Region;
}

/** Weights that are worked on at once: few enough for the cache near the core. */
const chunkWeights = 1 << 18;

/**
 * Writes a matrix in 8 bits: signed integers, columns first (in, out) as integer products want them, `w ≈ integer × scale`
 * with scale = the row's largest magnitude / 127.
 * @returns SHA-256 of the integers and of the scales
 */
export function quantiseMatrix({ path, offset, dtype, rows, cols, target, integers, scales }: QuantiseJob): string[] {
  const rowBytes = cols * (dtype === 'F32' ? 4 : 2);
  const chunkRows = Math.max(1, Math.floor(chunkWeights / cols));
  const quantiser = new Quantiser(rows, cols, chunkRows);
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
  const hashes = [createHash('sha256'), createHash('sha256')] as const;
  write(target, quantiser.integers, integers.offset, hashes[0]);
  write(target, quantiser.scales, scales.offset, hashes[1]);
  return hashes.map((hash) => hash.digest('hex'));
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

/** float32 rows → integers, columns first, and scales in memory, as {@link quantiseMatrix} writes them. */
export function quantise(
  values: Float32Array,
  rows: number,
  cols: number,
): { integers: Int8Array; scales: Float32Array } {
  const quantiser = new Quantiser(rows, cols, rows);
  quantiser.source.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  quantiser.run('F32', 0, rows);
  return {
    integers: new Int8Array(quantiser.integers.slice().buffer),
    scales: new Float32Array(quantiser.scales.slice().buffer),
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
  readonly #kernels: Kernels;
  readonly #rows: number;
  readonly #cols: number;
  readonly #values: number;
  readonly #bytes: number;

  constructor(rows: number, cols: number, chunkRows: number) {
    if (!kernels) {
      kernels = instantiate<Kernels>('quantise');
      base = kernels.memory.buffer.byteLength;
    }
    this.#kernels = kernels;
    this.#rows = rows;
    this.#cols = cols;
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
    const { memory, widen, quantise, turn } = this.#kernels;
    const weights = count * this.#cols;
    if (dtype === 'BF16') widen(base, this.#values, weights);
    if (dtype === 'F16')
      new Float32Array(memory.buffer, this.#values).set(toFloat32(this.source.subarray(0, weights * 2), dtype));
    const from = dtype === 'F32' ? base : this.#values;
    quantise(from, count, this.#cols, this.#bytes, this.scales.byteOffset + row * 4);
    turn(this.#bytes, count, this.#cols, this.integers.byteOffset + row, this.#rows);
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
