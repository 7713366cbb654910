// Command lines that cannot be understood → one line that says what to write instead.
import { statSync } from 'node:fs';
import type { CommanderError, CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { repositoryName } from '../hub/paths.ts';
import { quoted } from '../platform/command-line.ts';
import { SurgeryError } from '../platform/errors.ts';
import { allowedOf, isList } from '../platform/option-values.ts';
import { programName } from '../platform/program.ts';

/** What other programs call these options. */
const otherNames: Readonly<Record<string, string>> = {
  '--model': 'm model-path model-name model-id model-dir checkpoint path pretrained',
  '--base': 'base-model original reference compare',
  '--variance': 'threshold ratio share explained explained-variance energy keep',
  '--rank': 'components n-components num-components ranks k r',
  '--components': 'n-components num-components rank k n',
  '--targets': 'target-modules modules projections matrices',
  '--layers': 'l blocks',
  '--mode': 'method grouping group',
  '--text': 't f file data dataset corpus input texts',
  '--prompt': 'p input prompts',
  '--chat': 'messages conversation conversations',
  '--tasks': 'task benchmark benchmarks',
  '--documents': 'n limit samples num-samples nsamples docs num-documents',
  '--max-tokens': 'context context-length ctx ctx-size seq-len max-length block-size length',
  '--max-new-tokens': 'n n-predict num-tokens max-tokens tokens length max-length',
  '--chunk': 'stride window windows',
  '--temperature': 'greedy do-sample',
  '--output': 'o out outdir output-dir output-path output-file save save-dir dir',
  '--force': 'overwrite yes',
  '--quiet': 'q silent',
  '--offline': 'local-files-only',
  '--precision': 'bits quantize quantise quantization int8 load-in-8bit',
  '--threads': 'j jobs cores cpus num-threads workers',
  '--dtype': 'type torch-dtype',
  '--seed': 's random-seed random-state rng',
  '--shard': 'part split',
  '--colour': 'color',
  '--top-tokens': 'top k',
};

/** What other programs call these commands. */
const otherCommands: Readonly<Record<string, string>> = {
  run: 'pca compress decompose svd operate edit',
  'run zero': 'zero ablate prune cut',
  generate: 'chat complete sample prompt',
  doctor: 'check env',
  sweep: 'grid search scan',
  eval: 'evaluate score perplexity ppl benchmark test',
  report: 'compare plot html view',
  inspect: 'info list ls show stats spectrum',
  lens: 'logit-lens logitlens',
  pull: 'download fetch get',
};

/**
 * Refuses words that a command does not take: values that belong behind an option, or between commas.
 * @param argv words of the command line, from the command's name on
 * @throws SurgeryError `usage`
 */
export function refuseStrayWords(command: CommandUnknownOpts, argv: readonly string[]): void {
  const taken = command.registeredArguments;
  const last = taken.at(-1);
  const stray = command.args.find((word, i) => {
    const argument = taken[i] ?? (last?.variadic ? last : undefined);
    const allowed = argument ? allowedOf(argument) : [];
    return !argument || (allowed.length > 0 && !allowed.includes(word));
  });
  if (stray === undefined) return;
  const remedy = remedyFor(stray, command, argv);
  throw new SurgeryError('usage', `${command.name()} takes no ${JSON.stringify(stray)} ${remedy}`);
}

/** The end of a sentence that begins with the word that is not taken. */
function remedyFor(word: string, command: CommandUnknownOpts, argv: readonly string[]): string {
  const has = (long: string) => command.options.some((option) => option.long === long);
  const list = listBefore(word, command, argv);
  if (list) return `by itself: ${list}`;
  const kind = statSync(word, { throwIfNoEntry: false });
  const isModel = word === 'pocket' || kind?.isDirectory() || (!kind && repositoryName.test(word));
  if (has('--model') && isModel) return `by itself: name a model as --model ${quoted(word)}`;
  if (has('--text') && (kind?.isFile() || /\.(txt|jsonl?|csv|tsv|parquet)(\.gz)?$/.test(word)))
    return `by itself: name a text as --text ${quoted(word)}`;
  const isText = /\s/.test(word) || command.registeredArguments.length === 0;
  if (has('--prompt') && isText) return `by itself: give a prompt as --prompt ${quoted(word)}`;
  const allowed = command.registeredArguments.flatMap((argument) => allowedOf(argument));
  if (allowed.length > 0 && command.args.length === 1) return `here, allowed: ${allowed.join(', ')}`;
  return `here: see ${programName()} ${command.name()} --help`;
}

/** How to write a value that stands apart from those before it: `--variance 0.9 0.5`. */
function listBefore(word: string, { options }: CommandUnknownOpts, argv: readonly string[]): string | undefined {
  const at = argv.indexOf(word);
  const from = argv.slice(0, at).findLastIndex((one) => one.startsWith('--'));
  const option = options.find(({ long }) => long === argv[from]);
  if (!option?.required || from + 1 >= at || !reads(option, word)) return undefined;
  const end = argv.findIndex((one, i) => i > at && one.startsWith('-'));
  const values = argv.slice(from + 1, end === -1 ? undefined : end).flatMap((one) => one.split(',').filter(Boolean));
  return isList(option)
    ? `write several values with commas, as in ${option.long} ${values.join(',')}`
    : `${option.long} takes one value`;
}

/** Whether a text is a value of the option, which takes more particular ones than any text. */
function reads(option: Option, text: string): boolean {
  try {
    return option.parseArg !== undefined && option.parseArg(text, undefined) !== text;
  } catch {
    return false;
  }
}

/**
 * The words to parse. Commander shows its general help for a command that there is not if --help comes with it; without
 * that it says that there is none.
 */
export function wordsToParse(program: CommandUnknownOpts, argv: readonly string[]): readonly string[] {
  const [first = '', second] = argv;
  const name = first === 'help' ? (second ?? '') : first;
  const isKnown = name === '' || name.startsWith('-') || program.commands.some((one) => one.name() === name);
  if (argv.length === 0) return ['--help'];
  return isKnown || name === 'help' ? argv : [name];
}

/** One line about what Commander could not parse. */
export function explained(error: CommanderError, program: CommandUnknownOpts, argv: readonly string[]): string {
  const [name = ''] = argv;
  const command = program.commands.find((one) => one.name() === name);
  const message = error.message.replace(/^error: /, '');
  const [, quotedWord = ''] = /'(.*?)'/s.exec(message) ?? [];
  switch (error.code) {
    case 'commander.unknownCommand': {
      const meant = nameFor(quotedWord, otherCommands);
      return meant.length > 0
        ? `unknown command '${quotedWord}': try ${programName()} ${meant[0]}`
        : withHelp(message, '');
    }
    case 'commander.unknownOption':
      return unknownOption(quotedWord, message, command, program);
    case 'commander.missingArgument': {
      const argument = command?.registeredArguments.find((one) => one.name() === quotedWord);
      return `${name} lacks <${quotedWord}>: ${argument?.description}`;
    }
    case 'commander.optionMissingArgument': {
      const option = command?.options.find(({ flags }) => flags === quotedWord);
      return `${quotedWord} lacks its value: ${option?.description}`;
    }
    case 'commander.conflictingOption':
      // Without their values' names: "--rank", not "--rank <n>".
      return `${(message.match(/--[\w-]+/g) ?? []).join(' and ')} cannot be used together: leave one out`;
    default:
      return message;
  }
}

function unknownOption(
  flag: string,
  message: string,
  command: CommandUnknownOpts | undefined,
  program: CommandUnknownOpts,
): string {
  const [name = ''] = flag.split('=');
  const what = `unknown option '${name}'`;
  const owners = program.commands.filter(({ options }) => options.some(({ long }) => long === name));
  if (!command) {
    const [owner] = owners;
    if (owner)
      return `${what} before the command: options come after it, as in ${programName()} ${owner.name()} ${name}`;
    return name === '-v' ? `${what}: try ${programName()} --version` : withHelp(message, '');
  }
  const own = command.options.flatMap(({ long }) => long ?? []);
  if (own.includes(name)) return `${name} takes no value: write it alone`;
  if (/^--(device|gpu|gpus|cuda)$/.test(name)) return `${what}: surgery runs on the CPU, leave it out`;
  const meant = nameFor(name.replace(/^-+/, ''), otherNames).filter((long) => own.includes(long));
  const longer = name.length > 3 ? own.filter((long) => long.startsWith(name)) : [];
  const instead = meant.length > 0 ? meant : longer;
  if (instead.length > 0) return `${what}: ${command.name()} has ${instead.join(' and ')}`;
  if (owners.length > 0)
    return `${what}: ${command.name()} has none, it belongs to ${owners.map((one) => one.name()).join(', ')}`;
  return withHelp(message, ` ${command.name()}`);
}

/** The names in a table whose other names include this one. */
function nameFor(word: string, table: Readonly<Record<string, string>>): string[] {
  return Object.keys(table).filter((name) => table[name]?.split(' ').includes(word));
}

/** Commander's own suggestion, or else where the words are listed. */
function withHelp(message: string, command: string): string {
  return message.includes('Did you mean') ? message : `${message}: see ${programName()}${command} --help`;
}
