// Documents and questions as the scoring commands use them.
import { join } from 'node:path';
import { pocketFolder } from '../checkpoint/reference.ts';
import { SurgeryError } from '../errors.ts';
import { readDocuments, readTasks, type Task } from '../measure/documents.ts';
import { passages } from '../measure/passages.ts';
import { scoringRule } from '../measure/score.ts';
import type { ScoredText } from '../report/results.ts';
import type { Tokenizer } from '../runtime/tokenizer.ts';
import type { OpenModel } from './model.ts';
import type { ScoringOptions } from './options.ts';

/** Documents as token ids, and questions, ready to be scored. */
export interface ScoringInput {
  readonly documents: readonly (readonly number[])[];
  readonly about: Omit<ScoredText, 'tokens'>;
  readonly tasks?: { readonly file: string; readonly rows: readonly Task[] };
}

/** What --text, --tasks and --max-tokens ask for. Without --text: pocket's held-out stories, or the built-in passages. */
export async function scoringInput(
  options: ScoringOptions,
  { checkpoint, info }: OpenModel,
  tokenizer: Tokenizer,
): Promise<ScoringInput> {
  const pocket = info.ref === 'pocket';
  const text = options.text ?? (pocket ? "pocket's held-out stories" : 'the built-in passages');
  const file = options.text ?? (pocket ? join(pocketFolder, 'valid.txt') : undefined);
  const texts = file === undefined ? passages : await readDocuments(file);
  const context = checkpoint.config.contextLength;
  const maxTokens = Math.min(options.maxTokens ?? context, context);
  const documents = texts
    .map((document) => tokenizer.encode(document).slice(0, maxTokens))
    .filter((ids) => ids.length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', `${text}: no document has two tokens, so there is nothing to score`);
  return {
    documents,
    about: { text, documents: documents.length, maxTokens, rule: scoringRule },
    ...(options.tasks ? { tasks: { file: options.tasks, rows: await readTasks(options.tasks) } } : {}),
  };
}
