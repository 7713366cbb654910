// One process at a time in a folder.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { removeAtExit } from '../checkpoint/files.ts';
import { SurgeryError, systemMessage } from '../errors.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When that process started, where the system tells: process numbers are used again. */
  readonly started: string | null;
}

const fileName = '.lock';

/**
 * Takes a folder for this process until the returned function is called. What a process left that was killed is taken
 * over.
 * @throws SurgeryError `output` while another process has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, fileName);
  const own: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await create(path, JSON.stringify(own))) {
      const forget = removeAtExit(path);
      return async () => {
        forget();
        await rm(path, { force: true });
      };
    }
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) continue; // it was given up in this moment
    const holder = parse(text);
    if (holder && !isGone(holder)) {
      const who = `process ${holder.pid}${holder.host === own.host ? '' : ` on ${holder.host}`}`;
      throw new SurgeryError(
        'output',
        `${folder} is in use by ${who}: wait for it, or remove ${path} if that has ended`,
      );
    }
    await stepAside(path, text);
  }
  throw new SurgeryError('output', `${folder} is wanted by several processes at once: try again`);
}

async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

/** Puts a lock away that nobody holds. Another process may have done so and hold a new one meanwhile: that goes back. */
async function stepAside(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return; // somebody else was faster
  }
  if ((await readFile(aside, 'utf8')) === stale) await rm(aside, { force: true });
  else await rename(aside, path);
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
