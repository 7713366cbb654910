// Element types of safetensors files, and their conversion to and from float32.
import { SurgeryError } from '../platform/errors.ts';
import { instantiate, type WasmMemory } from '../platform/wasm.ts';

/** Bits per element of every dtype that the format defines. */
export const bitsPerElement: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
};

export const weightDtypes = ['F32', 'F16', 'BF16'] as const;

/** The dtypes that this program computes with and writes. */
export type WeightDtype = (typeof weightDtypes)[number];

export function isWeightDtype(dtype: string): dtype is WeightDtype {
  return (weightDtypes as readonly string[]).includes(dtype);
}

export const bytesPerElement = (dtype: WeightDtype) => (dtype === 'F32' ? 4 : 2);

/** Name of a dtype in config.json's `torch_dtype`. */
export const torchDtype: Readonly<Record<WeightDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** float32 values of little-endian bytes. The result owns its memory. */
export function toFloat32(bytes: Uint8Array, dtype: WeightDtype): Float32Array {
  const out = new Float32Array(Math.floor(bytes.length / bytesPerElement(dtype)));
  widenInto(out, dtype, (part, at) => part.set(bytes.subarray(at, at + part.length)));
  return out;
}

interface Kernels {
  readonly memory: WasmMemory;
  brainFloats(source: number, target: number, count: number): void;
  halfs(source: number, target: number, count: number): void;
}

/** Elements widened at a time: few enough for the cache near the core. A multiple of 8, which the kernels require. */
const chunk = 1 << 16;

let made: { readonly kernels: Kernels; readonly source: Uint8Array; readonly target: Float32Array } | undefined;

/**
 * Fills `out` with the float32 values of little-endian elements, which it reads in order.
 * @param read fills the bytes that it is given with those from `at` on
 */
export function widenInto(out: Float32Array, dtype: WeightDtype, read: (bytes: Uint8Array, at: number) => void): void {
  if (dtype === 'F32') {
    read(new Uint8Array(out.buffer, out.byteOffset, out.byteLength), 0);
    return;
  }
  const { kernels, source, target } = workspace();
  const widen = dtype === 'BF16' ? kernels.brainFloats : kernels.halfs;
  for (let done = 0; done < out.length; done += chunk) {
    const count = Math.min(chunk, out.length - done);
    read(source.subarray(0, 2 * count), 2 * done);
    widen(source.byteOffset, target.byteOffset, count);
    out.set(target.subarray(0, count), done);
  }
}

function workspace() {
  if (made) return made;
  const kernels = instantiate<Kernels>('widen');
  const { memory } = kernels;
  const begin = memory.buffer.byteLength;
  memory.grow((6 * chunk) / 65536);
  const [source, target] = [
    new Uint8Array(memory.buffer, begin, 2 * chunk),
    new Float32Array(memory.buffer, begin + 2 * chunk, chunk),
  ];
  made = { kernels, source, target };
  return made;
}

/**
 * Little-endian bytes of float32 values, rounded to the nearest representable value, ties to even.
 * @throws SurgeryError `numeric` where a finite value has no finite F16 or BF16.
 */
export function fromFloat32(values: Float32Array, dtype: WeightDtype, name: string): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  const round = dtype === 'BF16' ? roundToBrainFloat : roundToHalf;
  const infinity = dtype === 'BF16' ? 0x7f80 : 0x7c00;
  for (let i = 0; i < bits.length; i++) {
    const half = round(bits[i] as number);
    if ((half & 0x7fff) === infinity && Number.isFinite(values[i])) {
      throw tooLarge(values[i], dtype, name);
    }
    out[i] = half;
  }
  return new Uint8Array(out.buffer);
}

/**
 * The values that a reader of a file of this dtype will see, in place.
 * @throws SurgeryError `numeric` as {@link fromFloat32}
 */
export function roundTo(dtype: WeightDtype, values: Float32Array, name: string): Float32Array {
  if (dtype === 'F16') return toFloat32(fromFloat32(values, dtype, name), dtype);
  if (dtype === 'BF16') {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i++) {
      const half = roundToBrainFloat(bits[i] as number);
      if ((half & 0x7fff) === 0x7f80 && Number.isFinite(values[i])) throw tooLarge(values[i], dtype, name);
      bits[i] = half << 16;
    }
  }
  return values;
}

function tooLarge(value: number | undefined, dtype: WeightDtype, name: string): SurgeryError {
  return new SurgeryError('numeric', `${name} holds ${value}, too large for ${dtype}: write with --dtype F32`);
}

function roundToBrainFloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // NaN stays NaN when its low bits go
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function roundToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and above
  if (magnitude >= 0x38800000) {
    // A normal half: the exponent bias goes from 127 to 15, then 13 bits of the significand are rounded away.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const halfway = 1 << (shift - 1);
  const down = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  return sign | (down + (rest > halfway || (rest === halfway && (down & 1) === 1) ? 1 : 0));
}
