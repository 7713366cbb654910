// Options that several commands share: how they are spelled, what they may say, and their defaults.
import { type Command, Option } from 'commander';
import { type WeightDtype, weightDtypes } from '../checkpoint/dtypes.ts';
import type { Projection } from '../checkpoint/names.ts';
import type { Engine } from '../decompose/group.ts';
import { type Mode, modes, projections } from '../decompose/groups.ts';
import { type MeanRule, matchRules, means } from '../decompose/operation.ts';
import { SurgeryError } from '../errors.ts';
import { cores } from '../limits.ts';
import { basisMethods } from '../measure/methods.ts';
import type { Sampling } from '../measure/sampling.ts';
import { type ChunkRule, chunkRules } from '../measure/stream.ts';
import type { Precision } from '../runtime/session.ts';
import { quoted } from './closing.ts';
import { parseShard } from './shard.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly offline?: boolean;
  readonly precision: Precision;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** What an operation is, apart from its mode and how much is kept. */
export interface SharedOperationOptions {
  readonly mean: MeanRule;
  readonly center: 'on' | 'off';
  readonly balance?: boolean;
  readonly targets?: readonly Projection[];
  readonly layers?: readonly number[] | undefined;
  readonly allocate: 'uniform' | 'global';
  readonly dtype?: WeightDtype;
  readonly pcaEngine: Engine;
}

export interface OperationOptions extends SharedOperationOptions {
  readonly mode: Mode;
  readonly variance?: number;
  readonly rank?: number;
}

export interface PromptOptions {
  readonly prompt?: string[];
  /** A file of conversations. */
  readonly chat?: string;
  readonly system?: string;
  readonly raw?: boolean;
}

export interface SamplingOptions extends Sampling, PromptOptions {
  readonly seed: number;
  readonly maxNewTokens: number;
}

export interface ScoringOptions {
  readonly text?: string;
  readonly column?: string;
  readonly chunk: ChunkRule;
  readonly tasks?: string;
  readonly documents?: number;
  readonly questions?: number;
  readonly maxTokens?: number;
}

/** What cells of the lens's heat map are coloured by. */
export const colours = ['probability', 'rank', 'kl'] as const;
export type Colour = (typeof colours)[number];

export interface FindingOptions {
  readonly sublayers?: boolean;
  readonly seed: number;
  readonly output?: string;
  readonly force?: boolean;
}

export interface OutputOptions {
  readonly output?: string;
  readonly save: boolean;
  /** In bytes. */
  readonly maxShardSize?: number;
  readonly force?: boolean;
}

export function modelOptions(command: Command): Command {
  return hubOptions(
    command.option(
      '--model <ref>',
      'checkpoint folder, pocket, or org/name[@revision] of Hugging Face, pulled if not cached (default: TinyLlama, else pocket)',
    ),
  );
}

/** Those of every command that may need the Hub. */
export function hubOptions(command: Command): Command {
  return command
    .option('--offline', 'never touch the network, as HF_HUB_OFFLINE=1 does')
    .option('--json', 'print one JSON document on stdout')
    .option('--quiet', 'print no progress');
}

export function runtimeOptions(command: Command): Command {
  const label = `threads of a matrix product (default: ${cores()}, one a core)`;
  const threads = new Option('--threads <n>', label).argParser(threadCount);
  if (process.env.SURGERY_THREADS !== '') threads.env('SURGERY_THREADS'); // an empty one says nothing
  return command
    .option(
      '--precision <p>',
      'fp32 (exact) or int8 (weights that are not operated on in 8 bits)',
      oneOf<Precision>('--precision', ['fp32', 'int8']),
      'fp32',
    )
    .addOption(threads)
    .hook('preAction', (_, action) => {
      const { precision, quiet, model }: Partial<ModelOptions> = action.opts();
      if (precision === 'int8' && !quiet) process.stderr.write(`${int8Notice(model)}\n`);
    });
}

/** What 8 bits cost: measured on SmolLM2-135M as README's part on scores says. @param model the user's own, if named */
export function int8Notice(model?: string): string {
  const own = model === undefined ? 'M' : quoted(model);
  return (
    'int8 is not exact: on SmolLM2-135M it costs KL 0.040 nats a token, and perplexity rises by 3.6 %. ' +
    `Measure yours: surgery eval --precision int8 --model ${own} --base ${own}`
  );
}

function threadCount(value: string): number {
  return whole(value === process.env.SURGERY_THREADS ? 'SURGERY_THREADS' : '--threads', 1, 256)(value);
}

export function engineOption(command: Command): Command {
  return command.option(
    '--pca-engine <engine>',
    'native, or ml-pca: a library as a cross-check, very slow on large matrices',
    oneOf<Engine>('--pca-engine', ['native', 'ml-pca']),
    'native',
  );
}

export function modeOption(command: Command): Command {
  return command.option(
    '--mode <mode>',
    `which projections share one PCA: ${modes.join(', ')}`,
    oneOf('--mode', modes),
    'shared-kv',
  );
}

export function operationOptions(command: Command): Command {
  return sharedOperationOptions(
    allocateOption(layersOption(meanOption(modeOption(command))))
      .option('--variance <t>', 'share of the variance to keep, above 0 up to 1 (default: 0.9)', variance)
      .option('--rank <n>', 'components to keep in every group, instead of a share', whole('--rank', 0)),
  );
}

/** Whether the command line holds any option that says what is operated on, how, or how much of it is kept. */
export function asksForOperation(command: Command): boolean {
  const names = ['mode', 'variance', 'rank', 'mean', 'center', 'balance', 'targets', 'layers', 'allocate', 'dtype'];
  return names.some((name) => command.getOptionValueSource(name) === 'cli');
}

export function meanOption(command: Command): Command {
  return command.option(
    '--mean <rule>',
    'keep adds the column means back, drop does not (the original experiment)',
    oneOf('--mean', means),
    'keep',
  );
}

const allocations = ['uniform', 'global'] as const;

export function allocateOption(command: Command): Command {
  return command.option(
    '--allocate <rule>',
    'uniform: the threshold in every layer; global: as many components in all, where they explain most',
    oneOf('--allocate', allocations),
    'uniform',
  );
}

export function layersOption(command: Command): Command {
  return command.option(
    '--layers <list>',
    'layers to operate on, counted from 0, such as 0,5-9 (default: all)',
    layerList,
  );
}

/** Those of a sweep's grid that take several values. */
export function gridOptions(command: Command): Command {
  return command
    .addOption(
      listOption('--mode <mode,...>', `which projections share one PCA, of ${modes.join(', ')}`, modes, [
        'separate',
        'shared-kv',
      ]),
    )
    .addOption(
      listOption(
        '--mean <rule,...>',
        'keep adds the column means back, drop does not (the original experiment)',
        means,
        ['keep'],
      ),
    )
    .option(
      '--layers <list>',
      'layers to operate on, such as 0,5-9; repeat it for several sets (default: all)',
      repeatable(layerList),
    )
    .option(
      '--match <rule,...>',
      `give each shared cell a separate partner that is equal in variance, ${matchRules.join(', ')}`,
      listOf(oneOf('--match', ['variance', ...matchRules] as const)),
    )
    .addOption(
      listOption(
        '--allocate <rule,...>',
        'uniform: the threshold in every layer; global: as many components in all, where they explain most; both are compared',
        allocations,
        ['uniform'],
      ),
    )
    .option('--controls', 'also what no operation, rounding, random directions, noise and another layer do');
}

export function sharedOperationOptions(command: Command): Command {
  return engineOption(command)
    .option(
      '--center <on|off>',
      'off decomposes the weights without taking their column means off',
      oneOf('--center', ['on', 'off'] as const),
      'on',
    )
    .option('--balance', 'divide projections that share a PCA by their norms for the fit, so that each has a say')
    .option(
      '--targets <list>',
      `projections to operate on, of ${projections.join(',')} (default: q,k,v)`,
      listOf(oneOf('--targets', projections)),
    )
    .option(
      '--dtype <dtype>',
      `dtype of all weights in the file: ${weightDtypes.join(', ')} (default: the source's)`,
      oneOf('--dtype', weightDtypes),
    );
}

/** What sweep and sensitivity take beside an operation's options. */
export function studyOptions(command: Command): Command {
  return command
    .option('--no-samples', 'score only, generate nothing')
    .option(
      '--output <dir>',
      "the study's folder, continued if it is there (default: one in results/ for this command)",
    )
    .option(
      '--shard <i/n>',
      'make only part i of n (default: from SLURM_ARRAY_TASK_ID, or JOB_COMPLETION_INDEX of JOB_COMPLETIONS)',
      parseShard,
    )
    .option('--csv', 'print the cells as comma-separated values on stdout');
}

export function unitOption(command: Command): Command {
  return command.option(
    '--by <unit>',
    'what is operated on at a time: layer, projection (in all layers), or both',
    oneOf('--by', ['layer', 'projection', 'both'] as const),
    'layer',
  );
}

/** --variance and --rank as lists. */
export function keptOptions(command: Command): Command {
  return command
    .option(
      '--variance <t,...>',
      'shares of the variance to keep (default: 0.9)',
      listOf(number('--variance', 0, 1, true)),
    )
    .option(
      '--rank <n,...>',
      'components to keep in every group, beside or instead of shares',
      listOf(whole('--rank', 0)),
    );
}

export function promptOptions(command: Command): Command {
  return command
    .option(
      '--prompt <text>',
      'prompt, repeatable; wrapped in the chat template where the model has one',
      repeatable((text) => text),
    )
    .addOption(
      new Option(
        '--chat <file>',
        'conversations instead of prompts: a JSON list of {"role", "content"}, or a list of such lists',
      ).conflicts(['prompt', 'raw']),
    )
    .addOption(
      new Option('--system <text>', 'system message before each (default: none but what the template has)').conflicts(
        'raw',
      ),
    )
    .option('--raw', 'take prompts as they are, without the chat template');
}

export function samplingOptions(command: Command): Command {
  return promptOptions(command)
    .option('--temperature <t>', '0 is greedy', number('--temperature', 0, 100), 0.7)
    .option('--top-p <p>', 'keep the likeliest tokens up to this probability', number('--top-p', 0, 1, true), 0.9)
    .option('--top-k <k>', 'keep the k likeliest tokens, 0 keeps all', whole('--top-k', 0), 0)
    .option(
      '--repetition-penalty <r>',
      '1 does nothing, above 1 makes repeats less likely',
      number('--repetition-penalty', 0, 100, true),
      1,
    )
    .option('--seed <n>', 'the same seed gives the same text', whole('--seed', 0), 0)
    .option('--max-new-tokens <n>', 'longest continuation', whole('--max-new-tokens', 1), 100);
}

/** A text as documents. */
export function textOptions(command: Command): Command {
  return command
    .option(
      '--text <file>',
      '.txt (documents separated by a line <|end|>), .json, .jsonl, .csv, .tsv, .parquet, any of them .gz, - (standard input), or hub:org/dataset[/config[/split]]',
    )
    .option('--column <name>', 'column of a table, or field of JSON objects, that holds the text (default: text)')
    .option(
      '--chunk <rule>',
      'documents: each alone, cut to --max-tokens; stream: all joined, in consecutive windows of --max-tokens',
      oneOf('--chunk', chunkRules),
      'documents',
    )
    .option('--documents <n>', 'read only the first n documents or windows', whole('--documents', 1))
    .option(
      '--max-tokens <n>',
      "longest part of a document, or window, that is read (default: the model's context)",
      whole('--max-tokens', 2),
    );
}

export function scoringOptions(command: Command): Command {
  return textOptions(command)
    .option('--tasks <file>', '.jsonl or .json of multiple-choice questions: {"task", "context", "choices", "answer"}')
    .option('--questions <n>', 'answer only the first n questions', whole('--questions', 1));
}

/** What the commands that look inside write, and what their random draws hang on. */
export function findingOptions(command: Command): Command {
  return command
    .option('--sublayers', 'also look between the attention and the MLP of each block')
    .option('--seed <n>', 'of all random draws: the same seed gives the same figures', whole('--seed', 0), 0)
    .option('--output <dir>', 'also write the result, its charts and its page into this new folder')
    .option('--force', 'replace the results that --output already holds');
}

export function lensOptions(command: Command): Command {
  return command
    .option('--top-tokens <k>', 'likeliest tokens told of each point and position', whole('--top-tokens', 1, 1000), 5)
    .option(
      '--colour <figure>',
      `what the heat map is coloured by: ${colours.join(', ')}`,
      oneOf('--colour', colours),
      'probability',
    );
}

export function basisOptions(command: Command): Command {
  return command
    .option(
      '--of <matrix>',
      'embed, or unembed with the final norm in it',
      oneOf('--of', ['embed', 'unembed']),
      'embed',
    )
    .option('--method <method>', `how: ${basisMethods.join(', ')}`, oneOf('--method', basisMethods), 'pca')
    .option(
      '--components <k>',
      'directions (default: 64, at most the hidden size; of a dictionary twice the hidden size)',
      whole('--components', 1),
    )
    .option('--sparsity <s>', 'atoms for each token, of a dictionary', whole('--sparsity', 1, 256), 8);
}

export function outputOptions(command: Command): Command {
  return command
    .option('--output <dir>', 'where the results go (default: a new folder in results/)')
    .option('--no-save', 'leave the operated checkpoint out of the results')
    .option(
      '--max-shard-size <size>',
      'cut the checkpoint into files of at most this size, such as 1GB or 500MB (default: the files of the source)',
      bytes('--max-shard-size'),
    )
    .option('--force', 'replace the results that --output already holds');
}

function variance(text: string): number {
  if (text.includes(',')) throw new SurgeryError('usage', `--variance is ${text}: run takes one threshold`);
  return number('--variance', 0, 1, true)(text);
}

/** An option that takes several of some words, with its default told as it would be typed. */
function listOption<const T extends string>(
  flags: string,
  description: string,
  allowed: readonly T[],
  value: readonly T[],
): Option {
  const name = flags.split(' ')[0] ?? flags;
  return new Option(flags, description).argParser(listOf(oneOf(name, allowed))).default(value, value.join());
}

/** A parser for several of something, between commas. */
export function listOf<T>(one: (text: string) => T): (text: string) => T[] {
  return tagged((text: string) => text.split(',').map((part) => one(part.trim())), tagsOf(one));
}

/** A parser for an option that may be given several times. */
function repeatable<T>(one: (text: string) => T): (text: string, all?: T[]) => T[] {
  return tagged((text: string, all?: T[]) => [...(all ?? []), one(text)], { repeatable: true });
}

/** What a parser tells about its option, for config files and completions. */
interface Tags {
  readonly allowed?: readonly string[];
  readonly repeatable?: boolean;
}

const tags = new WeakMap<object, Tags>();

function tagged<F extends object>(parser: F, own: Tags): F {
  tags.set(parser, own);
  return parser;
}

const tagsOf = (parser: object | undefined): Tags => (parser && tags.get(parser)) ?? {};

/** The words that an option's value may be made of; none where it is free. */
export const allowedOf = ({ parseArg }: Option): readonly string[] => tagsOf(parseArg).allowed ?? [];

/** Whether an option may be given several times. */
export const isRepeatable = ({ parseArg }: Option): boolean => tagsOf(parseArg).repeatable ?? false;

/** "0,5-9" → 0, 5, 6, 7, 8, 9. */
function layerList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, from, to = from] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part) ?? [];
    if (from === undefined || Number(to) < Number(from))
      throw new SurgeryError('usage', `--layers is ${JSON.stringify(text)}, allowed: numbers and ranges such as 0,5-9`);
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
  });
}

/** A parser for a size: KB, MB, GB, TB are powers of 1000, as Hugging Face has them, KiB and so on of 1024. */
export function bytes(option: string): (text: string) => number {
  return (text) => {
    const [, amount, prefix = '', binary] = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B)?\s*$/i.exec(text) ?? [];
    const power = ' KMGT'.indexOf(prefix.toUpperCase() || ' ');
    const size = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** power);
    if (size >= 1 && Number.isSafeInteger(size)) return size;
    throw new SurgeryError(
      'usage',
      `${option} is ${JSON.stringify(text)}, allowed: a size such as 1GB, 500MB, 2GiB or a number of bytes`,
    );
  };
}

/** A parser for one of a few words. */
export function oneOf<const T extends string>(option: string, allowed: readonly T[]): (text: string) => T {
  const parser = (text: string) => {
    const found = allowed.find((word) => word === text);
    if (found === undefined)
      throw new SurgeryError('usage', `${option} is ${JSON.stringify(text)}, allowed: ${allowed.join(', ')}`);
    return found;
  };
  return tagged(parser, { allowed });
}

/** A parser for numbers from `from` to `to`, `from` itself only if not `above`. */
export function number(option: string, from: number, to: number, above = false): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= from && value <= to && !(above && value === from)) return value;
    throw new SurgeryError(
      'usage',
      `${option} is ${JSON.stringify(text)}, allowed: a number ${above ? 'above' : 'from'} ${from} up to ${to}`,
    );
  };
}

export function whole(option: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new SurgeryError(
      'usage',
      `${option} is ${JSON.stringify(text)}, allowed: a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
    );
  };
}
