// Standard input, which can be read once, and may be a pipe that nobody writes to.
import { fstatSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { SurgeryError } from '../platform/errors.ts';

let isRead = false;

/** All of its bytes. @throws SurgeryError `text` where it is the terminal, and the second time */
export async function readStandardInput(): Promise<Uint8Array> {
  if (process.stdin.isTTY)
    throw new SurgeryError('text', 'standard input is the terminal: pipe a text into it, or redirect a file (< file)');
  if (isRead) throw new SurgeryError('text', 'standard input is asked for twice, and can be read once: give - once');
  isRead = true;
  return buffer(process.stdin);
}

/** Milliseconds in which a pipe must give its first bytes. One from a scheduler or ssh may stay open and silent. */
const patience = 1000;

/**
 * What is piped or redirected into the program without being asked for: `text`, or `silence` from a pipe that stays
 * open. A terminal, /dev/null and an empty file or pipe are `nothing`.
 */
export async function pipedIn(): Promise<'text' | 'silence' | 'nothing'> {
  const found = fstatSync(0);
  if (found.isFile()) return found.size > 0 ? 'text' : 'nothing';
  if (!found.isFIFO() && !found.isSocket()) return 'nothing';
  const { stdin } = process;
  const first = await new Promise<'text' | 'silence' | 'nothing'>((resolve) => {
    const timer = setTimeout(() => resolve('silence'), patience);
    // Also at the end, with nothing to read.
    stdin.once('readable', () => {
      clearTimeout(timer);
      resolve(stdin.readableLength > 0 ? 'text' : 'nothing');
    });
    stdin.once('error', () => resolve('nothing'));
  });
  if (first !== 'text') stdin.destroy(); // which would keep the program alive
  return first;
}
