// The last lines of a command: where its results are, and what one would try next.
import { join } from 'node:path';

/** A word as a shell would have to be given it. */
export function quoted(word: string): string {
  return /^[\w./@:=,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What tells more about the same model than each command does. */
const next = {
  run: (model: string) => `surgery sweep ${model} --variance 0.9,0.7,0.5 --controls`,
  sweep: (model: string) => `surgery sensitivity ${model} --variance 0.5 --by both`,
  sensitivity: (model: string) => `surgery lens ${model} --prompt "The sea" --variance 0.5`,
};

/** @param page name of the report in the folder, if there is one */
export function closingLines(kind: keyof typeof next, ref: string, folder: string, page?: string): string {
  return [
    ...(page ? [`Report     ${join(folder, page)}`] : []),
    `Next       ${next[kind](`--model ${quoted(ref)}`)}`,
  ].join('\n');
}
