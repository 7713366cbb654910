// Matrices of a checkpoint → 8-bit blocks in a file. These functions run in worker threads.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { toFloat32, type WeightDtype } from '../checkpoint/dtypes.ts';
import { blockSizeFor } from '../graph/llama.ts';

// Neither es2023 nor @types/node 20 declares WebAssembly; this is what is used of it.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  widen(source: number, target: number, count: number): void;
  quantise(values: number, rows: number, cols: number, block: number, bytes: number, scales: number): void;
}

/** A part of a file. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** A matrix in a file, and where its blocks go. */
export interface QuantiseJob {
  readonly path: string;
  readonly offset: number;
  readonly dtype: WeightDtype;
  readonly rows: number;
  readonly cols: number;
  /** File that is written to. Threads of one process share descriptors. */
  readonly target: number;
  readonly blocks: Region;
  readonly scales: Region;
}

/** Weights that are worked on at once: few enough for the cache near the core. */
const chunkWeights = 1 << 18;

/**
 * Writes a matrix in 8 bits: blocks along the input dimension, symmetric, `w ≈ (byte − 128) × scale` with scale =
 * the block's largest magnitude / 127, as MatMulNBits reads them; a row's last block is padded with zeros.
 * @returns SHA-256 of the blocks and of the scales
 */
export function quantiseMatrix({ path, offset, dtype, rows, cols, target, blocks, scales }: QuantiseJob): string[] {
  const blockSize = blockSizeFor(cols);
  const perRow = Math.ceil(cols / blockSize);
  const rowBytes = cols * (dtype === 'F32' ? 4 : 2);
  const chunkRows = Math.max(1, Math.floor(chunkWeights / cols));
  const quantiser = new Quantiser(Math.min(chunkRows, rows), cols);
  const hashes = [createHash('sha256'), createHash('sha256')] as const;
  const source = openSync(path, 'r');
  try {
    for (let row = 0; row < rows; row += chunkRows) {
      const count = Math.min(chunkRows, rows - row);
      readFully(source, quantiser.source.subarray(0, count * rowBytes), offset + row * rowBytes, path);
      const { bytes, steps } = quantiser.run(dtype, count);
      write(target, bytes, blocks.offset + row * perRow * blockSize, hashes[0]);
      write(target, steps, scales.offset + row * perRow * 4, hashes[1]);
    }
  } finally {
    closeSync(source);
  }
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

/** float32 rows → blocks and scales in memory, as {@link quantiseMatrix} writes them. */
export function quantise(
  values: Float32Array,
  rows: number,
  cols: number,
): { bytes: Uint8Array; scales: Float32Array } {
  const quantiser = new Quantiser(rows, cols);
  quantiser.source.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const { bytes, steps } = quantiser.run('F32', rows);
  return { bytes: bytes.slice(), scales: new Float32Array(steps.slice().buffer) };
}

let compiled: object | undefined;

/** The kernels and the memory they work in, with room for some rows. */
class Quantiser {
  /** The rows as they lie in the file go here. */
  readonly source: Uint8Array;
  readonly #kernels: Kernels;
  readonly #cols: number;
  readonly #blockSize: number;
  readonly #at: { readonly values: number; readonly bytes: number; readonly scales: number };

  constructor(rows: number, cols: number) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernels/quantise.wasm', import.meta.url)));
    this.#kernels = new WebAssembly.Instance(compiled).exports as Kernels;
    this.#cols = cols;
    this.#blockSize = blockSizeFor(cols);
    const { memory } = this.#kernels;
    const weights = Math.ceil((rows * cols) / 64) * 64;
    const blocks = rows * Math.ceil(cols / this.#blockSize);
    const source = memory.buffer.byteLength;
    const values = source + weights * 4;
    const bytes = values + weights * 4;
    const scales = bytes + blocks * this.#blockSize;
    memory.grow(Math.ceil((scales + blocks * 4 - source) / 65536));
    this.#at = { values, bytes, scales };
    this.source = new Uint8Array(memory.buffer, source, weights * 4);
  }

  /** Blocks and scales of the first `rows` rows of the source; valid until the next call. */
  run(dtype: WeightDtype, rows: number): { bytes: Uint8Array; steps: Uint8Array } {
    const { memory, widen, quantise } = this.#kernels;
    const { values, bytes, scales } = this.#at;
    const count = rows * this.#cols;
    if (dtype === 'BF16') widen(this.source.byteOffset, values, count);
    if (dtype === 'F16')
      new Float32Array(memory.buffer, values).set(toFloat32(this.source.subarray(0, count * 2), dtype));
    quantise(dtype === 'F32' ? this.source.byteOffset : values, rows, this.#cols, this.#blockSize, bytes, scales);
    const blocks = rows * Math.ceil(this.#cols / this.#blockSize);
    return {
      bytes: new Uint8Array(memory.buffer, bytes, blocks * this.#blockSize),
      steps: new Uint8Array(memory.buffer, scales, blocks * 4),
    };
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
