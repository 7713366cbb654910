// The compiled kernels of assembly/eigen.ts and the memory they work in.
import { instantiate, type WasmMemory } from '../../platform/wasm.ts';

/** The exports of eigen.wasm; addresses are bytes into `memory`. Each is described where it is written. */
export interface Kernels {
  readonly memory: WasmMemory;
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

/** Bytes in a page of WebAssembly's memory. */
const page = 65536;

/** Room of the workspaces that are kept: a thousand small problems then need no thousand instances, which the collector minds. */
const keptBytes = 2 ** 24;
const spare: Workspace[] = [];

/** Runs work with room for `bytes` in arrays, zeros at first. They may not be used after it. */
export async function withWorkspace<T>(bytes: number, work: (workspace: Workspace) => Promise<T>): Promise<T> {
  const last = spare.pop();
  const workspace = last && last.bytes >= bytes ? last.cleared(bytes) : new Workspace(bytes);
  try {
    return await work(workspace);
  } finally {
    if (workspace.bytes <= keptBytes) spare.push(workspace);
  }
}

/**
 * An instance of the kernels, and arrays laid out in its memory one after another. Growing a WebAssembly memory
 * detaches every array in it, so all room is reserved at the start. The memory goes when the workspace does.
 */
export class Workspace {
  readonly kernels: Kernels;
  readonly bytes: number;
  private readonly start: number;
  private next: number;

  /** Room for `bytes` in arrays. */
  constructor(bytes: number) {
    this.kernels = instantiate<Kernels>('eigen');
    this.bytes = bytes;
    this.start = this.kernels.memory.buffer.byteLength;
    this.next = this.start;
    this.kernels.memory.grow(Math.ceil(bytes / page) + 1); // the last for what alignment takes
  }

  /** Itself as it was made, for `bytes`. */
  cleared(bytes: number): this {
    new Uint8Array(this.kernels.memory.buffer, this.start, bytes + page).fill(0);
    this.next = this.start;
    return this;
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
