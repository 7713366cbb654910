// The compiled kernels of kernels/eigen.ts and the memory they work in.
import { readFileSync } from 'node:fs';

// Neither es2023 nor @types/node 20 declares WebAssembly; this is what is used of it.
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** The exports of eigen.wasm; addresses are bytes into `memory`. Each is described where it is written. */
export interface Kernels {
  readonly memory: Memory;
  panelQr(panel: number, rows: number, columns: number, tau: number, diagonal: number): void;
  panelV(panel: number, rows: number, columns: number, v: number): void;
  triangularFactors(gram: number, tau: number, k: number, count: number, sign: number): void;
  interleave(v: number, w: number, rows: number, b: number, vw: number, wv: number): void;
  chaseBulges(
    band: number,
    n: number,
    b: number,
    from: number,
    to: number,
    vs: number,
    taus: number,
    work: number,
  ): number;
  packBlocks(
    vs: number,
    taus: number,
    first: number,
    steps: number,
    sweeps: number,
    b: number,
    sweep: number,
    step: number,
    count: number,
    v: number,
    vt: number,
    tau: number,
  ): void;
  addIdentity(matrices: number, n: number, count: number): void;
  splitSquares(b: number, count: number, squareB: number, squareC: number, sides: number): void;
  joinSquares(
    b: number,
    count: number,
    squareB: number,
    squareC: number,
    middle: number,
    u: number,
    rows: number,
  ): void;
  putRows(b: number, count: number, rows: number, u: number): void;
  secularRoots(
    d: number,
    z: number,
    k: number,
    rho: number,
    origins: number,
    shifts: number,
    values: number,
    work: number,
  ): number;
  secularVectors(
    d: number,
    z: number,
    k: number,
    origins: number,
    shifts: number,
    wanted: number,
    count: number,
    topIndex: number,
    tops: number,
    top: number,
    bottomIndex: number,
    bottoms: number,
    bottom: number,
    work: number,
  ): void;
  smallTridiagonal(d: number, e: number, n: number, q: number): number;
}

let compiled: object | undefined;

/**
 * An instance of the kernels, and arrays laid out in its memory one after another. Growing a WebAssembly memory
 * detaches every array in it, so all room is reserved at the start. The memory goes when the workspace does.
 */
export class Workspace {
  readonly kernels: Kernels;
  private next: number;

  /** Room for `bytes` in arrays. */
  constructor(bytes: number) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernels/eigen.wasm', import.meta.url)));
    this.kernels = new WebAssembly.Instance(compiled).exports as Kernels;
    this.next = this.kernels.memory.buffer.byteLength;
    this.kernels.memory.grow(Math.ceil(bytes / 65536) + 1);
  }

  floats(length: number): Float64Array {
    return new Float64Array(this.kernels.memory.buffer, this.take(8 * length), length);
  }

  integers(length: number): Int32Array {
    return new Int32Array(this.kernels.memory.buffer, this.take(4 * length), length);
  }

  /** Where the next array will lie: `release` of it gives back all that was taken since. */
  mark(): number {
    return this.next;
  }

  release(mark: number): void {
    this.next = mark;
  }

  private take(bytes: number): number {
    const start = Math.ceil(this.next / 64) * 64;
    this.next = start + bytes;
    return start;
  }
}
