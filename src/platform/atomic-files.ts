// Writing so that a file or folder is either the old one or the new one, whatever happens in between.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SurgeryError, systemMessage } from './errors.ts';
import { atEnd } from './shutdown.ts';
import { replacedSuffix, sweepLeftovers, temporaryName } from './temp-files.ts';

/** Name of the lock file: it says which process holds the folder. */
export const lockName = '.lock';

/** What is being written at the moment, under a temporary name; removed if the program ends before it is done. */
const unfinished = new Set<string>();

/** Scratch files to remove when the program ends. */
const useless = new Set<string>();

/** Empty folders that reserve a name for results. */
const reserved = new Set<string>();

atEnd(removeUnfinished);

/** Folders already cleared of temporary files from killed processes. */
const swept = new Set<string>();

/** Has a file removed when the program ends, unless the returned function is called before. */
export function removeAtExit(path: string): () => void {
  useless.add(resolve(path));
  return () => useless.delete(resolve(path));
}

/** Removes everything unfinished, at once: for the end of the program, after which nothing else runs. */
export function removeUnfinished(): void {
  // Temporary names stay in the list: what was under way may come after this, and before the last call.
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
  // Other names may be another process's by then.
  for (const path of useless) rmSync(path, { recursive: true, force: true });
  useless.clear();
  for (const path of [...reserved].sort((a, b) => b.length - a.length)) returnReserved(path); // inner ones first
}

/**
 * Makes an empty folder, so that no other run takes the name. {@link writeFolderSafely} fills it; if the program ends
 * before, it is removed, with the folders that had to be made above it.
 * @returns whether the name was free
 * @throws SurgeryError `output` if the system refuses
 */
export async function reserveFolder(path: string): Promise<boolean> {
  const folder = resolve(path);
  try {
    // In one go, so that no signal finds it made and not yet known.
    const above = makeFolders(dirname(folder));
    for (let made = dirname(folder); above !== undefined && made.length >= above.length; made = dirname(made))
      reserved.add(made);
    mkdirSync(folder);
    reserved.add(folder);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST' && (await isFolder(folder))) return false;
    returnReserved(dirname(folder));
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

/** Removes a folder that was reserved and stayed empty, with those that had to be made above it. */
export function returnReserved(path: string): void {
  for (let made = resolve(path); reserved.has(made) && removeIfEmpty(made); made = dirname(made)) reserved.delete(made);
}

/**
 * Makes a folder and those above it, where they are missing. Not by `mkdir` with `recursive`, which before Node 26 runs for
 * ever in a folder that takes none, such as /proc.
 * @returns the outermost that had to be made
 * @throws what the system says
 */
export function makeFolders(path: string): string | undefined {
  const folder = resolve(path);
  const above = existsSync(dirname(folder)) ? undefined : makeFolders(dirname(folder));
  try {
    mkdirSync(folder);
    return above ?? folder;
  } catch (cause) {
    if (existsSync(folder) && statSync(folder).isDirectory()) return above; // there before, or made by another process
    throw cause;
  }
}

/**
 * Writes a file under a temporary name in the same folder, flushes it to the disk, and renames it.
 * @throws SurgeryError `output` naming the file if the system refuses; what was there before is then untouched.
 */
export async function writeFileSafely(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  await commit(path, async (temporary) => {
    const handle = await open(temporary, 'wx');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

/**
 * Fills a new folder under a temporary name next to it, and renames it when `fill` is done. An empty folder of that
 * name is taken over, also one that holds this process's lock; one that holds more is replaced as a whole, at that
 * moment, if `replace` says so. A lock stays.
 * @throws SurgeryError `output` naming the folder if the system refuses or it is taken; nothing is left behind.
 */
export async function writeFolderSafely(
  folder: string,
  fill: (temporary: string) => Promise<void>,
  replace = false,
): Promise<void> {
  const fillAndFlush = async (temporary: string) => {
    // Not the folders above it: those may have just been removed by the end of the program.
    await mkdir(temporary);
    await fill(temporary);
    await syncFolder(temporary);
  };
  await commit(folder, fillAndFlush, replace);
}

/** A copy that is on the disk when this returns. */
export async function copySafely(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  await writeFileSafely(to, (handle) => handle.writeFile(bytes));
}

/** All of `bytes`, at the end of what was written so far. A single write may take less than it was given. */
export async function append(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, 1 << 26));
    done += bytesWritten;
  }
}

async function commit(path: string, make: (temporary: string) => Promise<void>, replace = false): Promise<void> {
  const target = resolve(path);
  const temporary = temporaryName(target);
  unfinished.add(temporary);
  try {
    await sweepOnce(dirname(target));
    await make(temporary);
    const old = put(temporary, target, replace);
    await syncFolder(dirname(target));
    if (old) await removeReplaced(old); // not before its successor is on the disk under its name
    for (let made = target; reserved.delete(made); made = dirname(made)) await syncFolder(dirname(made));
  } catch (cause) {
    // What stopped the writing may stop this too: the first cause is reported.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    returnReserved(target);
    throw asOutputError(cause, path, temporary);
  } finally {
    unfinished.delete(temporary);
  }
}

async function sweepOnce(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  await sweepLeftovers(folder);
}

/** A system error as a SurgeryError. Messages name the real path instead of a temporary one. */
export function asOutputError(cause: unknown, path: string, temporary = path): unknown {
  if (cause instanceof SurgeryError)
    return new SurgeryError(cause.code, cause.message.replaceAll(temporary, path), cause.cause);
  if (!(cause instanceof Error && 'syscall' in cause)) return cause; // anything else is a bug
  return new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
}

/**
 * rename(2) replaces a file and an empty folder, but not a folder that holds something: the old one steps aside first.
 * A process that is killed between the two renames leaves that to {@link sweepLeftovers}.
 * @returns where the old folder is now
 */
function put(temporary: string, path: string, replace: boolean): string | undefined {
  try {
    renameSync(temporary, path);
    return undefined;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw cause;
    if (!replace && readdirSync(path).some((name) => name !== lockName))
      throw new SurgeryError('output', `${path} was made by somebody else meanwhile: name another folder`, cause);
    // The lock goes with the name, not with the old folder.
    if (existsSync(join(path, lockName))) copyFileSync(join(path, lockName), join(temporary, lockName));
    const old = `${temporary}${replacedSuffix}`;
    renameSync(path, old);
    try {
      renameSync(temporary, path); // nothing runs between the two renames, not even the handler of a signal
    } catch (error) {
      renameSync(old, path);
      throw error;
    }
    unfinished.add(old);
    return old;
  }
}

/** The new folder stands: if the old one resists, it is the next sweep's. */
async function removeReplaced(old: string): Promise<void> {
  await rm(old, { recursive: true, force: true }).catch(() => {});
  unfinished.delete(old);
}

/** Whether it is gone now. */
function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    // It holds something, or was gone before.
  }
  return !existsSync(folder);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Flushes a folder's own entries to the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
