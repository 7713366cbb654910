// The safetensors header: bytes → tensor table, validated as the Rust crate does. Knows no file system.
import { SurgeryError, shown } from '../platform/errors.ts';
import { decimalNumber, duplicateKey, isObject } from '../platform/strict-json.ts';
import { bitsPerElement } from './dtypes.ts';

/** A tensor's table entry. Its bytes are `begin` (included) to `end` (excluded), counted from the start of the file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** Sorted by where their bytes begin. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own bound on the header's length, in bytes. */
export const maxHeaderBytes = 100_000_000;

const lengthBytes = 8;

/**
 * Length of the header in bytes, from the file's first eight.
 * @throws SurgeryError `checkpoint` if it is 0, above {@link maxHeaderBytes}, or does not fit the file.
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.byteLength < lengthBytes) {
    throw broken(file, `is ${fileBytes} bytes long, too short for the 8 bytes that give the header's length`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw broken(file, `gives a header length of ${length} bytes, the format allows ${maxHeaderBytes}`);
  }
  if (BigInt(lengthBytes) + length > BigInt(fileBytes)) {
    throw broken(file, `gives a header length of ${length} bytes but is only ${fileBytes} bytes long: it is truncated`);
  }
  if (length < 2n) throw broken(file, `gives a header length of ${length} bytes: not a safetensors file`);
  return Number(length);
}

/**
 * The table of tensors in a header's JSON bytes.
 * @param json the header alone, without the eight bytes before it
 * @throws SurgeryError `checkpoint`, naming the tensor: not JSON, duplicate names, unknown dtypes, offsets that
 * overlap, leave gaps or miss the file's end, sizes that are not shape × dtype.
 */
export function parseHeader(json: Uint8Array, fileBytes: number, file: string): Header {
  const { entries, metadata } = readTable(json, file);
  const start = lengthBytes + json.byteLength;
  const tensors = entries.map(([name, value]) => readEntry(name, value, start, file));
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = start;
  for (const tensor of tensors) {
    if (tensor.begin !== at) {
      const what = tensor.begin < at ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw broken(
        file,
        `tensor ${tensor.name} starts at byte ${tensor.begin - start}, expected ${at - start}: it ${what}`,
      );
    }
    at = tensor.end;
  }
  if (at > fileBytes) {
    throw broken(file, `is truncated: its tensors end at byte ${at}, the file at ${fileBytes}`);
  }
  if (at < fileBytes) throw broken(file, `has ${fileBytes - at} bytes after its last tensor that no tensor names`);
  return { tensors, metadata };
}

/**
 * Header bytes, with the length before them, for tensors laid out one after the other in the given order.
 * Padded with spaces to a multiple of 8, so that the data that follows is aligned.
 */
export function buildHeader(
  tensors: readonly { name: string; dtype: string; shape: readonly number[]; bytes: number }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let at = 0;
  const table: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  for (const { name, dtype, shape, bytes } of tensors) {
    table.push([name, { dtype, shape, data_offsets: [at, at + bytes] }]);
    at += bytes;
  }
  // Object.fromEntries would lose the order of names that look like numbers; only the offsets carry meaning.
  const json = Buffer.from(JSON.stringify(Object.fromEntries(table)));
  const padded = Math.ceil(json.length / 8) * 8;
  const out = Buffer.alloc(lengthBytes + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded));
  json.copy(out, lengthBytes);
  return out;
}

function readTable(json: Uint8Array, file: string) {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw broken(file, 'has a header that is not UTF-8 JSON: not a safetensors file, or a damaged one', cause);
  }
  if (!isObject(parsed)) throw broken(file, 'has a header that is not a JSON object');
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) throw broken(file, `names ${JSON.stringify(duplicate)} twice in its header`);
  const number = decimalNumber(text);
  if (number !== undefined)
    throw broken(file, `writes a whole number as ${number} in its header, which other readers refuse`);
  const { __metadata__, ...rest } = parsed;
  const metadata = __metadata__ ?? {};
  const split = [...Object.keys(rest), ...Object.entries(metadata).flat()].find((one) => /\p{Cs}/u.test(String(one)));
  if (split !== undefined) throw broken(file, `has half a character in ${shown(split)} in its header`);
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw broken(file, 'has a __metadata__ that is not an object of strings');
  }
  return { entries: Object.entries(rest), metadata: metadata as Record<string, string> };
}

function readEntry(name: string, value: unknown, start: number, file: string): TensorEntry {
  if (!isObject(value)) throw broken(file, `tensor ${name} is described by ${shown(value)}, not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === 'string' && Object.hasOwn(bitsPerElement, dtype) ? bitsPerElement[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined) {
    throw broken(file, `tensor ${name} has dtype ${shown(dtype)}, allowed: ${Object.keys(bitsPerElement)}`);
  }
  if (!isCounts(shape)) {
    throw broken(file, `tensor ${name} has shape ${shown(shape)}, expected a list of whole numbers`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw broken(file, `tensor ${name} has data_offsets ${shown(offsets)}, expected [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  const factors = [...shape, bits].map(BigInt);
  const total = factors.reduce((product, n) => product * n, 1n);
  if (begin > end || BigInt(end - begin) * 8n !== total) {
    const bytes = total % 8n === 0n ? total / 8n : Number(total) / 8;
    throw broken(
      file,
      `tensor ${name} has data_offsets [${begin}, ${end}], but ${dtype} [${shape}] takes ${bytes} bytes`,
    );
  }
  // A size of 0 may hide what the Rust crate, which multiplies from the left in 64 bits, refuses.
  factors.reduce((product, n) => {
    if (product * n < 1n << 64n) return product * n;
    throw broken(file, `tensor ${name} has shape [${shape}]: its sizes are too large`);
  }, 1n);
  return { name, dtype, shape, begin: start + begin, end: start + end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0));
}

function broken(file: string, what: string, cause?: unknown): SurgeryError {
  return new SurgeryError('checkpoint', `${file} ${what}`, cause);
}
