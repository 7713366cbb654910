// Documents and questions as the scoring commands use them.
import { join } from 'node:path';
import type { TextRead } from '../analyses/shapes.ts';
import { pocketFolder } from '../hub/model-reference.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { intervalRule, type ScoredText, scoringRule } from '../scores/likelihood.ts';
import { type EncodedQuestion, encodeTasks, taskRule } from '../scores/tasks.ts';
import { passages } from '../text/default-passages.ts';
import { readTasks, readTexts, requireDocuments } from '../text/documents.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { joinTexts, streamRule, windowsOf } from '../text/windows.ts';
import { type OpenModel, progressOf } from './model.ts';
import type { ModelOptions, ScoringOptions } from './options.ts';

/** Documents as token ids, and questions, ready to be scored. */
export interface ScoringInput {
  readonly documents: readonly (readonly number[])[];
  readonly about: Omit<ScoredText, 'tokens'>;
  readonly tasks?: { readonly file: string; readonly rule: string; readonly questions: readonly EncodedQuestion[] };
}

/**
 * The documents and questions of --text, --chunk, --tasks and --max-tokens. Without --text: pocket's held-out stories, or the built-in
 * passages.
 * @throws SurgeryError `text` for texts that cannot be read or scored, and as the download of a dataset does
 */
export async function scoringInput(
  options: ScoringOptions & Pick<ModelOptions, 'offline' | 'quiet'>,
  { checkpoint, info }: OpenModel,
  tokenizer: Tokenizer,
): Promise<ScoringInput> {
  const source = await readSource(options, info.ref === 'pocket');
  const context = checkpoint.config.contextLength;
  const hasBos = tokenizer.bosId !== undefined;
  const maxTokens = Math.min(options.maxTokens ?? context, context);
  const { documents, about } =
    options.chunk === 'stream'
      ? await streamed(options, source, tokenizer, maxTokens)
      : eachAlone(options, source, tokenizer, maxTokens);
  const { tasks: file } = options;
  return {
    documents,
    about: {
      text: source.name,
      documents: documents.length,
      maxTokens,
      intervalRule: intervalRule(options.chunk),
      ...about,
    },
    ...(file
      ? { tasks: { file, rule: taskRule(hasBos), questions: await readQuestions(options, file, tokenizer, context) } }
      : {}),
  };
}

/** What results of analyses record of the text that they read. */
export function textRead({ text, documents, chunk, cut, maxTokens }: ScoringInput['about']): TextRead {
  return { text, documents, ...(chunk ? { chunk } : {}), cut, maxTokens };
}

interface Source {
  readonly name: string;
  readonly texts: readonly string[];
}

async function readSource(
  { text, column, offline, quiet }: ScoringOptions & Pick<ModelOptions, 'offline' | 'quiet'>,
  pocket: boolean,
): Promise<Source> {
  if (text?.startsWith('hub:')) {
    const { parseDatasetReference, resolveDataset } = await import('../hub/dataset.ts');
    const { readParquetTexts } = await import('../text/parquet.ts');
    const { name, files } = await resolveDataset(parseDatasetReference(text), offline, progressOf({ quiet }));
    return { name: withColumn(name, column), texts: await readParquetTexts(files, column, name) };
  }
  if (text !== undefined) return { name: withColumn(text, column), texts: await readTexts(text, column) };
  if (column !== undefined)
    throw new SurgeryError('usage', '--column names the column of a --text that has some: give one, or leave it out');
  if (pocket) return { name: "pocket's held-out stories", texts: await readTexts(join(pocketFolder, 'valid.txt')) };
  return { name: 'the built-in passages', texts: passages };
}

/** The text's name in results, with the column if --column names one. */
function withColumn(name: string, column: string | undefined): string {
  const known = name === '-' ? 'standard input' : name;
  return column === undefined ? known : `${known}, column ${JSON.stringify(column)}`;
}

/** The token ids to score, and what results record of how they were cut. */
interface Cut {
  readonly documents: readonly (readonly number[])[];
  readonly about: Pick<ScoredText, 'chunk' | 'cut' | 'rule'>;
}

function eachAlone(
  { documents: count }: ScoringOptions,
  { name, texts }: Source,
  tokenizer: Tokenizer,
  maxTokens: number,
): Cut {
  const chosen = requireDocuments(texts, name).slice(0, count);
  const encoded = encodeEach(tokenizer, chosen, maxTokens);
  const documents = encoded.map(({ ids }) => ids).filter((ids) => ids.length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', `${name}: no document has two tokens, so there is nothing to score`);
  const cut = encoded.filter((one) => one.cut).length;
  return { documents, about: { cut, rule: scoringRule(tokenizer.bosId !== undefined) } };
}

async function streamed(
  { documents: count = Number.POSITIVE_INFINITY, quiet }: ScoringOptions & Pick<ModelOptions, 'quiet'>,
  { name, texts }: Source,
  tokenizer: Tokenizer,
  maxTokens: number,
): Promise<Cut> {
  requireDocuments(texts, name);
  const { value: encoded } = await progressOf({ quiet }).step(`Tokenising ${name}`, 'tokens', async () =>
    itemAt(encodeEach(tokenizer, [joinTexts(texts)], Math.min(count * maxTokens, Number.MAX_SAFE_INTEGER - 1)), 0),
  );
  const { windows, rest } = windowsOf(encoded.ids, maxTokens, tokenizer.bosId);
  if ((windows[0]?.length ?? 0) < 2) throw new SurgeryError('text', `${name} has no two tokens: nothing to score`);
  const rule = streamRule(texts.length, maxTokens, encoded.cut ? undefined : rest, tokenizer.bosId !== undefined);
  return { documents: windows, about: { chunk: 'stream', cut: 0, rule } };
}

interface Encoded {
  readonly ids: number[];
  /** Whether the text goes on. */
  readonly cut: boolean;
}

/** The first `maxTokens` of each text. */
function encodeEach(tokenizer: Tokenizer, texts: readonly string[], maxTokens: number): Encoded[] {
  return tokenizer
    .encodeAll(texts, maxTokens + 1)
    .map((ids) => ({ ids: ids.slice(0, maxTokens), cut: ids.length > maxTokens }));
}

/** @throws SurgeryError `text` for questions that do not fit the model's context */
async function readQuestions(
  { questions, quiet }: ScoringOptions & Pick<ModelOptions, 'quiet'>,
  file: string,
  tokenizer: Tokenizer,
  context: number,
): Promise<EncodedQuestion[]> {
  const tasks = (await readTasks(file)).slice(0, questions);
  const { value } = await progressOf({ quiet }).step(`Tokenising ${file}`, 'questions', (onProgress) =>
    encodeTasks(tasks, file, tokenizer, context, onProgress),
  );
  return value;
}
