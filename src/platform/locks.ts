// One process at a time in a folder.
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { lockName, removeAtExit, reserveFolder, returnReserved } from './atomic-files.ts';
import { SurgeryError, systemMessage } from './errors.ts';
import { isGone, type Owner, thisProcess } from './processes.ts';

/** Another process has the folder. */
export class FolderInUse extends SurgeryError {
  constructor(message: string) {
    super('output', message);
  }
}

/**
 * Locks a folder for this process until the returned function is called. A lock left by a killed process is taken
 * over.
 * @throws FolderInUse while another process has it
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const path = join(folder, lockName);
  const text = JSON.stringify(thisProcess());
  for (let attempt = 0; attempt < 20; attempt++) {
    if (create(path, text)) {
      const forget = removeAtExit(path);
      return () => {
        rmSync(path, { force: true }); // in one go, as it was made
        forget();
      };
    }
    const found = await settledText(path);
    if (found === undefined) continue; // it was given up in this moment
    const owner = parse(found);
    if (owner && !isGone(owner)) throw inUse(folder, owner);
    if (!removeStale(path, found, text)) await removeStaleGuard(`${path}.guard`);
  }
  throw new SurgeryError('output', `${folder} is wanted by several processes at once: try again`);
}

/** A folder of results that this process alone may fill. */
export interface HeldFolder {
  /** Whether this process made it. */
  readonly isNew: boolean;
  /** Releases the lock. Removes the folder if this process made it and it is still empty. */
  readonly release: () => void;
}

/**
 * Makes a folder if it is not there, and locks it.
 * @throws SurgeryError `output` while another process has it, and if the system refuses
 */
export async function holdFolder(folder: string): Promise<HeldFolder> {
  const isNew = await reserveFolder(folder);
  try {
    const unlock = await lockFolder(folder);
    const release = () => {
      unlock();
      returnReserved(folder);
    };
    return { isNew, release };
  } catch (error) {
    returnReserved(folder);
    throw error;
  }
}

/** @throws SurgeryError `output` while another process has the folder */
export async function requireUnlocked(folder: string): Promise<void> {
  const owner = parse((await readFile(join(folder, lockName), 'utf8').catch(() => undefined)) ?? '');
  if (owner && !isGone(owner)) throw inUse(folder, owner);
}

function inUse(folder: string, { pid, host }: Owner): FolderInUse {
  const who = `process ${pid}${host === thisProcess().host ? '' : ` on ${host}`}`;
  const path = join(folder, lockName);
  return new FolderInUse(`${folder} is in use by ${who}: wait for it, or remove ${path} if that has ended`);
}

/**
 * Makes a file that is whole from its first moment on; false where there is one. In one go, so that no signal finds it
 * made and not yet known.
 */
function create(path: string, text: string): boolean {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    try {
      linkSync(draft, path);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? '';
      if (code === 'ENOENT') return false; // the owner tidied the folder up
      if (!withoutLinks.includes(code)) throw cause;
      writeFileSync(path, text, { flag: 'wx' });
    } finally {
      rmSync(draft, { force: true });
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

/** Error codes of file systems without hard links. */
const withoutLinks = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'];

/** What a lock says. One that says nothing yet may be in the making, where it cannot be made whole: it gets a moment. */
async function settledText(path: string): Promise<string | undefined> {
  const read = () => readFile(path, 'utf8').catch(() => undefined);
  const text = await read();
  if (text === undefined || parse(text)) return text;
  await setTimeout(50);
  return read();
}

/**
 * Removes a stale lock. Two processes may find it at once, and the slower must not remove the lock that the
 * faster has made meanwhile: who removes has to hold a guard, and to see the old lock still there.
 * @returns false where somebody else has the guard
 */
function removeStale(path: string, stale: string, own: string): boolean {
  const guard = `${path}.guard`;
  if (!create(guard, own)) return false;
  try {
    if (readFileSync(path, 'utf8') === stale) rmSync(path, { force: true });
  } catch {
    // It is gone.
  } finally {
    rmSync(guard, { force: true });
  }
  return true;
}

/** Waits for the process that has the guard, or removes the guard of a killed one. */
async function removeStaleGuard(guard: string): Promise<void> {
  await setTimeout(10);
  const text = await settledText(guard);
  const other = text === undefined ? undefined : parse(text);
  if (text !== undefined && (!other || isGone(other))) await rm(guard, { force: true });
}

/** Undefined for what a killed process left half-written. */
function parse(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text);
    return Number.isInteger(pid) && typeof host === 'string' ? { pid, host, started: started ?? null } : undefined;
  } catch {
    return undefined;
  }
}
