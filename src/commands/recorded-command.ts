// The command line as results record it, so that it makes the same result again, anywhere.
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { quoted } from './next-steps.ts';

/** Options that change where and how a result is computed or shown, but not the result. */
const unrecorded = ['json', 'quiet', 'full', 'csv', 'offline', 'force', 'output', 'shard', 'threads', 'config'].map(
  (name) => `--${name}`,
);

/**
 * @param argv words of the command line, from the command's name on
 * @param fromConfig words of the options that a config file adds
 */
export function recordedCommand(
  command: CommandUnknownOpts,
  [name = '', ...argv]: readonly string[],
  fromConfig: readonly string[],
): string {
  const recorded: string[] = [];
  const words = [...fromConfig, ...argv];
  for (let i = 0; i < words.length; i++) {
    const [word = '', value = ''] = words.slice(i, i + 2);
    const [long = ''] = word.split('=');
    const option = command.options.find((one) => one.long === long);
    const hasValue = option?.required === true && word === long;
    if (hasValue) i++;
    if (!option || !unrecorded.includes(long)) recorded.push(...(hasValue ? [word, value] : [word]));
  }
  return ['surgery', name, ...recorded].map(quoted).join(' ');
}
