// A config file's options as words of the command line, so that a result names the whole command that made it.

import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { isRepeatable } from '../platform/option-values.ts';

/** The file that is read where --config names no other. */
const configFile = 'surgery.config.json';

type Values = Readonly<Record<string, unknown>>;

/**
 * The command line with the options of the config file put after the command's name, and without --config.
 *
 * The file is a JSON object. A key is an option's long name and counts for every command that has it; under a command's
 * name, an object of such keys counts for that command alone and before the others. What the command line says wins.
 * @returns also the options that were added, for a notice
 * @throws SurgeryError `usage` for a file that cannot be read, is no such object, or has an option that no command has
 */
export function withConfig(
  argv: readonly string[],
  program: Command,
): { argv: readonly string[]; file: string; added: readonly string[] } {
  const { words, named } = withoutConfig(argv);
  const file = named ?? configFile;
  const command = program.commands.find((one) => one.name() === words[0]);
  const text = command ? read(file, named !== undefined) : undefined;
  if (!command || text === undefined) return { argv: words, file, added: [] };
  const all = parse(text, file);
  refuseUnknown(all, program, file);
  const own = all[command.name()];
  const values: Values = { ...forCommand(all, command), ...(isObject(own) ? own : {}) };
  const added: string[] = [];
  const more = Object.entries(values).flatMap(([key, value]) => {
    const option = optionOf(command, key);
    const given = option ? wordsOf(option, key, value, file) : [];
    if (!option || given.length === 0 || isGiven(words, command, option)) return [];
    added.push(itemAt(given, 0));
    return given;
  });
  return { argv: [itemAt(words, 0), ...more, ...words.slice(1)], file, added };
}

function withoutConfig(argv: readonly string[]): { words: string[]; named?: string } {
  const at = argv.findIndex((word) => word === '--config' || word.startsWith('--config='));
  const word = argv[at];
  if (word === undefined) return { words: [...argv] };
  const whole = word.startsWith('--config=');
  const named = whole ? word.slice('--config='.length) : argv[at + 1];
  if (!named) throw new SurgeryError('usage', '--config names no file: give the path of a JSON file');
  return { words: argv.toSpliced(at, whole ? 1 : 2), named };
}

function read(file: string, needed: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (!needed && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SurgeryError('usage', `${file} cannot be read: ${systemMessage(cause)}`, cause);
  }
}

function parse(text: string, file: string): Values {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SurgeryError('usage', `${file} is not valid JSON: ${messageOf(cause)}`, cause);
  }
  if (!isObject(value)) throw new SurgeryError('usage', `${file} is not a JSON object of options`);
  return value;
}

/** What a config says to all commands, as far as this one has it. */
function forCommand(all: Values, command: Command): Values {
  return Object.fromEntries(Object.entries(all).filter(([key]) => optionOf(command, key)));
}

/** Also what is meant for other commands: a slip there should not wait until they are called. */
function refuseUnknown(all: Values, program: Command, file: string): void {
  for (const [key, value] of Object.entries(all)) {
    const command = program.commands.find((one) => one.name() === key);
    const among = command ? [command] : program.commands;
    if (command && !isObject(value)) throw refused(file, key, value, "an object of this command's options");
    for (const name of command ? Object.keys(value as Values) : [key]) {
      if (among.some((one) => optionOf(one, name))) continue;
      throw unknown(
        file,
        command ? `${key}.${name}` : name,
        among.flatMap((one) => one.options),
      );
    }
  }
}

function optionOf(command: Command, key: string): Option | undefined {
  if (key === 'config') return undefined;
  return command.options.find(({ long }) => long === `--${key}`) ?? negated(command, key);
}

/** `"save": false` is --no-save. */
function negated(command: Command, key: string): Option | undefined {
  return command.options.find(({ long, negate }) => negate && long === `--no-${key}`);
}

function wordsOf(option: Option, key: string, value: unknown, file: string): string[] {
  const long = option.long ?? '';
  if (option.required || option.optional) {
    const several = Array.isArray(value) ? value : [value];
    if (several.length === 0 || !several.every((one) => typeof one === 'string' || typeof one === 'number'))
      throw refused(file, key, value, 'a text, a number, or a list of them');
    return isRepeatable(option)
      ? several.flatMap((one) => [long, String(one)])
      : [long, several.map((one) => String(one)).join()];
  }
  if (typeof value !== 'boolean') throw refused(file, key, value, 'true or false');
  const wanted = long === `--${key}` ? value : !value;
  return wanted ? [long] : [];
}

/** Whether the command line has the option, or what says the opposite. */
function isGiven(words: readonly string[], command: Command, { long, negate }: Option): boolean {
  const opposite = negate ? long?.replace('--no-', '--') : `--no-${long?.slice(2)}`;
  const names = [long, ...(command.options.some((one) => one.long === opposite) ? [opposite] : [])];
  return words.some((word) => names.some((name) => word === name || word.startsWith(`${name}=`)));
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(file: string, key: string, value: unknown, allowed: string): SurgeryError {
  return new SurgeryError('usage', `${file}: ${key} is ${JSON.stringify(value)}, allowed: ${allowed}`);
}

function unknown(file: string, key: string, options: readonly Option[]): SurgeryError {
  const names = [...new Set(options.map(({ long }) => long?.slice(2)))].filter((name) => name !== 'config').sort();
  return new SurgeryError('usage', `${file}: there is no option ${key}, allowed: ${names.join(', ')}`);
}
