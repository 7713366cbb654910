// The last lines of a command's output: the path of its report, and a command to try next.
import { join } from 'node:path';
import { quoted } from './command-line.ts';

/** For each command, one that goes further with the same model. */
const next = {
  run: (model: string) => `surgery sweep ${model} --variance 0.9,0.7,0.5 --controls`,
  sweep: (model: string) => `surgery sensitivity ${model} --variance 0.5 --by both`,
  sensitivity: (model: string) => `surgery lens ${model} --prompt "The sea" --variance 0.5`,
};

/** @param page file name of the report in the folder, if there is one */
export function nextSteps(kind: keyof typeof next, ref: string, folder: string, page?: string): string {
  return [
    ...(page ? [`Report     ${join(folder, page)}`] : []),
    `Next       ${next[kind](`--model ${quoted(ref)}`)}`,
  ].join('\n');
}
