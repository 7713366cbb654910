// Multiple-choice questions: a choice's score is its summed log-probability after the context.

import { SurgeryError } from '../errors.ts';
import type { Tokenizer } from '../runtime/tokenizer.ts';
import type { Task } from './documents.ts';
import { logProbability } from './logits.ts';
import type { Model } from './score.ts';
import { wilson } from './statistics.ts';

export interface TaskScore {
  readonly questions: number;
  readonly correct: number;
  /** correct / questions, 0 to 1. */
  readonly accuracy: number;
  /** Wilson's 95 % interval of the accuracy. */
  readonly interval: readonly [low: number, high: number];
  /** What guessing would get: the mean of 1 / choices. */
  readonly chance: number;
}

export interface TaskScores extends TaskScore {
  readonly byTask: Readonly<Record<string, TaskScore>>;
}

/** How a choice is scored, to be printed beside the figures. */
export function taskRule(hasBos: boolean): string {
  const start = hasBos ? 'BOS first' : "no BOS, as the model's tokenizer adds none";
  return `summed log-probability of the choice after the context, ${start}; the highest wins, the first of equals`;
}

/**
 * Answers every question with the likeliest choice.
 * @throws SurgeryError `text` if a question does not fit the model's context
 */
export async function scoreTasks(
  tasks: readonly Task[],
  tokenizer: Tokenizer,
  model: Model,
  onProgress?: (done: number, total: number) => void,
): Promise<TaskScores> {
  const results: { task: string; correct: boolean; chance: number }[] = [];
  for (const [i, task] of tasks.entries()) {
    const scores = await scoreChoices(task, i, tokenizer, model);
    const best = scores.indexOf(Math.max(...scores));
    results.push({ task: task.task, correct: best === task.answer, chance: 1 / task.choices.length });
    onProgress?.(i + 1, tasks.length);
  }
  const names = [...new Set(results.map(({ task }) => task))].sort();
  const byTask = Object.fromEntries(
    names.map((name) => [name, summarise(results.filter(({ task }) => task === name))]),
  );
  return { ...summarise(results), byTask };
}

/**
 * Log-probability of each choice, nats. Context and choice are encoded together, as they would be read; the tokens that
 * all encodings share with the context's own are read once, and every choice starts from there.
 */
export async function scoreChoices(
  task: Task,
  row: number,
  tokenizer: Tokenizer,
  { runtime, weights }: Model,
): Promise<number[]> {
  const context = tokenizer.encode(task.context);
  const whole = task.choices.map((choice) => tokenizer.encode(task.context + choice));
  const longest = Math.max(...whole.map((ids) => ids.length));
  const limit = runtime.checkpoint.config.contextLength;
  if (longest > limit)
    throw new SurgeryError(
      'text',
      `question ${row + 1} takes ${longest} tokens, the model's context is ${limit}: leave it out`,
    );
  const sequence = runtime.sequence(longest, weights);
  const shared = Math.min(...whole.map((ids) => commonPrefix(context, ids)));
  if (shared === 0)
    throw new SurgeryError(
      'text',
      `question ${row + 1} has an empty context and this model's texts begin with no BOS token: nothing precedes the choice`,
    );
  const afterContext = await sequence.readToEnd(context.slice(0, shared));
  const scores: number[] = [];
  for (const ids of whole) {
    sequence.rewind(shared);
    const from = commonPrefix(context, ids);
    const rest = ids.slice(shared);
    let position = shared;
    let score = position >= from ? logProbability(afterContext, ids[position] ?? 0) : 0;
    for await (const logits of sequence.readAll(rest.slice(0, -1))) {
      const vocab = afterContext.length;
      for (let at = 0; at < logits.length; at += vocab) {
        position++;
        if (position >= from) score += logProbability(logits.subarray(at, at + vocab), ids[position] ?? 0);
      }
    }
    scores.push(score);
  }
  return scores;
}

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
