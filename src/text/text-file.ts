// A file, or standard input → its text: unpacked, decoded, and refused by name where it holds something else.

import { constants } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { readStandardInput } from './standard-input.ts';

/** Formats in which texts and questions are read. */
export const textFormats = 'plain text, .json, .jsonl, .csv, .tsv or .parquet, as they are or as .gz';
export const taskFormats = '.json or .jsonl, as they are or as .gz';

/** A file's bytes, out of gzip. */
export interface Contents {
  /** What to call it in messages and results. */
  readonly name: string;
  /** The name's extension without .gz, in lower case: `.csv`; empty where it has none. */
  readonly extension: string;
  readonly bytes: Uint8Array;
  /** What it may be instead, for messages. */
  readonly allowed: string;
}

/** A format that is not read, recognised by a name's extension, a file's first bytes, or the beginning of its text. */
interface OtherFormat {
  readonly what: string;
  readonly extensions?: readonly string[];
  readonly bytes?: string;
  readonly text?: RegExp;
}

const otherFormats: readonly OtherFormat[] = [
  { what: 'an Arrow file', extensions: ['.arrow', '.feather'], bytes: 'ARROW1' },
  { what: 'a PDF', extensions: ['.pdf'], bytes: '%PDF-' },
  { what: 'an RTF document', extensions: ['.rtf'], text: /^\{\\rtf/ },
  {
    what: 'an office document',
    extensions: ['.doc', '.docx', '.odt', '.xls', '.xlsx', '.ods'],
    bytes: '\xd0\xcf\x11\xe0',
  },
  { what: 'an e-book', extensions: ['.epub', '.mobi'] },
  { what: 'a zip archive or an office document', extensions: ['.zip'], bytes: 'PK\x03\x04' },
  { what: 'a tar archive', extensions: ['.tar', '.tgz'] },
  { what: 'a 7z archive', extensions: ['.7z'], bytes: '7z\xbc\xaf' },
  { what: 'a rar archive', extensions: ['.rar'], bytes: 'Rar!\x1a' },
  { what: 'packed by zstd', extensions: ['.zst'], bytes: '\x28\xb5\x2f\xfd' },
  { what: 'packed by bzip2', extensions: ['.bz2'], bytes: 'BZh' },
  { what: 'packed by xz', extensions: ['.xz'], bytes: '\xfd7zXZ' },
  { what: 'packed by lz4', extensions: ['.lz4'], bytes: '\x04\x22\x4d\x18' },
  { what: 'packed by Brotli', extensions: ['.br'] },
  { what: 'a SQLite database', extensions: ['.db', '.sqlite', '.sqlite3'], bytes: 'SQLite format 3' },
  { what: 'HTML', extensions: ['.html', '.htm', '.xhtml'], text: /^\s*<(!doctype html|html)\b/i },
  { what: 'XML', extensions: ['.xml'], text: /^\s*<\?xml\s/ },
  { what: 'YAML', extensions: ['.yaml', '.yml'], text: /^%YAML / },
  { what: 'a Git LFS pointer, not the file itself', text: /^version https:\/\/git-lfs\.github\.com\/spec/ },
];

const unpack = promisify(gunzip);

/**
 * The bytes of a file, or of standard input where it is `-`. What is packed by gzip is unpacked, whatever its name.
 * @throws SurgeryError `text` for what cannot be read, and for a file of another kind than text
 */
export async function readContents(file: string, allowed: string): Promise<Contents> {
  const name = file === '-' ? 'standard input' : file;
  const { packed, extension } = extensionOf(file);
  refuse(name, allowed, ({ extensions }) => extensions?.includes(extension));
  const bytes = await read(file, name);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (packed && !isGzip) throw new SurgeryError('text', `${name} is not packed by gzip, which its name says`);
  const contents = { name, extension, bytes: isGzip ? await unpacked(bytes, name) : bytes, allowed };
  const start = Buffer.from(contents.bytes.subarray(0, 16)).toString('latin1');
  refuse(name, allowed, ({ bytes }) => bytes !== undefined && start.startsWith(bytes));
  return contents;
}

/** The text of standard input, without the line break that ends its last line. @throws SurgeryError `text` for no text */
export async function readPrompt(): Promise<string> {
  const text = decodeText(await readContents('-', 'plain text'));
  if (text.trim() === '') throw new SurgeryError('text', 'standard input is empty: pipe a prompt into it');
  return text.replace(/\r?\n$/, '');
}

/** A file's extension without .gz, in lower case, and whether .gz came after it. */
export function extensionOf(file: string): { packed: boolean; extension: string } {
  const lower = file.toLowerCase();
  const packed = lower.endsWith('.gz');
  return { packed, extension: extname(packed ? lower.slice(0, -'.gz'.length) : lower) };
}

/**
 * UTF-8, or UTF-16 behind its byte order mark, as text without the mark.
 * @throws SurgeryError `text` for anything else
 */
export function decodeText({ name, bytes, allowed }: Contents): string {
  if (bytes.length > constants.MAX_STRING_LENGTH)
    throw new SurgeryError('text', `${name} is ${bytes.length} bytes long, ${most}: cut it into parts`);
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SurgeryError(
      'text',
      `${name} is not ${encoding.toUpperCase()} text: convert it, or give ${allowed}`,
      cause,
    );
  }
  const nul = text.indexOf('\0');
  if (nul !== -1)
    throw new SurgeryError(
      'text',
      `${name} has a NUL as character ${nul + 1}: it is binary, or UTF-16 without a byte order mark; give ${allowed}`,
    );
  refuse(name, allowed, (kind) => kind.text?.test(text));
  return text;
}

const most = `at most ${constants.MAX_STRING_LENGTH} are read`;

function refuse(name: string, allowed: string, isOne: (kind: OtherFormat) => boolean | undefined): void {
  const kind = otherFormats.find(isOne);
  if (kind) throw new SurgeryError('text', `${name} is ${kind.what}: give its text as ${allowed}`);
}

async function read(file: string, name: string): Promise<Uint8Array> {
  try {
    return file === '-' ? await readStandardInput() : await readFile(file);
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    throw new SurgeryError('text', `${name} cannot be read: ${systemMessage(cause)}`, cause);
  }
}

async function unpacked(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  try {
    return await unpack(bytes, { maxOutputLength: constants.MAX_STRING_LENGTH });
  } catch (cause) {
    const isLarge = cause instanceof RangeError;
    const why = isLarge ? `it holds more bytes than fit, ${most}` : messageOf(cause);
    throw new SurgeryError('text', `${name} cannot be unpacked: ${why}`, cause);
  }
}
