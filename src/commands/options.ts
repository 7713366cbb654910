// Options that several commands share: how they are spelled, what they may say, and their defaults.
import { type Command, Option } from 'commander';
import { basisMethods } from '../analyses/basis/methods.ts';
import { type WeightDtype, weightDtypes } from '../checkpoint/dtypes.ts';
import type { Sampling } from '../generate/sampling.ts';
import { type PcaEngine, pcaEngines } from '../operations/kind.ts';
import { matchRules } from '../operations/pca/spec.ts';
import { cores } from '../platform/limits.ts';
import { bytes, listOf, number, oneOf, repeatable, whole } from '../platform/option-values.ts';
import type { Precision } from '../runtime/session.ts';
import { type ChunkRule, chunkRules } from '../text/windows.ts';
import { quoted } from './next-steps.ts';
import { parseShard } from './shard.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly offline?: boolean;
  readonly precision: Precision;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** How weights are computed and written, whatever the operation. */
export interface WritingOptions {
  readonly dtype?: WeightDtype;
  readonly pcaEngine: PcaEngine;
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
    oneOf('--pca-engine', pcaEngines),
    'native',
  );
}

export function writingOptions(command: Command): Command {
  return engineOption(command).option(
    '--dtype <dtype>',
    `dtype of all weights in the file: ${weightDtypes.join(', ')} (default: the source's)`,
    oneOf('--dtype', weightDtypes),
  );
}

/** Partners and controls of a sweep's cells. */
export function comparisonOptions(command: Command): Command {
  return command
    .option(
      '--match <rule,...>',
      `give each shared cell a separate partner that is equal in variance, ${matchRules.join(', ')}`,
      listOf(oneOf('--match', ['variance', ...matchRules] as const)),
    )
    .option('--controls', 'also what no operation, rounding, random directions, noise and another layer do');
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
