// The compiled AssemblyScript kernels. `npm run build` puts them into dist/wasm; sources that run as they are use them too.
import { readFileSync } from 'node:fs';
import { getOrMake } from './indexing.ts';

// Neither es2023 nor @types/node 20 declares WebAssembly; this is what is used of it.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** A kernel's linear memory. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const modules = new Map<string, object>();

/** The exports of a new instance of a kernel, with a memory of its own; compiled once. */
export function instantiate<Exports>(name: string): Exports {
  const url = new URL(`../../dist/wasm/${name}.wasm`, import.meta.url);
  const module = getOrMake(modules, name, () => new WebAssembly.Module(readFileSync(url)));
  return new WebAssembly.Instance(module).exports as Exports;
}
