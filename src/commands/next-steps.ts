// The last lines of a command's output: the path of its report, and a command to try next.
import { dirname, join } from 'node:path';
import { quoted } from '../platform/command-line.ts';
import { rangesText } from '../platform/option-values.ts';
import { asStarted, pasteable, programName } from '../platform/program.ts';
import { partName, type StudyPart } from './shard.ts';

/**
 * @param next the command to try, without the program's name
 * @param page file name of the report in the folder, if there is one
 */
export function nextSteps(next: string, folder: string, page?: string): string {
  return [...(page ? [`Report     ${join(folder, page)}`] : []), `Next       ${pasteable(next, 11)}`].join('\n');
}

/**
 * What follows one part of a study: the parts that are not there, then the merge.
 * @param command that computes the study
 * @param folder of this part
 * @param isThere whether a path exists
 */
export function partSteps(
  command: string,
  folder: string,
  { of }: StudyPart,
  isThere: (path: string) => boolean,
): string {
  const whole = dirname(folder);
  const parts = Array.from({ length: of }, (_, index) => index);
  const [next, ...later] = parts.filter((index) => !isThere(join(whole, partName({ index, of })))).map((i) => i + 1);
  const likewise = later.length > 0 ? `, likewise ${rangesText(later)}` : '';
  return [
    ...(next ? [`Next       ${asStarted(command)} --output ${quoted(whole)} --shard ${next}/${of}${likewise}`] : []),
    `${next ? 'Then' : 'Next'}       ${programName()} merge ${quoted(whole)}/part-*-of-${of} --output ${quoted(whole)}`,
  ].join('\n');
}
