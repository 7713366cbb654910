// Multiple-choice questions: a choice's score is its summed log-probability after the context.

import { aCount, aFunction, aText, isPlainObject, optional, requireArgument } from '../platform/arguments.ts';
import { SurgeryError, shown } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { type Question, requireQuestions } from '../text/documents.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { logProbability, requireFinite } from './logits.ts';
import { type Model, requireModel } from './model.ts';
import { wilson } from './statistics.ts';

export interface TaskScore {
  readonly questions: number;
  readonly correct: number;
  /** correct / questions, 0 to 1. */
  readonly accuracy: number;
  /** Wilson's 95 % interval of the accuracy. */
  readonly interval: readonly [low: number, high: number];
  /** Chance level: the mean of 1 / choices. */
  readonly chance: number;
}

export interface TaskScores extends TaskScore {
  readonly byTask: Readonly<Record<string, TaskScore>>;
}

/** The scoring rule of a choice in words, to be printed with the figures. */
export function taskRule(hasBos: boolean): string {
  const start = hasBos ? 'BOS first' : "no BOS, as the model's tokenizer adds none";
  return `summed log-probability of the choice after the context, ${start}; the highest wins, the first of equals`;
}

/** A multiple-choice question as token ids. */
export interface EncodedQuestion {
  readonly task: Question;
  /** Token ids of the context alone. */
  readonly context: readonly number[];
  /** Token ids of the context and each choice, encoded together, as they would be read. */
  readonly choices: readonly (readonly number[])[];
  /** Tokens that all of these begin with: they are read once. */
  readonly shared: number;
}

/** Questions that are encoded at once: few enough for progress and Ctrl-C to come between. */
const encodedAtOnce = 16;

/**
 * Encodes questions as token ids, once for all models.
 * @param name of the file, for messages
 * @param contextLength tokens that the models can read
 * @throws SurgeryError `text` for a question that does not fit, for one whose choices nothing precedes, and for one with a
 * choice that is no token
 */
export async function encodeTasks(
  tasks: readonly Question[],
  name: string,
  tokenizer: Tokenizer,
  contextLength: number,
  onProgress?: (done: number, total: number) => void,
): Promise<EncodedQuestion[]> {
  requireQuestions(tasks);
  requireArgument('name', name, aText);
  requireArgument('tokenizer', tokenizer, {
    words: 'a Tokenizer, from Tokenizer.open',
    test: (value) => value instanceof Tokenizer,
  });
  requireArgument('contextLength', contextLength, aCount(1));
  requireArgument('onProgress', onProgress, optional(aFunction));
  const questions: EncodedQuestion[] = [];
  for (let from = 0; from < tasks.length; from += encodedAtOnce) {
    const some = tasks.slice(from, from + encodedAtOnce);
    const texts = some.flatMap(({ context, choices }) => [context, ...choices.map((choice) => context + choice)]);
    const encoded = tokenizer.encodeAll(texts);
    for (const task of some) {
      const [context = [], ...choices] = encoded.splice(0, 1 + task.choices.length);
      const shared = Math.min(...choices.map((ids) => commonPrefix(context, ids)));
      const longest = Math.max(...choices.map((ids) => ids.length));
      const which = `${name}: question ${questions.length + 1}`;
      if (longest > contextLength)
        throw new SurgeryError(
          'text',
          `${which} takes ${longest} tokens, the model's context is ${contextLength}: leave it out`,
        );
      if (shared === 0)
        throw new SurgeryError(
          'text',
          `${which} has an empty context and this model's texts begin with no BOS token: nothing precedes the choice`,
        );
      const empty = choices.findIndex((ids) => commonPrefix(context, ids) === ids.length);
      if (empty >= 0)
        throw new SurgeryError(
          'text',
          `${which}: choice ${empty + 1}, ${shown(itemAt(task.choices, empty))}, adds no token to the context: leave the question out`,
        );
      questions.push({ task, context, choices, shared });
    }
    onProgress?.(questions.length, tasks.length);
    await new Promise(setImmediate);
  }
  return questions;
}

/** @throws SurgeryError `usage` */
export function requireEncoded(questions: readonly EncodedQuestion[]): void {
  requireArgument('questions', questions, {
    words: 'a list of questions, from encodeTasks',
    test: (value) => Array.isArray(value) && value.every((one) => isPlainObject(one) && 'shared' in one),
  });
}

/**
 * Answers each question with the likeliest choice: the highest summed log-probability after the context.
 * @throws SurgeryError `usage` for an argument that is not allowed, `numeric` for logits that are not finite
 */
export async function scoreTasks(
  questions: readonly EncodedQuestion[],
  model: Model,
  onProgress?: (done: number, total: number) => void,
): Promise<TaskScores> {
  requireEncoded(questions);
  requireArgument('questions', questions, { words: 'one question or more', test: () => questions.length > 0 });
  requireModel('the model', model);
  requireArgument('onProgress', onProgress, optional(aFunction));
  const scores: number[][] = [];
  for (const question of questions) {
    scores.push(await scoreChoices(question, model));
    onProgress?.(scores.length, questions.length);
  }
  return answersBy(questions, scores);
}

/** The answers by the scores of the choices. */
export function answersBy(questions: readonly EncodedQuestion[], scores: readonly (readonly number[])[]): TaskScores {
  const results = questions.map(({ task: { task, answer, choices } }, i) => {
    const own = itemAt(scores, i).map(requireFinite);
    return { task, correct: own.indexOf(Math.max(...own)) === answer, chance: 1 / choices.length };
  });
  const names = [...new Set(results.map(({ task }) => task))].sort();
  const byTask = Object.fromEntries(
    names.map((name) => [name, summarise(results.filter(({ task }) => task === name))]),
  );
  return { ...summarise(results), byTask };
}

/** Log-probability of each choice, nats. */
export async function scoreChoices(question: EncodedQuestion, { runtime, weights }: Model): Promise<number[]> {
  const { context, choices, shared } = question;
  const sequence = runtime.sequence(Math.max(...choices.map((ids) => ids.length)), weights);
  const afterContext = await sequence.readToEnd(context.slice(0, shared));
  const scores: number[] = [];
  for (const ids of choices) {
    sequence.rewind(shared);
    const from = scoredFrom(question, ids);
    const rest = ids.slice(shared);
    let position = shared;
    let score = position >= from ? logProbability(afterContext, itemAt(ids, position)) : 0;
    for await (const logits of sequence.readAll(rest.slice(0, -1))) {
      const vocab = afterContext.length;
      for (let at = 0; at < logits.length; at += vocab) {
        position++;
        if (position >= from) score += logProbability(logits.subarray(at, at + vocab), itemAt(ids, position));
      }
    }
    scores.push(score);
  }
  return scores;
}

/** The first token of a question's choice that is scored: the first at which it differs from the context alone. */
export const scoredFrom = ({ context }: EncodedQuestion, choice: readonly number[]) => commonPrefix(context, choice);

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function summarise(results: readonly { correct: boolean; chance: number }[]): TaskScore {
  const questions = results.length;
  const correct = results.filter((result) => result.correct).length;
  const { low, high } = wilson(correct, questions);
  return {
    questions,
    correct,
    accuracy: correct / questions,
    interval: [low, high],
    chance: results.reduce((sum, { chance }) => sum + chance, 0) / questions,
  };
}
