// Identifies the process that owns a file, so that another process can later see whether it has ended.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process, where the system reports it: process ids are reused. */
  readonly started: string | null;
}

/** This process. */
export function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

/** Whether the owner has ended. False for a process of another machine, whose state is unknown. */
export function isGone({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const now = startOf(pid);
  return started !== null && now !== null && now !== started;
}

/** Start of a process in clock ticks after boot, from Linux's /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? null); // a zombie holds nothing
  } catch {
    return null;
  }
}
