// Element types of safetensors files, and their conversion to and from float32.
import { SurgeryError } from '../platform/errors.ts';

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

/** Name of a dtype in config.json's `torch_dtype`. */
export const torchDtype: Readonly<Record<WeightDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** float32 values of little-endian bytes. The result owns its memory. */
export function toFloat32(bytes: Uint8Array, dtype: WeightDtype): Float32Array {
  if (dtype === 'F32') return new Float32Array(aligned(bytes, 4));
  const source = new Uint16Array(aligned(bytes, 2));
  const out = new Float32Array(source.length);
  if (dtype === 'BF16') {
    const bits = new Int32Array(out.buffer);
    const pairs = new Int32Array(source.buffer, 0, source.length >> 1);
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[i] as number;
      bits[2 * i] = pair << 16;
      bits[2 * i + 1] = pair & 0xffff0000;
    }
    if (source.length % 2 === 1) bits[source.length - 1] = (source[source.length - 1] as number) << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < source.length; i++) out[i] = table[source[i] as number] as number;
  }
  return out;
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

/** The bytes as an ArrayBuffer that starts where they do: a view on the file's buffer may start anywhere. */
function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const length = bytes.byteLength - (bytes.byteLength % size);
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(bytes.subarray(0, length));
  return copy;
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

let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
  return halves;
}
