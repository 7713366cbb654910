// Options that several commands share: how they are spelled, what they may say, and their defaults.
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { type WeightDtype, weightDtypes } from '../checkpoint/dtypes.ts';
import type { Engine, MeanRule } from '../decompose/group.ts';
import { type Mode, modes } from '../decompose/groups.ts';
import { SurgeryError } from '../errors.ts';
import type { Sampling } from '../measure/sampling.ts';
import type { Precision } from '../runtime/session.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly precision: Precision;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface OperationOptions {
  readonly variance: number;
  readonly mode: Mode;
  readonly mean: MeanRule;
  readonly dtype?: WeightDtype;
  readonly pcaEngine: Engine;
}

export interface SamplingOptions extends Sampling {
  readonly prompt?: string[];
  readonly raw?: boolean;
  readonly seed: number;
  readonly maxNewTokens: number;
}

export interface ScoringOptions {
  readonly text?: string;
  readonly tasks?: string;
  readonly maxTokens?: number;
}

export interface OutputOptions {
  readonly output?: string;
  readonly save: boolean;
  readonly force?: boolean;
}

export function modelOptions(command: Command): Command {
  return command
    .option(
      '--model <ref>',
      'checkpoint folder, pocket, or org/name[@revision] in the Hugging Face cache (default: TinyLlama if cached, else pocket)',
    )
    .option('--offline', 'never touch the network')
    .option('--json', 'print one JSON document on stdout')
    .option('--quiet', 'print no progress');
}

export function runtimeOptions(command: Command): Command {
  return command
    .option(
      '--precision <p>',
      'fp32 (exact) or int8 (weights that are not operated on in 8 bits)',
      oneOf<Precision>('--precision', ['fp32', 'int8']),
      'fp32',
    )
    .option(
      '--threads <n>',
      `threads of a matrix product (default: ${availableParallelism()}, one a core)`,
      whole('--threads', 1, 256),
    );
}

export function modeOption(command: Command): Command {
  return command
    .option(
      '--pca-engine <engine>',
      'native, or ml-pca: a library as a cross-check, very slow on large matrices',
      oneOf<Engine>('--pca-engine', ['native', 'ml-pca']),
      'native',
    )
    .option(
      '--mode <mode>',
      `which projections share one PCA: ${modes.join(', ')}`,
      oneOf('--mode', modes),
      'shared-kv',
    );
}

export function operationOptions(command: Command): Command {
  return modeOption(command)
    .option('--variance <t>', 'share of the variance to keep, above 0 up to 1', variance, 0.9)
    .option(
      '--mean <rule>',
      'keep adds the column means back, drop does not (the original experiment)',
      oneOf('--mean', ['keep', 'drop'] as const),
      'keep',
    )
    .option(
      '--dtype <dtype>',
      `dtype of all weights in the file: ${weightDtypes.join(', ')} (default: the source's)`,
      oneOf('--dtype', weightDtypes),
    );
}

export function samplingOptions(command: Command): Command {
  return command
    .option(
      '--prompt <text>',
      'prompt, repeatable; wrapped in the chat template where the model has one',
      (text: string, all?: string[]) => [...(all ?? []), text],
    )
    .option('--raw', 'take prompts as they are, without the chat template')
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

export function scoringOptions(command: Command): Command {
  return command
    .option(
      '--text <file>',
      '.txt (documents separated by a line <|end|>), .json (list of strings) or .jsonl ({"text"})',
    )
    .option('--tasks <file>', '.jsonl of multiple-choice questions: {"task", "context", "choices", "answer"}')
    .option(
      '--max-tokens <n>',
      "longest part of a document that is read (default: the model's context)",
      whole('--max-tokens', 2),
    );
}

export function outputOptions(command: Command): Command {
  return command
    .option('--output <dir>', 'where the results go (default: a new folder in results/)')
    .option('--no-save', 'leave the operated checkpoint out of the results')
    .option('--force', 'replace the results that --output already holds');
}

function variance(text: string): number {
  if (text.includes(',')) throw new SurgeryError('usage', `--variance is ${text}: run takes one threshold`);
  return number('--variance', 0, 1, true)(text);
}

/** A parser for one of a few words. */
function oneOf<const T extends string>(option: string, allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((word) => word === text);
    if (found === undefined)
      throw new SurgeryError('usage', `${option} is ${JSON.stringify(text)}, allowed: ${allowed.join(', ')}`);
    return found;
  };
}

/** A parser for numbers from `from` to `to`, `from` itself only if not `above`. */
function number(option: string, from: number, to: number, above = false): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= from && value <= to && !(above && value === from)) return value;
    throw new SurgeryError(
      'usage',
      `${option} is ${JSON.stringify(text)}, allowed: a number ${above ? 'above' : 'from'} ${from} up to ${to}`,
    );
  };
}

function whole(option: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new SurgeryError(
      'usage',
      `${option} is ${JSON.stringify(text)}, allowed: a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
    );
  };
}
