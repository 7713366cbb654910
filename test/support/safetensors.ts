// Safetensors files made by hand, right and wrong.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of a file with this header text and this many bytes of data. */
export function fileBytes(header: string | Uint8Array, data: number | Uint8Array = 0): Uint8Array {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** Header text and data of a well-formed file. */
export function split(bytes: Uint8Array): { header: Record<string, Record<string, unknown>>; data: Uint8Array } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = 8 + Number(buffer.readBigUInt64LE(0));
  return { header: JSON.parse(buffer.toString('utf8', 8, end)), data: buffer.subarray(end) };
}

/** Copies a checkpoint's files into a new folder, changing some on the way: text or bytes by name, null leaves it out. */
export function copyModel(
  from: string,
  to: string,
  change: Record<string, ((old: Buffer) => string | Uint8Array) | null> = {},
): string {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const edit = change[name];
    if (edit === null || name.startsWith('golden')) continue;
    if (edit) writeFileSync(join(to, name), edit(readFileSync(join(from, name))));
    else copyFileSync(join(from, name), join(to, name));
  }
  return to;
}

/** An edit for {@link copyModel} that merges keys into a JSON file. */
export function merge(keys: Record<string, unknown>): (old: Buffer) => string {
  return (old) => JSON.stringify({ ...JSON.parse(old.toString()), ...keys });
}
