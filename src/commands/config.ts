// Options from a config file, set on a parsed command with the source `config`: what the command line says wins.
import { readFileSync } from 'node:fs';
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { isRepeatable } from '../platform/option-values.ts';
import { isObject } from '../platform/strict-json.ts';
import { idleOptions } from './idle-options.ts';
import { overruledOperation } from './recipes.ts';

/** Read if --config names no other file. */
const configFile = 'surgery.config.json';

type Values = Readonly<Record<string, unknown>>;

/** Options that a config file gave to a command. */
export interface AppliedConfig {
  readonly file: string;
  /** Their names, such as --model. */
  readonly names: readonly string[];
  /** The same options as words of a command line. */
  readonly words: readonly string[];
}

/** One option of the file. */
interface Entry {
  /** Its place in the file, such as `variance` or `run.variance`. */
  readonly place: string;
  readonly option: Option;
  /** The values as an option's text; none for a flag that is off. */
  readonly texts: readonly string[];
  readonly words: readonly string[];
}

/** Which options have been decided, and which of them have a value. */
interface Decided {
  readonly all: Set<string>;
  readonly given: Set<string>;
}

/**
 * Sets a parsed command's options from its config file.
 *
 * The file is a JSON object whose keys are the long names of options, for every command that has them. Under a command's
 * name, an object of such keys is for that command alone. The command line comes first, then the environment, the
 * command's own section, and the rest of the file. A value gives way also to one that it conflicts with, and to those next to which
 * it would have no effect.
 * @throws SurgeryError `usage` for a file that cannot be read or is no such object, for an option that no command has, and
 * for values that an option does not allow
 */
export function applyConfig(program: CommandUnknownOpts, command: CommandUnknownOpts): AppliedConfig {
  const named: unknown = command.getOptionValue('config');
  const file = typeof named === 'string' ? named : configFile;
  const text = read(file, named !== undefined);
  if (text === undefined) return { file, names: [], words: [] };
  const all = parse(text, file);
  refuseUnknown(all, program, file);
  const own = all[command.name()];
  const decided = decidedBefore(command);
  const applied = new Map<string, readonly string[]>();
  const sections = [
    { prefix: `${command.name()}.`, values: isObject(own) ? own : {} },
    { prefix: '', values: all },
  ];
  for (const { prefix, values } of sections)
    for (const { place, words } of applySection(command, entriesOf(command, values, prefix, file), decided, file))
      applied.set(place.slice(prefix.length), words);
  for (const { option } of idleOptions(command, 'config')) {
    command.setOptionValueWithSource(option.attributeName(), option.defaultValue, 'default');
    applied.delete(String(option.long).slice(2));
  }
  // In the order of the file, with a section's own keys last.
  const keys = Object.keys({ ...all, ...(isObject(own) ? own : {}) });
  const words = keys.map((key) => applied.get(key) ?? []);
  return { file, names: words.flatMap(([name]) => name ?? []), words: words.flat() };
}

/** Options that the command line or the environment set. */
function decidedBefore(command: CommandUnknownOpts): Decided {
  const names = command.options.map((option) => option.attributeName());
  const given = names.filter((name) => ['cli', 'env'].includes(command.getOptionValueSource(name) ?? ''));
  return { all: new Set(given), given: new Set(given) };
}

/** @returns the entries that have been applied */
function applySection(
  command: CommandUnknownOpts,
  entries: readonly Entry[],
  decided: Decided,
  file: string,
): readonly Entry[] {
  const overruled = overruledOperation(command, decided.given);
  const open = entries.filter(({ option, texts }) => {
    const name = option.attributeName();
    return !decided.all.has(name) && !overruled(name, texts[0]) && !conflictOf(command, option, decided.given);
  });
  const active = open.filter(({ words }) => words.length > 0);
  const names = new Set(active.map(({ option }) => option.attributeName()));
  for (const { place, option } of active) {
    const other = conflictOf(command, option, names);
    if (other) throw new SurgeryError('usage', `${file}: ${place} cannot be used with ${other}: leave one out`);
  }
  for (const entry of active)
    command.setOptionValueWithSource(entry.option.attributeName(), parsedValue(entry, file), 'config');
  for (const { option } of open) decided.all.add(option.attributeName());
  for (const name of names) decided.given.add(name);
  return active;
}

/** An option among `given` that cannot be used with this one. */
function conflictOf(command: CommandUnknownOpts, option: Option, given: ReadonlySet<string>): string | undefined {
  return [...given].find(
    (name) =>
      conflictsOf(option).includes(name) ||
      command.options.some(
        (other) => other.attributeName() === name && conflictsOf(other).includes(option.attributeName()),
      ),
  );
}

/** What Commander's `conflicts` has set, which its types leave out. */
function conflictsOf(option: Option & { readonly conflictsWith?: readonly string[] }): readonly string[] {
  return option.conflictsWith ?? [];
}

/** The value that the command line would have set. */
function parsedValue({ place, option, texts }: Entry, file: string): unknown {
  if (texts.length === 0) return !option.negate;
  let value: unknown;
  try {
    for (const text of texts) value = option.parseArg ? option.parseArg(text, value) : text;
  } catch (cause) {
    throw new SurgeryError('usage', `${file}: ${place}: ${messageOf(cause)}`, cause);
  }
  return value;
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

/** Checks the sections of other commands too, so that a mistake there shows at once. */
function refuseUnknown(all: Values, program: CommandUnknownOpts, file: string): void {
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

/** The entries that are options of this command. */
function entriesOf(command: CommandUnknownOpts, values: Values, prefix: string, file: string): Entry[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const option = optionOf(command, key);
    if (!option) return [];
    const place = `${prefix}${key}`;
    const long = `--${option.name()}`;
    if (!takesValue(option) || (option.optional && typeof value === 'boolean')) {
      if (typeof value !== 'boolean') throw refused(file, place, value, 'true or false');
      const isOn = long === `--${key}` ? value : !value;
      return { place, option, texts: [], words: isOn ? [long] : [] };
    }
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0 || !list.every((one) => typeof one === 'string' || typeof one === 'number'))
      throw refused(file, place, value, 'a text, a number, or a list of them');
    const texts = isRepeatable(option) ? list.map(String) : [list.join()];
    return { place, option, texts, words: texts.flatMap((one) => [long, one]) };
  });
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** `"save": false` means --no-save. */
function optionOf({ options }: CommandUnknownOpts, key: string): Option | undefined {
  if (key === 'config') return undefined;
  return (
    options.find(({ long }) => long === `--${key}`) ??
    options.find(({ long, negate }) => negate && long === `--no-${key}`)
  );
}

function refused(file: string, key: string, value: unknown, allowed: string): SurgeryError {
  return new SurgeryError('usage', `${file}: ${key} is ${JSON.stringify(value)}, allowed: ${allowed}`);
}

function unknown(file: string, key: string, options: readonly Option[]): SurgeryError {
  const names = [...new Set(options.flatMap(({ long }) => long?.slice(2) ?? []))].filter((name) => name !== 'config');
  const [, name = key] = /\.(.*)/.exec(key) ?? [];
  const near = names.filter((one) => one.startsWith(name.slice(0, 3))).sort();
  const remedy =
    near.length > 0 ? `near it: ${near.join(', ')}` : 'allowed: the long options of --help, without the dashes';
  return new SurgeryError('usage', `${file}: there is no option ${key}, ${remedy}`);
}
