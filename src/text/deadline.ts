// An end for work that may have none: patterns that come with a tokenizer can take for ever to fail.
import { type Context, createContext, Script } from 'node:vm';

/** The engine can stop only what it started itself, so the work is started from a context of its own. */
let box: Context | undefined;
const start = new Script('work()');

/**
 * What `work` returns. It runs at once and blocks, and is stopped wherever it is, inside a regular expression too.
 * @throws Error with code `ERR_SCRIPT_EXECUTION_TIMEOUT` if it has not ended in time
 */
export function within<T>(milliseconds: number, work: () => T): T {
  box ??= createContext({});
  box.work = work;
  return start.runInContext(box, { timeout: milliseconds }) as T;
}
