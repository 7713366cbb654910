// The command line as results record it, so that it makes the same result again, anywhere.
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { commandLine } from '../platform/command-line.ts';

/** Options that change where and how a result is computed or shown, but not the result. */
const unrecorded = ['json', 'quiet', 'full', 'csv', 'offline', 'force', 'output', 'shard', 'threads', 'config'].map(
  (name) => `--${name}`,
);

/** Choices of the program that may differ on another machine, by the option that fixes each: `{ '--model': 'pocket' }`. */
export type Choices = Readonly<Record<`--${string}`, string | undefined>>;

/** Returns the command line that a result records, with the program's choices as options. */
export type Recorded = (chosen?: Choices) => string;

/** An option's words, or a word that belongs to none. */
interface OptionWords {
  /** Its long name, such as --text. */
  readonly option: string | undefined;
  readonly words: readonly string[];
}

/** The words of a command line, an option's together: `--text`, `a.txt` or `--text=a.txt`. @param words after the command's name */
export function optionWords(command: CommandUnknownOpts, words: readonly string[]): OptionWords[] {
  const found: OptionWords[] = [];
  for (let i = 0; i < words.length; i++) {
    const [word = '', value = ''] = words.slice(i, i + 2);
    const [long = ''] = word.split('=');
    const option = command.options.find((one) => one.long === long);
    const hasValue = option?.required === true && word === long;
    if (hasValue) i++;
    found.push({ option: option && long, words: hasValue ? [word, value] : [word] });
  }
  return found;
}

/**
 * @param argv words of the command line, from the command's name on
 * @param fromConfig words of the options that a config file adds
 */
export function recordedCommand(
  command: CommandUnknownOpts,
  [name = '', ...argv]: readonly string[],
  fromConfig: readonly string[],
): Recorded {
  const recorded = optionWords(command, [...fromConfig, ...argv]).filter(
    ({ option = '' }) => !unrecorded.includes(option),
  );
  return (chosen = {}) => {
    const own = new Map(
      Object.entries(chosen).flatMap(([option, value]) => (value === undefined ? [] : [[option, value]])),
    );
    const given = recorded.flatMap(({ option = '', words: typed }) => {
      const value = own.get(option);
      own.delete(option);
      return value === undefined ? typed : [option, value];
    });
    return commandLine(['surgery', name, ...given, ...[...own].flat()]);
  };
}
