// The calibration text of a command: what --calibration names, as token ids, and whether it shares text with what is scored.

import { activationWidth } from '../checkpoint/names.ts';
import { Operator } from '../operations/operator.ts';
import { type CompleteRecipe, isCalibrated } from '../operations/recipe.ts';
import { kindOf } from '../operations/registry.ts';
import { counted, integer } from '../platform/counts.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { CalibrationInfo } from '../results/shapes.ts';
import { sharedText } from '../text/shared-text.ts';
import { documentsHash } from '../text/token-ids.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { joinTexts } from '../text/windows.ts';
import { type OpenModel, progressOf } from './model.ts';
import type {
  CalibrationOptions,
  MemoryOptions,
  ModelOptions,
  RuntimeOptions,
  ScoringOptions,
  WeightOptions,
} from './options.ts';
import type { Choices } from './recorded-command.ts';
import { readSource, type Source } from './scoring.ts';

type Ids = readonly (readonly number[])[];

/** A calibration text, ready to be read. */
export interface CalibrationInput {
  readonly documents: Ids;
  readonly info: CalibrationInfo;
  /** The dataset's commit, or the default text if none was named, for the recorded command. */
  readonly chosen: Choices;
}

/** Default of --calibration-tokens: the maximum number of tokens of a calibration text. */
const mostTokens = { pocket: 16_384, others: 32_768 };
/** Maximum number of tokens in a window without --max-tokens. */
const mostTogether = 2048;

type Settings = CalibrationOptions &
  Pick<ScoringOptions, 'maxTokens' | 'chunk'> &
  Pick<ModelOptions, 'offline' | 'quiet'>;

/**
 * Reads the text of --calibration if a recipe needs one. pocket's default is its own training stories.
 * @param scored documents that the variants are scored on
 * @returns undefined if no recipe needs a calibration text
 * @throws SurgeryError `usage` if none is named, `text` for one that cannot be read, and for one that shares text with the
 * scored documents unless --allow-leak is given
 */
export async function calibrationInput(
  options: Partial<Settings>,
  { checkpoint, info }: OpenModel,
  tokenizer: Tokenizer,
  recipes: readonly CompleteRecipe[],
  scored: Ids = [],
): Promise<CalibrationInput | undefined> {
  const { config } = checkpoint;
  const own = recipes.filter((recipe) => isCalibrated(recipe, config));
  if (own.length === 0) {
    if (options.calibration !== undefined)
      progressOf({ quiet: options.quiet }).say('(no operation here looks at a text: --calibration is not read)');
    return undefined;
  }
  const isPocket = info.ref === 'pocket';
  const named = options.calibration ?? (isPocket ? 'builtin' : undefined);
  if (named === undefined)
    throw new SurgeryError(
      'usage',
      `${kindsOf(own)} looks at a calibration text: give --calibration FILE, hub:org/dataset, or builtin`,
    );
  const text = named === 'builtin' ? `builtin:${isPocket ? 'pocket-training' : 'passages'}` : named;
  const source = await readSource({ ...options, quiet: options.quiet, text }, 'calibration');
  const tokens = options.calibrationTokens ?? (isPocket ? mostTokens.pocket : mostTokens.others);
  const window = Math.min(options.maxTokens ?? mostTogether, config.contextLength);
  const { documents, cut } = cutTo(source, tokens, window, options.chunk === 'stream', tokenizer);
  const read = documents.reduce((sum, { length }) => sum + length, 0);
  const shared = sharedText(documents, scored);
  const leak = shared === undefined ? undefined : `the calibration text and the scored text share ${shared}`;
  if (leak !== undefined && !options.allowLeak)
    throw new SurgeryError(
      'text',
      `${leak}: figures would be of a fit to the text that they are measured on; name another --calibration or --text, or add --allow-leak`,
    );
  return {
    documents,
    info: {
      text: source.name,
      documents: documents.length,
      tokens: read,
      maxTokens: window,
      rule: `${cut}; ${positionsRule(own, config)}`,
      documentsSha256: documentsHash(documents),
      ...(leak === undefined ? {} : { leak }),
      ...notesOf(own, read, config),
    },
    chosen: { '--calibration': source.pinned ?? (text === named ? undefined : text) },
  };
}

function kindsOf(recipes: readonly CompleteRecipe[]): string {
  return [...new Set(recipes.flatMap((recipe) => recipe.map(({ kind }) => kind)))].join(', ');
}

/** States which positions the statistics of each kind are summed over. */
function positionsRule(recipes: readonly CompleteRecipe[], config: OpenModel['checkpoint']['config']): string {
  const words = recipes.flat().flatMap((operation) => {
    const need = kindOf(operation).needs?.(operation, config);
    if (!need) return [];
    return `${operation.kind} reads every position${need.withoutFirst ? " but each document's first" : ''}`;
  });
  return [...new Set(words)].join(', ');
}

/** Warns of a text with fewer tokens than the inputs of a projection that is fitted to it. */
function notesOf(
  recipes: readonly CompleteRecipe[],
  tokens: number,
  config: OpenModel['checkpoint']['config'],
): Pick<CalibrationInfo, 'notes'> {
  const widths = recipes.flat().flatMap((operation) => {
    const need = kindOf(operation).needs?.(operation, config);
    return need?.secondMoments ? need.activations.map((name) => activationWidth(config, name)) : [];
  });
  const most = Math.max(0, ...widths);
  if (tokens >= most) return {};
  return {
    notes: [
      `${counted(tokens, 'token')} of calibration do not span the ${integer(most)} inputs of a projection: what they do not show is cut by the weights alone.`,
    ],
  };
}

interface Cut {
  readonly documents: Ids;
  /** The rule of the cut, in words. */
  readonly cut: string;
}

/**
 * Cuts each document into windows, and ends after `tokens` tokens in total.
 * @throws SurgeryError `text` if nothing is left
 */
function cutTo(
  { name, texts, ids }: Source,
  tokens: number,
  window: number,
  isStream: boolean,
  tokenizer: Tokenizer,
): Cut {
  const { bosId } = tokenizer;
  const documents: (readonly number[])[] = [];
  let left = tokens;
  for (const document of ids ?? encodedUpTo(isStream ? [joinTexts(texts)] : texts, tokens, tokenizer)) {
    if (left <= 0) break;
    for (let from = 0; from < document.length && left > 0; from += window) {
      const own = document.slice(from, from + Math.min(window, left));
      const piece = from > 0 && bosId !== undefined && !ids ? [bosId, ...own.slice(1)] : own;
      // A single token is its document's first position and nothing else.
      if (piece.length > 1) documents.push(piece);
      left -= piece.length;
    }
  }
  if (documents.length === 0) throw new SurgeryError('text', `${name}: no document has two tokens to calibrate on`);
  const unit = isStream ? 'all text joined' : 'each document alone';
  const bos = bosId === undefined ? "no BOS, as the model's tokenizer adds none" : 'BOS first in each';
  return {
    documents,
    cut: ids ? 'token ids as given' : `${unit}, in windows of at most ${counted(window, 'token')}, ${bos}`,
  };
}

/** Texts that are encoded at a time, so that only the beginning of a large file is encoded. */
const textsAtOnce = 64;

function* encodedUpTo(texts: readonly string[], tokens: number, tokenizer: Tokenizer): Generator<readonly number[]> {
  for (let at = 0; at < texts.length; at += textsAtOnce)
    yield* tokenizer.encodeAll(texts.slice(at, at + textsAtOnce), tokens);
}

/** Options of an operator, and its calibration text. */
export type OperatorOptions = Pick<RuntimeOptions, 'threads'> &
  MemoryOptions &
  WeightOptions & { readonly calibrated?: CalibrationInput | undefined };

/** The settings of an operator, as options give them. */
export const operatorSettings = ({ dtype, threads, memory, pcaEngine: engine, calibrated }: OperatorOptions) => ({
  dtype,
  threads,
  memory,
  engine,
  calibration: calibrated?.documents,
});

/** Runs the calibration text, if there is one, through the model for all recipes. */
export async function calibrate(
  operator: Operator,
  calibrated: CalibrationInput | undefined,
  recipes: readonly CompleteRecipe[],
  progress: Progress,
): Promise<void> {
  if (!calibrated) return;
  await progress.step(`Calibrating on ${calibrated.info.text}`, 'blocks', (advance) =>
    operator.calibrate(recipes, advance),
  );
}

/** Opens an operator whose calibration statistics are complete for its recipe. */
export async function openOperator(
  options: OperatorOptions,
  recipe: CompleteRecipe | undefined,
  { checkpoint }: OpenModel,
  progress: Progress,
): Promise<Operator> {
  const operator = new Operator(checkpoint, operatorSettings(options));
  try {
    await calibrate(operator, options.calibrated, recipe ? [recipe] : [], progress);
    return operator;
  } catch (error) {
    await operator.close();
    throw error;
  }
}
