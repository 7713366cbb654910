// The cache folder: it holds only what can be computed again, so it is always safe to delete.
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { asOutputError, makeFolders, writeFileSafely } from './atomic-files.ts';
import { requireSpace } from './disk-space.ts';
import { SurgeryError } from './errors.ts';
import { cacheHome, expanded } from './paths.ts';

/** `$SURGERY_CACHE`, else `$XDG_CACHE_HOME/surgery`, else `~/.cache/surgery`; `part` is a folder in it. */
export function cacheFolder(part: string): string {
  return join(expanded(process.env.SURGERY_CACHE || join(cacheHome(), 'surgery')), part);
}

/**
 * Writes a file of the cache. A failed write is reported to {@link onRefusal}'s listener and is not an error: the
 * next run only has to compute the value again.
 * @param bytes how many it will be
 * @returns whether it was kept
 * @throws whatever `write` does that is not the system's refusal
 */
export async function keep(
  path: string,
  bytes: number,
  write: (handle: FileHandle) => Promise<void>,
): Promise<boolean> {
  try {
    makeFolders(dirname(path));
    await requireSpace(path, bytes, 'this file', 'free some, or set SURGERY_CACHE');
    await writeFileSafely(path, write);
    return true;
  } catch (cause) {
    const refusal = asOutputError(cause, path);
    if (!(refusal instanceof SurgeryError && refusal.code === 'output')) throw cause;
    tell(refusal.message);
    return false;
  }
}

/** Threads cannot write to the terminal themselves: they do not know what the user wants to see. */
const channelName = 'surgery: not kept in the cache';
let listener: ((why: string) => void) | undefined;

function tell(why: string): void {
  if (isMainThread) {
    listener?.(why);
    return;
  }
  const channel = new BroadcastChannel(channelName);
  channel.postMessage(why);
  channel.close();
}

/** Has a function called, once, when something cannot be kept in the cache, whichever thread finds out. */
export function onRefusal(call: (why: string) => void): void {
  const channel = new BroadcastChannel(channelName);
  channel.unref();
  listener = (why) => {
    listener = undefined;
    channel.close();
    call(why);
  };
  channel.onmessage = (event) => listener?.(String((event as MessageEvent).data));
}
