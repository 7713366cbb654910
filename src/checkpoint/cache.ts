// The folder for what can be computed again: always safe to delete.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$SURGERY_CACHE`, else `$XDG_CACHE_HOME/surgery`, else `~/.cache/surgery`; `part` is a folder in it. */
export function cacheFolder(part: string): string {
  const { SURGERY_CACHE, XDG_CACHE_HOME } = process.env;
  return join(SURGERY_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'surgery'), part);
}
