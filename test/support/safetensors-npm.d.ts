// The npm package `safetensors` has no types of its own.
declare module 'safetensors' {
  export class SafeTensor {
    constructor(bytes: Uint8Array);
    readonly metadata: Map<string, { dtype: string; shape: number[]; data_offsets: number[] }>;
    getTensor(name: string): Uint8Array;
  }
}
