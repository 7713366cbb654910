// Documents and questions as the scoring commands use them.
import { join } from 'node:path';
import { pocketFolder } from '../checkpoint/reference.ts';
import { SurgeryError } from '../errors.ts';
import { readDocuments, readTasks, type Task } from '../measure/documents.ts';
import { passages } from '../measure/passages.ts';
import { intervalRule, type ScoredText, scoringRule } from '../measure/score.ts';
import { taskRule } from '../measure/tasks.ts';
import type { Tokenizer } from '../runtime/tokenizer.ts';
import type { OpenModel } from './model.ts';
import type { ScoringOptions } from './options.ts';

/** Documents as token ids, and questions, ready to be scored. */
export interface ScoringInput {
  readonly documents: readonly (readonly number[])[];
  readonly about: Omit<ScoredText, 'tokens'>;
  readonly tasks?: { readonly file: string; readonly rule: string; readonly rows: readonly Task[] };
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
  const all = file === undefined ? passages : await readDocuments(file);
  const texts = all.slice(0, options.documents);
  const context = checkpoint.config.contextLength;
  const hasBos = tokenizer.bosId !== undefined;
  const maxTokens = Math.min(options.maxTokens ?? context, context);
  const encoded = texts.map((one) => encodeUpTo(tokenizer, one, maxTokens));
  const documents = encoded.map(({ ids }) => ids).filter((ids) => ids.length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', `${text}: no document has two tokens, so there is nothing to score`);
  return {
    documents,
    about: {
      text,
      documents: documents.length,
      cut: encoded.filter(({ cut }) => cut).length,
      maxTokens,
      rule: scoringRule(hasBos),
      intervalRule,
    },
    ...(options.tasks
      ? {
          tasks: {
            file: options.tasks,
            rule: taskRule(hasBos),
            rows: await fittingTasks(options, options.tasks, tokenizer, context),
          },
        }
      : {}),
  };
}

/** The first `maxTokens` of a text. Only as much of a long one is encoded as is needed. */
function encodeUpTo(tokenizer: Tokenizer, text: string, maxTokens: number): { ids: number[]; cut: boolean } {
  for (let length = maxTokens * 8; length < text.length; length *= 2) {
    const ids = tokenizer.encode(text.slice(0, length));
    // Where the slice ends, tokens may differ from those of the whole: a good margin is left.
    if (ids.length > maxTokens + 64) return { ids: ids.slice(0, maxTokens), cut: true };
  }
  const ids = tokenizer.encode(text);
  return { ids: ids.slice(0, maxTokens), cut: ids.length > maxTokens };
}

/** The questions of a file, all of which fit the model's context. */
async function fittingTasks(
  { questions }: ScoringOptions,
  file: string,
  tokenizer: Tokenizer,
  context: number,
): Promise<Task[]> {
  const tasks = (await readTasks(file)).slice(0, questions);
  for (const [row, { context: text, choices }] of tasks.entries()) {
    const longest = Math.max(...choices.map((choice) => tokenizer.encode(text + choice).length));
    if (longest > context) {
      const what = `question ${row + 1} takes ${longest} tokens, the model's context is ${context}`;
      throw new SurgeryError('text', `${file}: ${what}: leave it out`);
    }
  }
  return tasks;
}
