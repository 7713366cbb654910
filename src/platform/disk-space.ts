// Checks that a disk has room before a large write.
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SurgeryError } from './errors.ts';

/**
 * Refuses a write that would not fit the disk. It cannot promise success: other processes write to the disk too.
 * @param path where the bytes will go; it need not be there yet
 * @param what they are, and `remedy` what the user can do, both for the message
 * @throws SurgeryError `output` if the file system has less free space than that
 */
export async function requireSpace(path: string, bytes: number, what: string, remedy: string): Promise<void> {
  const free = await freeBytes(resolve(path));
  if (free === undefined || bytes <= free) return;
  throw new SurgeryError('output', `${what} takes ${size(bytes)}, ${path} has ${size(free)} free: ${remedy}`);
}

/**
 * Free bytes at a path that exists or will be made. Undefined where the file system does not report it, as some network
 * ones.
 */
export async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(path);
    return blocks > 0 ? bsize * bavail : undefined;
  } catch (cause) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
    return isMissing && path !== dirname(path) ? freeBytes(dirname(path)) : undefined;
  }
}

function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}
