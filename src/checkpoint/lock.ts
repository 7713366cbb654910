// One process at a time in a folder.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { SurgeryError, systemMessage } from '../errors.ts';
import { removeAtExit } from './files.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When that process started, where the system tells: process numbers are used again. */
  readonly started: string | null;
}

const fileName = '.lock';

/** Another process has the folder. */
export class FolderInUse extends SurgeryError {
  constructor(message: string) {
    super('output', message);
  }
}

/**
 * Takes a folder for this process until the returned function is called. What a process left that was killed is taken
 * over.
 * @throws FolderInUse while another process has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, fileName);
  const own: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  const text = JSON.stringify(own);
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await create(path, text)) {
      const forget = removeAtExit(path);
      return async () => {
        forget();
        await rm(path, { force: true });
      };
    }
    const found = await settledText(path);
    if (found === undefined) continue; // it was given up in this moment
    const holder = parse(found);
    if (holder && !isGone(holder)) {
      const who = `process ${holder.pid}${holder.host === own.host ? '' : ` on ${holder.host}`}`;
      throw new FolderInUse(`${folder} is in use by ${who}: wait for it, or remove ${path} if that has ended`);
    }
    await removeStale(path, found, text);
  }
  throw new SurgeryError('output', `${folder} is wanted by several processes at once: try again`);
}

/** Makes a file that is whole from its first moment on; false where there is one. */
async function create(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(draft, text, { flag: 'wx' });
    try {
      await link(draft, path);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? '';
      if (code === 'ENOENT') return false; // the holder tidied the folder up
      if (!withoutLinks.includes(code)) throw cause;
      await writeFile(path, text, { flag: 'wx' });
    } finally {
      await rm(draft, { force: true });
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

/** What file systems say that know no hard links. */
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
 * Removes a lock that nobody holds. Two processes may find it at once, and the slower must not remove the lock that the
 * faster has made meanwhile: who removes has to hold a guard, and to see the old lock still there.
 */
async function removeStale(path: string, stale: string, own: string): Promise<void> {
  const guard = `${path}.guard`;
  if (await create(guard, own)) {
    try {
      if ((await readFile(path, 'utf8').catch(() => undefined)) === stale) await rm(path, { force: true });
    } finally {
      await rm(guard, { force: true });
    }
    return;
  }
  await setTimeout(10);
  const text = await settledText(guard);
  const other = text === undefined ? undefined : parse(text);
  if (text !== undefined && (!other || isGone(other))) await rm(guard, { force: true });
}

/** Undefined for what a killed process left half-written. */
function parse(text: string): Holder | undefined {
  try {
    const { pid, host, started } = JSON.parse(text);
    return Number.isInteger(pid) && typeof host === 'string' ? { pid, host, started: started ?? null } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a holder on this machine has ended. Of another machine's nothing is known. */
function isGone({ pid, host, started }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const now = startOf(pid);
  return started !== null && now !== null && now !== started;
}

/** Start of a process in ticks since the machine's own, as Linux tells it. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? null); // a zombie holds nothing
  } catch {
    return null;
  }
}
