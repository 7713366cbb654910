// One file of the Hub → blobs/<etag>: resumed where the last try ended, verified by its hash, and published atomically.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Response } from 'undici';
import { append, syncFolder } from '../platform/atomic-files.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { type HubClient, pauses } from './client.ts';
import { connectionMessage, type Subject } from './failures.ts';
import type { RemoteFile } from './listing.ts';

/** Suffix of a partial download. Python's names differ, so that neither writes to the other's files. */
export const partialOf = (blob: string): string => `${blob}.surgery.incomplete`;

/** A blob's source and destination. */
export interface Transfer {
  readonly client: HubClient;
  readonly address: string;
  readonly file: RemoteFile;
  readonly subject: Subject;
  /** Path of the blob. */
  readonly target: string;
  /** Called with the bytes of the file that are there. */
  readonly onBytes: (there: number) => void;
}

/**
 * Downloads a file. A partial download is resumed, and kept if this one fails too. It is deleted if the
 * bytes do not match the Hub's hash. One process at a time downloads a file.
 * @throws SurgeryError `network` for lost connections, wrong lengths and wrong hashes, `output` if the system refuses
 */
export async function downloadBlob(transfer: Transfer): Promise<void> {
  const partial = partialOf(transfer.target);
  try {
    const handle = await open(partial, 'a+');
    try {
      await fill(handle, transfer);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, transfer.target);
    await syncFolder(dirname(transfer.target));
  } catch (cause) {
    if (cause instanceof WrongBytes) await rm(partial, { force: true });
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    const kept = 'what was loaded is kept, and the same command continues it';
    throw new SurgeryError('output', `${partial} cannot be written: ${systemMessage(cause)}; ${kept}`, cause);
  }
}

/** The Hub's bytes are not those of the file it listed. */
class WrongBytes extends SurgeryError {
  constructor({ file, client }: Transfer, what: string) {
    const remedy = 'it was thrown away, try again or another HF_ENDPOINT';
    super('network', `${client.endpoint} gave ${file.path} with ${what}: ${remedy}`);
  }
}

/** Fills the file until it is whole and right. Bytes of an earlier process may be wrong: they get one fresh start. */
async function fill(handle: FileHandle, transfer: Transfer): Promise<void> {
  const { file } = transfer;
  const state: State = { handle, ...(await readBack(handle, file)), strongTag: undefined };
  const resumed = state.there > 0;
  await receiveAll(state, transfer);
  if (resumed && !isRight(state, file)) {
    await startOver(state, file);
    await receiveAll(state, transfer);
  }
  if (!isRight(state, file)) {
    const found = state.hash.copy().digest('hex');
    throw new WrongBytes(transfer, `another hash, ${found.slice(0, 12)}… instead of ${file.etag.slice(0, 12)}…`);
  }
}

interface State {
  readonly handle: FileHandle;
  /** Bytes in the file, and their hash. */
  there: number;
  hash: Hash;
  /** The tag of the bytes that came, if it names them byte for byte. */
  strongTag: string | undefined;
}

/** Git's name of a small file is the SHA-1 of a short header and the bytes; LFS has the plain SHA-256. */
function newHash({ etag, size }: RemoteFile): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

function isRight({ hash }: State, { etag }: RemoteFile): boolean {
  return hash.copy().digest('hex') === etag;
}

async function readBack(handle: FileHandle, file: RemoteFile): Promise<Pick<State, 'there' | 'hash'>> {
  const hash = newHash(file);
  const buffer = new Uint8Array(1 << 20);
  for (let there = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, there);
    if (bytesRead === 0) return { there, hash };
    hash.update(buffer.subarray(0, bytesRead));
    there += bytesRead;
  }
}

async function startOver(state: State, file: RemoteFile): Promise<void> {
  await state.handle.truncate(0);
  Object.assign(state, { there: 0, hash: newHash(file), strongTag: undefined });
}

/** Asks for the rest until all is there. A connection that brings something gives the next ones their tries back. */
async function receiveAll(state: State, transfer: Transfer): Promise<void> {
  const { client, file, onBytes } = transfer;
  onBytes(state.there);
  for (let failures = 0; state.there < file.size; ) {
    const before = state.there;
    const cut = await receive(state, transfer);
    if (cut === undefined && state.there === file.size) return;
    failures = state.there > before ? 0 : failures + 1;
    const pause = pauses[failures];
    if (pause === undefined) {
      const why = cut === undefined ? `it ends after ${state.there} of ${file.size} bytes` : connectionMessage(cut);
      throw new SurgeryError(
        'network',
        `${file.path} breaks off again and again (${why}): the same command continues where it stopped`,
      );
    }
    await client.wait(pause);
  }
}

/** One request for what is missing. Returns what cut it off, if something did. */
async function receive(state: State, transfer: Transfer): Promise<unknown> {
  const { client, address, subject, file, onBytes } = transfer;
  const range: Record<string, string> =
    state.there === 0
      ? {}
      : { range: `bytes=${state.there}-`, ...(state.strongTag ? { 'if-range': state.strongTag } : {}) };
  const answer = await client.get(address, subject, { 'accept-encoding': 'identity', ...range });
  const isWhole = answer.status === 200;
  if (!isWhole && !continues(answer, state.there)) {
    await answer.body?.cancel();
    return startOver(state, file);
  }
  await requireLength(answer, isWhole ? file.size : file.size - state.there, transfer);
  if (isWhole) await startOver(state, file);
  const tag = answer.headers.get('etag');
  state.strongTag = tag?.startsWith('"') ? tag : undefined;
  const chunks = chunksOf(answer);
  try {
    let next = await chunks.next();
    for (; !next.done; next = await chunks.next()) {
      const bytes = next.value;
      if (state.there + bytes.length > file.size) throw new WrongBytes(transfer, `more than its ${file.size} bytes`);
      await append(state.handle, bytes);
      state.hash.update(bytes);
      state.there += bytes.length;
      onBytes(state.there);
    }
    return next.value;
  } finally {
    await chunks.return(undefined);
  }
}

/** The bytes of an answer as they come; at the end what cut them off, if something did. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array, unknown> {
  try {
    for await (const bytes of body ?? []) yield bytes;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Whether an answer is exactly the range that was asked for. */
function continues({ status, headers }: Response, there: number): boolean {
  return status === 206 && (headers.get('content-range')?.startsWith(`bytes ${there}-`) ?? false);
}

/** Refuses an answer that says beforehand that it has another length. Nothing of it was taken, so nothing is thrown away. */
async function requireLength({ headers, body }: Response, wanted: number, transfer: Transfer): Promise<void> {
  const length = headers.get('content-length');
  if (length === null || Number(length) === wanted) return;
  await body?.cancel();
  const { client, file } = transfer;
  throw new SurgeryError(
    'network',
    `${client.endpoint} gives ${file.path} in ${length} bytes instead of ${wanted}: try again, or another HF_ENDPOINT`,
  );
}
