// Documents and questions as the scoring commands use them.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TextRead } from '../analyses/shapes.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { pocketFolder } from '../hub/model-reference.ts';
import { commandLine } from '../platform/command-line.ts';
import { counted } from '../platform/counts.ts';
import { messageOf, SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { parseJson } from '../platform/strict-json.ts';
import { readScoredRecord, recordName, type ScoredRecord } from '../results/scored-record.ts';
import { givenIdsRule, intervalRule, type ScoredText, scoringRule } from '../scores/likelihood.ts';
import { type EncodedQuestion, encodeTasks, taskRule } from '../scores/tasks.ts';
import { passages } from '../text/default-passages.ts';
import { readTasks, readTexts, readTokenIds, requireDocuments } from '../text/documents.ts';
import { documentsHash, requireDocumentIds } from '../text/token-ids.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { joinTexts, streamRule, windowsOf } from '../text/windows.ts';
import { type OpenModel, progressOf } from './model.ts';
import type { ModelOptions, ScoringOptions } from './options.ts';
import type { Choices } from './recorded-command.ts';

/** Documents as token ids, and questions, ready to be scored. */
export interface ScoringInput {
  readonly documents: readonly (readonly number[])[];
  /** Names the documents' token ids and where each document ends: texts of one hash are scored on the same tokens. */
  readonly documentsSha256: string;
  readonly about: Omit<ScoredText, 'tokens'>;
  readonly tasks?: { readonly file: string; readonly rule: string; readonly questions: readonly EncodedQuestion[] };
  /** Settings that score the same text again, as surgery.json in a written checkpoint records them. */
  readonly record: ScoredRecord;
  /** Of the options, those that came from the checkpoint's own record, and the commit of a dataset. */
  readonly chosen: Choices;
}

/** The options that choose the text and how it is cut. */
type TextSettings = Pick<ScoringOptions, 'text' | 'column' | 'chunk' | 'documents' | 'maxTokens'>;

/**
 * The documents and questions of --text, --chunk, --tasks and --max-tokens. Without --text: what a checkpoint written by
 * `run` was scored on, cut as it was; else pocket's held-out stories for pocket, and the built-in passages for others.
 * @param base the model to compare with: next to pocket, its stories
 * @throws SurgeryError `text` for texts that cannot be read or scored, and as the download of a dataset does
 */
export async function scoringInput(
  options: ScoringOptions & Pick<ModelOptions, 'offline' | 'quiet'>,
  { checkpoint, info }: OpenModel,
  tokenizer: Tokenizer,
  base?: OpenModel,
): Promise<ScoringInput> {
  const own = options.text === undefined ? await recordOf(checkpoint, info) : undefined;
  const isPocket = [info, base?.info].some((one) => one?.ref === 'pocket');
  const settings: TextSettings & Required<Pick<TextSettings, 'text' | 'chunk'>> = {
    text: isPocket ? 'builtin:pocket' : 'builtin:passages',
    chunk: 'documents',
    ...(own && settingsOf(own.record)),
    ...given(options),
  };
  if (own) await requireText(own);
  const say = (line: string) => progressOf(options).say(line);
  if (own) say(`Text as its run scored it (${join(own.name, recordName)}): ${fromRecord(own.record, options)}`);
  const source = await readSource({ ...options, ...settings });
  const context = checkpoint.config.contextLength;
  const hasBos = tokenizer.bosId !== undefined;
  const maxTokens = Math.min(settings.maxTokens ?? context, context);
  const { documents, about } = source.ids
    ? asGiven(settings, source.name, source.ids, maxTokens)
    : settings.chunk === 'stream'
      ? await streamed({ ...options, ...settings }, source, tokenizer, maxTokens)
      : eachAlone(settings, source, tokenizer, maxTokens);
  requireDocumentIds(documents, checkpoint.config);
  const oneCut = about.cut === 1 ? oneOfParagraphs(source, maxTokens) : undefined;
  if (oneCut) say(oneCut);
  const documentsSha256 = documentsHash(documents);
  const text = source.pinned ?? settings.text;
  if (own && Object.keys(given(options)).length === 0) requireSame(own, documentsSha256);
  const { tasks: file } = options;
  return {
    documents,
    documentsSha256,
    record: { ...settings, text, maxTokens, rule: about.rule, documentsSha256 },
    chosen: { ...(own ? optionsOf(settings) : {}), ...(source.pinned === undefined ? {} : { '--text': text }) },
    about: {
      text: source.name,
      documents: documents.length,
      maxTokens,
      intervalRule: intervalRule(settings.chunk),
      ...about,
    },
    ...(file
      ? { tasks: { file, rule: taskRule(hasBos), questions: await readQuestions(options, file, tokenizer, context) } }
      : {}),
  };
}

/** The text of an analysis, as its result records it. */
export function textRead({ text, documents, chunk, cut, maxTokens }: ScoringInput['about']): TextRead {
  return { text, documents, ...(chunk ? { chunk } : {}), cut, maxTokens };
}

/** The surgery.json of a folder that a run wrote, and the folder's name in messages. */
interface OwnRecord {
  readonly record: ScoredRecord;
  readonly name: string;
}

/** Read only from a local folder: a model of the Hub must not choose which file is read. */
async function recordOf(
  { folder }: OpenModel['checkpoint'],
  { ref }: OpenModel['info'],
): Promise<OwnRecord | undefined> {
  const text = folder === ref ? await readText(folder, recordName, maxBytes.config) : undefined;
  if (text === undefined) return undefined;
  try {
    return { record: readScoredRecord(parseJson(text)), name: ref };
  } catch (cause) {
    const message = `${join(folder, recordName)} ${messageOf(cause)}: give --text, or remove the file`;
    throw new SurgeryError('text', message, cause);
  }
}

function settingsOf({ text, column, chunk, documents, maxTokens }: ScoredRecord): TextSettings {
  return given({ text, column, chunk, documents, maxTokens });
}

/** The settings that have a value. */
function given({ text, column, chunk, documents, maxTokens }: TextSettings): TextSettings {
  const all = { text, column, chunk, documents, maxTokens };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The settings that come from a record, as options of a command line. */
function fromRecord(record: ScoredRecord, options: TextSettings): string {
  const own = Object.entries(settingsOf(record)).filter(([key]) => options[key as keyof TextSettings] === undefined);
  return commandLine(
    Object.entries(optionsOf(Object.fromEntries(own))).flatMap(([option, value]) =>
      value === undefined ? [] : [option, value],
    ),
  );
}

function optionsOf({ text, column, chunk, documents, maxTokens }: TextSettings): Choices {
  return {
    '--text': text,
    '--column': column,
    '--chunk': chunk,
    '--documents': documents?.toString(),
    '--max-tokens': maxTokens?.toString(),
  };
}

/** @throws SurgeryError `text` where the run's text cannot be had again */
async function requireText({ record: { text }, name }: OwnRecord): Promise<void> {
  if (/^(builtin|hub):/.test(text)) return;
  const isFile = text !== '-' && (await stat(text).catch(() => undefined))?.isFile();
  if (isFile) return;
  const lost = text === '-' ? 'standard input, which is gone' : `${text}, which is not there`;
  throw new SurgeryError('text', `${name}: its run scored ${lost}: give --text`);
}

/** @throws SurgeryError `text` where the run's text has other tokens than it had */
function requireSame({ record, name }: OwnRecord, documentsSha256: string): void {
  if (record.documentsSha256 === documentsSha256) return;
  const [then, now] = [record.documentsSha256, documentsSha256].map((hash) => `${hash.slice(0, 16)}…`);
  throw new SurgeryError(
    'text',
    `${name}: its run scored ${record.text}, which has other tokens now (SHA-256 ${then}, now ${now}): give --text`,
  );
}

export interface Source {
  readonly name: string;
  /** As --text takes it, so that it leads to the same text later, where the name alone does not. */
  readonly pinned?: string;
  readonly texts: readonly string[];
  /** Token ids, where a file holds them instead of texts. */
  readonly ids?: readonly (readonly number[])[];
}

/** The texts that come with the program. */
const builtin: Readonly<Record<string, () => Source | Promise<Source>>> = {
  pocket: async () => ({ name: "pocket's held-out stories", texts: await readTexts(join(pocketFolder, 'valid.txt')) }),
  'pocket-training': async () => ({
    name: "pocket's training stories",
    texts: await readTexts(join(pocketFolder, 'calibration.txt')),
  }),
  passages: () => ({ name: 'the built-in passages', texts: passages }),
};

/**
 * @param part of a file of token ids, `{"calibration": [[…]], "evaluation": [[…]]}`
 * @throws SurgeryError `text` for a text that there is not or that cannot be read
 */
export async function readSource(
  {
    text,
    column,
    offline,
    quiet,
  }: Pick<TextSettings, 'column'> & { readonly text: string } & Partial<Pick<ModelOptions, 'offline' | 'quiet'>>,
  part: 'evaluation' | 'calibration' = 'evaluation',
): Promise<Source> {
  if (text.startsWith('builtin:')) {
    const read = builtin[text.slice('builtin:'.length)];
    const allowed = Object.keys(builtin).map((name) => `builtin:${name}`);
    if (!read) throw new SurgeryError('text', `there is no text ${text}, allowed: ${allowed.join(', ')}`);
    if (column !== undefined) throw new SurgeryError('usage', `--column: ${text} has no columns, leave it out`);
    return read();
  }
  if (text.startsWith('hub:')) {
    const { parseDatasetReference, resolveDataset } = await import('../hub/dataset.ts');
    const { readParquetTexts } = await import('../text/parquet.ts');
    const found = await resolveDataset(parseDatasetReference(text), offline, progressOf({ quiet }));
    const { name, pinned, files } = found;
    return { name: withColumn(name, column), pinned, texts: await readParquetTexts(files, column, name) };
  }
  const ids = await readTokenIds(text, column ?? part);
  if (ids) return { name: withColumn(text, column), texts: [], ids };
  return { name: withColumn(text, column), texts: await readTexts(text, column) };
}

/** The text's name in results, with the column if --column names one. */
function withColumn(name: string, column: string | undefined): string {
  const known = name === '-' ? 'standard input' : name;
  return column === undefined ? known : `${known}, column ${JSON.stringify(column)}`;
}

/** The token ids to score, and what results record of how they were cut. */
interface Cut {
  readonly documents: readonly (readonly number[])[];
  readonly about: Pick<ScoredText, 'chunk' | 'cut' | 'unread' | 'isCounted' | 'rule'>;
}

/** Documents of token ids. @throws SurgeryError `usage` where they are to be joined, `text` where there is nothing to score */
function asGiven(
  { chunk, documents: count }: TextSettings,
  name: string,
  ids: NonNullable<Source['ids']>,
  maxTokens: number,
): Cut {
  if (chunk === 'stream')
    throw new SurgeryError('usage', `--chunk stream joins texts, ${name} holds token ids of documents: leave it out`);
  const chosen = ids.slice(0, count);
  const documents = chosen.map((one) => one.slice(0, maxTokens)).filter((one) => one.length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', `${name}: no document has two tokens, so there is nothing to score`);
  return {
    documents,
    about: { cut: chosen.filter(({ length }) => length > maxTokens).length, rule: givenIdsRule },
  };
}

function eachAlone(
  { documents: count }: TextSettings,
  { name, texts }: Source,
  tokenizer: Tokenizer,
  maxTokens: number,
): Cut {
  const chosen = requireDocuments(texts, name).slice(0, count);
  const encoded = encodeEach(tokenizer, chosen, maxTokens);
  const documents = encoded.map(({ ids }) => ids).filter((ids) => ids.length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', `${name}: no document has two tokens, so there is nothing to score`);
  const cut = encoded.flatMap(({ ids, cut: isCut }, i) => (isCut ? { text: itemAt(chosen, i), ids } : []));
  return {
    documents,
    about: { cut: cut.length, ...unreadOf(cut, tokenizer), rule: scoringRule(tokenizer.bosId !== undefined) },
  };
}

/** What to do about a text of paragraphs that is cut because it is one document; nothing for any other. */
function oneOfParagraphs({ name, texts }: Source, maxTokens: number): string | undefined {
  const [text = '', ...others] = texts.filter((one) => one.trim() !== '');
  const paragraphs = text.split(/\r?\n[ \t]*\r?\n/).filter((one) => one.trim() !== '').length;
  if (others.length > 0 || paragraphs < 2) return undefined;
  return (
    `${name} is one document of ${counted(paragraphs, 'paragraph')}, cut to ${counted(maxTokens, 'token')}: ` +
    '--chunk stream reads all of it; in plain text a line <|end|> separates documents'
  );
}

/** Characters that are tokenised, in less than a second, to count what is not read of them. */
const mostCounted = 100_000;

/** Tokens of documents after those that are read: counted in short texts, in longer ones estimated to one digit. */
function unreadOf(
  cut: readonly { readonly text: string; readonly ids: readonly number[] }[],
  tokenizer: Tokenizer,
): Pick<ScoredText, 'unread' | 'isCounted'> {
  if (cut.length === 0) return {};
  const sum = (all: readonly number[]) => all.reduce((total, one) => total + one, 0);
  if (sum(cut.map(({ text }) => text.length)) > mostCounted)
    return { unread: Number(sum(cut.map(({ text, ids }) => restOf(text, ids, tokenizer))).toPrecision(1)) };
  const whole = tokenizer.encodeAll(cut.map(({ text }) => text));
  return { unread: sum(lengthsOf(whole)) - sum(lengthsOf(cut.map(({ ids }) => ids))), isCounted: true };
}

const lengthsOf = (all: readonly (readonly number[])[]) => all.map(({ length }) => length);

/** Estimated number of tokens after the first ones, at the same number of tokens per character. */
function restOf(text: string, ids: readonly number[], tokenizer: Tokenizer): number {
  const characters = tokenizer.decode(ids).length;
  return Math.round((ids.length * Math.max(text.length - characters, 0)) / Math.max(characters, 1));
}

async function streamed(
  { documents: count = Number.POSITIVE_INFINITY, quiet }: TextSettings & Pick<ModelOptions, 'quiet'>,
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
  /** Whether the text was longer. */
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
