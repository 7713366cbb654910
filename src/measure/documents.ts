// Files of text and of multiple-choice questions → documents and tasks.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { z } from 'zod';
import { messageOf, SurgeryError, systemMessage } from '../errors.ts';

/** A multiple-choice question: `choices[answer]` is the right continuation of `context`. */
export interface Task {
  /** Kind of question, by which accuracies are grouped. */
  readonly task: string;
  readonly context: string;
  readonly choices: readonly string[];
  readonly answer: number;
}

/**
 * The texts of a file: .json (a list of strings), .jsonl (`{"text": …}` a line), and any other as plain text whose
 * documents are separated by a line `<|end|>`.
 * @throws SurgeryError `text`, with the line for .jsonl
 */
export async function readTexts(file: string): Promise<string[]> {
  return split(await readTextFile(file), file);
}

/** The documents of a file: its texts without blank ones. @throws SurgeryError `text`, also if none is left */
export async function readDocuments(file: string): Promise<string[]> {
  return requireDocuments(await readTexts(file), file);
}

/** Those of some texts that are more than blank. @throws SurgeryError `text` if none is; `name` is what they are */
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

/**
 * The questions of a .jsonl file, a line each: `{"task", "context", "choices", "answer"}`.
 * @throws SurgeryError `text`, with the line
 */
export async function readTasks(file: string): Promise<Task[]> {
  const tasks = jsonLines(await readTextFile(file), file).map(({ value, line }) => {
    const parsed = taskSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new SurgeryError('text', `${file}, line ${line}: ${issue?.path.join('.') || 'the line'}: ${issue?.message}`);
  });
  if (tasks.length === 0) throw new SurgeryError('text', `${file} holds no questions`);
  return tasks;
}

function split(text: string, file: string): string[] {
  switch (extname(file).toLowerCase()) {
    case '.json': {
      const parsed = z.array(z.string()).safeParse(parseJson(text, file));
      if (!parsed.success)
        throw new SurgeryError('text', `${file} is not a list of strings, which a .json of documents has to be`);
      return parsed.data;
    }
    case '.jsonl':
      return jsonLines(text, file).map(({ value, line }) => {
        const parsed = z.object({ text: z.string() }).safeParse(value);
        if (!parsed.success) throw new SurgeryError('text', `${file}, line ${line}: expected {"text": "…"}`);
        return parsed.data.text;
      });
    default:
      return text.split(/(?:^|\r?\n)<\|end\|>[ \t]*(?:\r?\n|$)/);
  }
}

function jsonLines(text: string, file: string): { value: unknown; line: number }[] {
  return text
    .split('\n')
    .map((content, i) => ({ content, line: i + 1 }))
    .filter(({ content }) => content.trim() !== '')
    .map(({ content, line }) => ({ value: parseJson(content, `${file}, line ${line}`), line }));
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SurgeryError('text', `${where} is not valid JSON: ${messageOf(cause)}`, cause);
  }
}

/** @throws SurgeryError `text` for a file that cannot be read, or is no UTF-8 */
export async function readTextFile(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new SurgeryError('text', `${file} cannot be read: ${systemMessage(cause)}`, cause);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SurgeryError('text', `${file} is not UTF-8 text`, cause);
  }
}
