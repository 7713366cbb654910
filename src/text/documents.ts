// Files of text and of multiple-choice questions → documents and tasks.
import { z } from 'zod';
import { aText, optional, requireArgument } from '../platform/arguments.ts';
import { messageOf, SurgeryError, shown } from '../platform/errors.ts';
import { isParquet, readParquetTexts } from './parquet.ts';
import { defaultColumn, readSeparatedTexts, requireColumn, textOf } from './tables.ts';
import { decodeText, extensionOf, readContents, taskFormats, textFormats } from './text-file.ts';

/** A multiple-choice question: `choices[answer]` is the right continuation of `context`. */
export interface Question {
  /** Kind of question, by which accuracies are grouped. */
  readonly task: string;
  readonly context: string;
  readonly choices: readonly string[];
  readonly answer: number;
}

/**
 * Reads the documents of a file, or of standard input for `-`. Blank texts are left out.
 *
 * A name's extension says what a file is, before `.gz` where gzip packed it: `.json` and `.jsonl` (also `.ndjson`) hold
 * a list, or lines, of strings or of objects with a field for the text; `.csv`, `.tsv` and `.parquet` a column. Under any
 * other name the content counts where it is plainly Parquet, JSON, or separated values under names of which one is the
 * column's. All else is plain text, whose documents are separated by a line `<|end|>`; a file with such a line is always
 * plain text.
 * @param column that holds the text, or the field of each object (default: `text`)
 * @throws SurgeryError `text` for what cannot be read, with the line, item or row, for a file that is not text, and if
 * no document is left; `usage` for a column of a file that has none
 */
export async function readDocuments(file: string, column?: string): Promise<string[]> {
  requireArgument('file', file, aText);
  requireArgument('column', column, optional(aText));
  return requireDocuments(await readTexts(file, column), file);
}

/** {@link readDocuments} with blank texts kept. */
export async function readTexts(file: string, column?: string): Promise<string[]> {
  const named = extensionOf(file);
  if (named.extension === '.parquet' && !named.packed) return readParquetTexts([file], column, file);
  const contents = await readContents(file, textFormats);
  if (isParquet(contents.bytes)) return readParquetTexts([contents.bytes], column, contents.name);
  const text = decodeText(contents);
  if (text.trim() === '') return [];
  const fromName = formats[contents.extension];
  const format = fromName ?? formatOf(text, column ?? defaultColumn);
  const name = fromName || format === 'plain' ? contents.name : `${contents.name} (which begins as .${format} does)`;
  switch (format) {
    case 'json':
      return jsonItems(text, name).map(({ value, where }) => textOfItem(value, column, where));
    case 'csv':
      return readSeparatedTexts(text, ',', column, name);
    case 'tsv':
      return readSeparatedTexts(text, '\t', column, name);
    case 'plain':
      if (column === undefined) return plainTexts(text);
      throw new SurgeryError(
        'usage',
        `--column is for files with columns or fields, ${name} is plain text: leave it out`,
      );
  }
}

/**
 * Documents of a JSON file that holds token ids instead of texts: lists of them, or an object with such lists under names.
 * @param part the name of the lists to read
 * @returns nothing for any other file
 * @throws SurgeryError `text` for a file of token ids under other names
 */
export async function readTokenIds(file: string, part: string): Promise<(readonly number[])[] | undefined> {
  if (!/\.json(\.gz)?$/i.test(file)) return undefined;
  const contents = await readContents(file, textFormats);
  const text = decodeText(contents);
  // A cheap look first, as most JSON holds texts.
  if (!/\[\s*\[\s*\d/.test(text)) return undefined;
  const value = parseJson(text, contents.name);
  const all = Array.isArray(value) ? { [part]: value } : (value as Readonly<Record<string, unknown>>);
  const known = Object.keys(all).filter((name) => isIds(all[name]));
  if (known.length === 0) return undefined;
  const found = all[part];
  if (isIds(found)) return found;
  throw new SurgeryError('text', `${contents.name} holds token ids under ${known.join(', ')}, and none under ${part}`);
}

function isIds(value: unknown): value is (readonly number[])[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one) => Array.isArray(one) && one.length > 0 && one.every((id) => Number.isInteger(id)))
  );
}

/**
 * The texts that are not blank.
 * @param name of their source, for messages
 * @throws SurgeryError `text` if all are blank
 */
export function requireDocuments(texts: readonly string[], name: string): string[] {
  const documents = texts.filter((text) => text.trim() !== '');
  if (documents.length === 0) throw new SurgeryError('text', `${name} holds no text to score`);
  return documents;
}

const taskSchema = z
  .object({
    task: z.string().default('all'),
    context: z.string(),
    choices: z.array(z.string().min(1)).min(2),
    answer: z.int().nonnegative(),
  })
  .refine(({ choices, answer }) => answer < choices.length, 'answer is not the number of a choice, counted from 0');

/** @throws SurgeryError `usage` for what are no questions */
export function requireQuestions(questions: readonly Question[]): void {
  requireArgument('tasks', questions, {
    words: 'a list of questions, {"task", "context", "choices", "answer"}',
    test: (value) => Array.isArray(value) && value.every((one) => taskSchema.safeParse(one).success),
  });
}

/**
 * Reads multiple-choice questions from JSON, as a list or one on each line: `{"task", "context", "choices", "answer"}`.
 * @throws SurgeryError `text`, with the line or item
 */
export async function readTasks(file: string): Promise<Question[]> {
  requireArgument('file', file, aText);
  const contents = await readContents(file, taskFormats);
  const tasks = jsonItems(decodeText(contents), contents.name).map(({ value, where }) => {
    const parsed = taskSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new SurgeryError('text', `${where}: ${issue?.path.join('.') || 'the question'}: ${issue?.message}`);
  });
  if (tasks.length === 0) throw new SurgeryError('text', `${contents.name} holds no questions`);
  return tasks;
}

type Format = 'json' | 'csv' | 'tsv' | 'plain';

const formats: Readonly<Record<string, Format>> = {
  '.json': 'json',
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
};

/** A line between two documents of plain text. */
const end = /(?:^|\r?\n|(?<=\n))<\|end\|>[ \t]*(?:\r?\n|$)/;

/** A line that ends the last text too leaves nothing after it. */
function plainTexts(text: string): string[] {
  const texts = text.split(end);
  return texts.at(-1) === '' ? texts.slice(0, -1) : texts;
}

/** What the content of a file plainly is whose name does not say it. */
function formatOf(text: string, column: string): Format {
  if (end.test(text)) return 'plain';
  if (looksLikeJson(text)) return 'json';
  const [first = ''] = /[^\r\n]+/.exec(text) ?? [];
  const isHeader = (delimiter: string) => {
    const names = first.split(delimiter).map((name) => name.replace(/^"(.*)"$/, '$1'));
    // In a sentence a blank comes after each comma.
    return names.length > 1 && names.includes(column) && names.every((name) => name.trim() === name);
  };
  if (isHeader(',')) return 'csv';
  return isHeader('\t') ? 'tsv' : 'plain';
}

/** A whole list or object, or an object on the first line and what begins as one on the next. */
function looksLikeJson(text: string): boolean {
  const [first = '', second = ''] = text.trimStart().split(/\s*\n\s*/, 2);
  if (first.startsWith('{') && second.startsWith('{') && isJson(first)) return true;
  return /^[[{]/.test(first) && isJson(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Item {
  readonly value: unknown;
  readonly where: string;
}

/** What a list holds, or else the lines; an object over several lines is one item. */
function jsonItems(text: string, name: string): Item[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (trimmed.startsWith('[') || (trimmed.includes('\n') && isJson(trimmed))) {
    const value = parseJson(text, name);
    if (Array.isArray(value)) return value.map((one, i) => ({ value: one, where: `${name}, item ${i + 1}` }));
    return [{ value, where: name }];
  }
  return text
    .split('\n')
    .map((content, i) => ({ content, where: `${name}, line ${i + 1}` }))
    .filter(({ content }) => content.trim() !== '')
    .map(({ content, where }) => ({ value: parseJson(content, where), where }));
}

function textOfItem(value: unknown, column: string | undefined, where: string): string {
  if (typeof value === 'string' && column === undefined) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SurgeryError('text', `${where} is ${shown(value)}, expected {"${column ?? defaultColumn}": "…"}`);
  const field = requireColumn(Object.keys(value), column, where);
  return textOf((value as Record<string, unknown>)[field], field, where);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SurgeryError('text', `${where} is not valid JSON: ${messageOf(cause)}`, cause);
  }
}
