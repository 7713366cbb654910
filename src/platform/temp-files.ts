// Temporary names, and removal of temporary files that killed processes left behind.
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isGone, type Owner, thisProcess } from './processes.ts';

/** What a replaced folder is called until it is removed: its successor's temporary name and this. */
export const replacedSuffix = '.old';

/**
 * A free name in the same folder as a path. It identifies the process that uses it:
 * `.name.<process>-<host>-<start>.<random>.tmp`.
 */
export function temporaryName(path: string): string {
  const { pid, host, started } = thisProcess();
  const unique = `${pid}-${tag(host)}-${started ?? ''}.${randomBytes(4).toString('hex')}`;
  return join(dirname(path), `.${basename(path)}.${unique}.tmp`);
}

const pattern = /^\.(?<name>.+)\.(?<pid>\d+)-(?<host>[0-9a-f]{8})-(?<started>\d*)\.[0-9a-f]{8}\.tmp(?<old>\.old)?$/;

/**
 * Removes what processes of this machine that have ended left in a folder under temporary names. A folder that was
 * just being replaced goes back to its place. Nothing else is touched, and nothing that the system refuses is an error:
 * the next sweep sees it again.
 */
export async function sweepLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    const { name, old, ...who } = pattern.exec(entry)?.groups ?? {};
    if (name === undefined || !isGone(ownerOf(who))) continue;
    const path = join(folder, entry);
    // A rename goes to a free name or over an empty folder only: where the new results came to stand, they stay.
    if (old) await rename(path, join(folder, name)).catch(() => {});
    await rm(path, { recursive: true, force: true }).catch(() => {}); // what was renamed is not there any more
  }
}

function ownerOf({ pid, host, started }: Record<string, string | undefined>): Owner {
  return {
    pid: Number(pid),
    host: host === tag(hostname()) ? hostname() : 'another machine',
    started: started || null,
  };
}

function tag(host: string): string {
  return createHash('sha256').update(host).digest('hex').slice(0, 8);
}
