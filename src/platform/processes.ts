// Which process something belongs to, told so that another one can see later whether that has ended.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When that process started, where the system tells: process numbers are used again. */
  readonly started: string | null;
}

/** This process. */
export function ownHolder(): Holder {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

/** Whether a holder on this machine has ended. Of another machine's nothing is known. */
export function isGone({ pid, host, started }: Holder): boolean {
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
