// The compiled kernels of assembly/eigen.ts and the memory they work in.
import { instantiate, type WasmMemory } from '../../platform/wasm.ts';

/** What eigen.wasm exports, by the file of assembly/ that holds and describes it. */
type PanelKernel = 'panelQr' | 'panelV' | 'triangularFactors' | 'interleave';
type ChaseKernel = 'chaseBulges' | 'packBlocks' | 'addIdentity' | 'splitSquares' | 'joinSquares' | 'putRows';
type Kernel = PanelKernel | ChaseKernel | 'secularRoots' | 'secularVectors' | 'smallTridiagonal';
type Exports = { readonly memory: WasmMemory } & Readonly<Record<Kernel, (...parameters: number[]) => number>>;

/** Bytes in a page of WebAssembly's memory. */
const page = 65536;

/** Workspaces up to this many bytes are reused: a new one for each of many small problems would burden the garbage collector. */
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
  readonly bytes: number;
  private readonly exports: Exports;
  private readonly start: number;
  private next: number;

  /** Room for `bytes` in arrays. */
  constructor(bytes: number) {
    this.exports = instantiate<Exports>('eigen');
    this.bytes = bytes;
    this.start = this.exports.memory.buffer.byteLength;
    this.next = this.start;
    this.exports.memory.grow(Math.ceil(bytes / page) + 1); // the last for what alignment takes
  }

  /** Itself as it was made, for `bytes`. */
  cleared(bytes: number): this {
    new Uint8Array(this.exports.memory.buffer, this.start, bytes + page).fill(0);
    this.next = this.start;
    return this;
  }

  /** Calls a kernel. An array of the workspace stands for its address. */
  call(name: Kernel, ...parameters: readonly (number | Float64Array | Int32Array)[]): number {
    const kernel = this.exports[name];
    // WebAssembly would take a missing parameter for 0.
    if (parameters.length !== kernel.length) throw new RangeError(`${name} takes ${kernel.length} parameters`);
    return kernel(...parameters.map((one) => (typeof one === 'number' ? one : one.byteOffset)));
  }

  floats(length: number): Float64Array {
    return new Float64Array(this.exports.memory.buffer, this.take(8 * length), length);
  }

  integers(length: number): Int32Array {
    return new Int32Array(this.exports.memory.buffer, this.take(4 * length), length);
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
