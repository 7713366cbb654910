// Matrices → 8-bit integers, in a file or in memory. These functions run in worker threads.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { bytesPerElement, widenInto } from '../../checkpoint/dtypes.ts';
import type { ExternalData } from '../../graph/builder.ts';
import { hadamardBlock } from '../../graph/hadamard.ts';
import type { Int8Weight } from '../../graph/linear.ts';
import { instantiate, type WasmMemory } from '../../platform/wasm.ts';
import { type TensorRange, withFile } from '../walk/read.ts';

interface Kernels {
  readonly memory: WasmMemory;
  rotate(values: number, count: number, size: number): void;
  quantise(values: number, rows: number, cols: number, bytes: number, scales: number): void;
  turn(bytes: number, rows: number, cols: number, target: number, stride: number): void;
}

/** A part of a file. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** A matrix, (rows, cols). */
interface Size {
  readonly rows: number;
  readonly cols: number;
}

/** A matrix in a file of a checkpoint. */
export interface MatrixRange extends TensorRange, Size {}

/** A matrix in memory, float32. */
export interface MatrixValues extends Size {
  readonly values: Float32Array;
}

/** A matrix in a file, and where its integers go. */
export interface QuantiseJob extends MatrixRange {
  /** File that is written to. Threads of one process share descriptors. */
  readonly target: number;
  readonly to: Pick<Int8Weight<ExternalData>, 'integers' | 'scales' | 'outliers'>;
  /** Columns that are multiplied in float32. */
  readonly places: readonly number[];
}

/**
 * A matrix in 8 bits: integers, columns first as integer products want them, and a scale for each row: of a row when it is
 * rotated `w ≈ integer × scale`, with scale = the row's largest magnitude / 127.
 */
export interface Integers {
  /** (cols, rows), from −127 to 127, or as many about 128. */
  readonly integers: Int8Array | Uint8Array;
  /** (rows) */
  readonly scales: Float32Array;
}

/**
 * Writes a matrix in 8 bits, and the columns of its outliers as float32.
 * @returns SHA-256 of the integers, the scales, the outliers' places, the other places and the outliers' columns
 */
export function quantiseMatrix({ target, to, places, ...range }: QuantiseJob): string[] {
  const { rows, cols } = range;
  const columns = new Float32Array(places.length * rows);
  const quantiser = new Quantiser(range);
  quantiser.quantiseFile(range, (values, row) => takeColumns(columns, places, { values, rows, cols }, row));
  const { integers, scales, outliers } = to;
  const parts: readonly (readonly [ArrayBufferView, Region])[] = [
    [quantiser.integers, integers],
    [quantiser.scales, scales],
    [BigInt64Array.from(places, BigInt), outliers.places],
    [restOf(places, cols), outliers.rest],
    [columns, outliers.columns],
  ];
  return parts.map(([{ buffer, byteOffset, byteLength }, region]) => {
    const hash = createHash('sha256');
    write(target, new Uint8Array(buffer, byteOffset, byteLength), region.offset, hash);
    return hash.digest('hex');
  });
}

/**
 * Matrices in memory, in 8 bits.
 * @param unsigned whether the integers are about 128
 * @returns each with its values, which a call to another thread moves there and back
 */
export function quantise(
  matrices: readonly MatrixValues[],
  unsigned = false,
): (Integers & Pick<MatrixValues, 'values'>)[] {
  return matrices.map((matrix) => {
    const quantiser = new Quantiser(matrix);
    quantiser.quantiseValues(matrix.values);
    return { ...quantiser.result(unsigned), values: matrix.values };
  });
}

/** A matrix of a checkpoint, in 8 bits. @param unsigned as for {@link quantise} */
export function quantiseRange(range: MatrixRange, unsigned: boolean): Integers {
  const quantiser = new Quantiser(range);
  quantiser.quantiseFile(range);
  return quantiser.result(unsigned);
}

/** Columns of a matrix of a checkpoint as float32, (places, rows). */
export function readColumns(range: MatrixRange, places: readonly number[]): Float32Array {
  const { rows, cols } = range;
  const columns = new Float32Array(places.length * rows);
  const memory = new Float32Array(Math.min(rowsAtOnce(cols), rows) * cols);
  forRows(range, memory, (values, row) => takeColumns(columns, places, { values, rows, cols }, row));
  return columns;
}

/**
 * Copies columns of a matrix.
 * @param columns where they go, (places, rows)
 * @param matrix whose values may be those of some rows alone
 * @param first of these rows
 */
export function takeColumns(
  columns: Float32Array,
  places: readonly number[],
  { values, rows, cols }: MatrixValues,
  first = 0,
): void {
  for (const [i, place] of places.entries())
    for (let at = place, to = i * rows + first; at < values.length; at += cols) columns[to++] = values[at] as number;
}

/** 0 at outliers, 1 elsewhere, (size). */
export function restOf(places: readonly number[], size: number): Float32Array {
  const rest = new Float32Array(size).fill(1);
  for (const place of places) rest[place] = 0;
  return rest;
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

/** Weights that are worked on at once: few enough for the cache near the core. */
const chunkWeights = 1 << 18;

const rowsAtOnce = (cols: number) => Math.max(1, Math.floor(chunkWeights / cols));

/** Reads a matrix some rows at a time into memory that has room for {@link rowsAtOnce}. */
function forRows(range: MatrixRange, memory: Float32Array, use: (values: Float32Array, row: number) => void): void {
  const { rows, cols, dtype, begin } = range;
  const rowBytes = cols * bytesPerElement(dtype);
  const step = rowsAtOnce(cols);
  withFile(range, (read) => {
    for (let row = 0; row < rows; row += step) {
      const values = memory.subarray(0, Math.min(step, rows - row) * cols);
      widenInto(values, dtype, (bytes, at) => read(bytes, begin + row * rowBytes + at));
      use(values, row);
    }
  });
}

let kernels: Kernels | undefined;
/** Where the kernels' own memory ends. */
let base = 0;

/** The thread's kernels and the memory they work in, with room for a matrix and some rows of it: one at a time. */
class Quantiser {
  /** (cols, rows) */
  readonly integers: Uint8Array;
  /** (rows) float32 */
  readonly scales: Uint8Array;
  readonly #kernels: Kernels;
  readonly #rows: number;
  readonly #cols: number;
  /** Some rows. */
  readonly #values: Float32Array;
  /** Where their integers go first. */
  readonly #bytes: number;

  constructor({ rows, cols }: Size) {
    if (!kernels) {
      kernels = instantiate<Kernels>('quantise');
      base = kernels.memory.buffer.byteLength;
    }
    this.#kernels = kernels;
    this.#rows = rows;
    this.#cols = cols;
    const { memory } = kernels;
    const weights = Math.min(rowsAtOnce(cols), rows) * cols;
    this.#bytes = base + Math.ceil(weights / 16) * 64;
    const integers = this.#bytes + Math.ceil(weights / 64) * 64;
    const scales = Math.ceil((integers + rows * cols) / 64) * 64;
    const missing = scales + rows * 4 - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    this.#values = new Float32Array(memory.buffer, base, weights);
    this.integers = new Uint8Array(memory.buffer, integers, rows * cols);
    this.scales = new Uint8Array(memory.buffer, scales, rows * 4);
  }

  /** @param look sees some rows at a time, the matrix's from `row` on */
  quantiseFile(range: MatrixRange, look?: (values: Float32Array, row: number) => void): void {
    forRows(range, this.#values, (values, row) => {
      look?.(values, row);
      this.#run(row, values.length / this.#cols);
    });
  }

  quantiseValues(all: Float32Array): void {
    const size = this.#values.length;
    for (let at = 0; at < all.length; at += size) {
      const values = all.subarray(at, at + size);
      this.#values.set(values);
      this.#run(at / this.#cols, values.length / this.#cols);
    }
  }

  /** A copy, outside of the kernels' memory. */
  result(unsigned: boolean): Integers {
    const scales = new Float32Array(this.scales.slice().buffer);
    const bytes = this.integers.slice();
    if (!unsigned) return { integers: new Int8Array(bytes.buffer), scales };
    for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ 128;
    return { integers: bytes, scales };
  }

  /** Quantises the first `count` rows of the memory for some rows, which are the matrix's from `row` on. */
  #run(row: number, count: number): void {
    const { rotate, quantise, turn } = this.#kernels;
    const from = this.#values.byteOffset;
    rotate(from, count * this.#cols, hadamardBlock(this.#cols));
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
