// Writing so that a file or folder is either the old one or the new one, whatever happens in between.
import { rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SurgeryError, systemMessage } from '../errors.ts';

/** What is being written at the moment, under a temporary name; removed if the program is interrupted. */
const unfinished = new Set<string>();

/** Removes everything unfinished, at once: for the handler of a signal, after which nothing else runs. */
export function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
  unfinished.clear();
}

/**
 * Writes a file under a temporary name beside it, flushes it to the disk, and renames it.
 * @throws SurgeryError `output` naming the file if the system refuses; what was there before is then untouched.
 */
export async function writeFileSafely(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  await commit(temporary, path, async () => {
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
 * Fills a new folder under a temporary name beside it and renames it when `fill` is done. An existing `folder` is
 * replaced as a whole at that moment.
 * @throws SurgeryError `output` naming the folder if the system refuses; nothing is left behind.
 */
export async function writeFolderSafely(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(folder);
  await commit(temporary, folder, async () => {
    await mkdir(dirname(temporary), { recursive: true });
    await mkdir(temporary);
    await fill(temporary);
    await syncFolder(temporary);
  });
}

/** All of `bytes`, at the end of what was written so far. A single write may take less than it was given. */
export async function append(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, 1 << 26));
    done += bytesWritten;
  }
}

async function commit(temporary: string, path: string, make: () => Promise<void>): Promise<void> {
  unfinished.add(temporary);
  try {
    await make();
    await replace(temporary, path);
    await syncFolder(dirname(resolve(path)));
  } catch (cause) {
    // What stopped the writing may stop this too; the first cause is the one to tell.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (!isSystemError(cause)) throw cause;
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  } finally {
    unfinished.delete(temporary);
  }
}

/** Whether the system refused, and not a bug or a mistake that was told already. */
function isSystemError(cause: unknown): boolean {
  return cause instanceof Error && 'syscall' in cause;
}

/** rename(2) replaces a file but not a folder that holds something: the old folder steps aside first. */
async function replace(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw cause;
    const old = `${temporaryName(path)}.old`;
    await rename(path, old);
    try {
      await rename(temporary, path);
    } catch (error) {
      await rename(old, path);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function temporaryName(path: string): string {
  const target = resolve(path);
  return join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
}
