// Multiple-choice questions on the walk: a question goes through the blocks once, as a tree of its context and choices.
import { requireArgument } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Stream } from '../runtime/walk/streams.ts';
import type { TokenTree } from '../runtime/walk/trees.ts';
import { logitNumbers, type Unembedding, Walk } from '../runtime/walk/walk.ts';
import { logSumExp, requireFinite } from './logits.ts';
import { answersBy, type EncodedQuestion, requireEncoded, scoredFrom, type TaskScores } from './tasks.ts';

/** Questions as trees, for the option `trees` of a Walk. The last token of a choice is predicted and not read. */
export function taskTrees(questions: readonly EncodedQuestion[]): TokenTree[] {
  requireEncoded(questions);
  return questions.map(({ context, choices, shared }) => ({
    prefix: context.slice(0, shared),
    branches: choices.map((ids) => ids.slice(shared, -1)),
  }));
}

/**
 * Answers the questions, one or more, whose trees went through a walk, from a model's stream after it. To the rounding of the
 * products the scores are those of `scoreTasks`.
 * @param questions whose {@link taskTrees} are the walk's trees
 * @param onProgress called with the questions answered and in all
 * @throws SurgeryError `usage` for other questions, `numeric` for logits that are not finite
 */
export async function walkedTasks(
  walk: Walk,
  stream: Stream,
  unembedding: Unembedding,
  questions: readonly EncodedQuestion[],
  onProgress?: (done: number, total: number) => void,
): Promise<TaskScores> {
  return answersBy(questions, await walkedChoices(walk, stream, unembedding, questions, onProgress));
}

/** Log-probability of each choice of each question, nats. Arguments and errors are those of {@link walkedTasks}. */
export async function walkedChoices(
  walk: Walk,
  stream: Stream,
  unembedding: Unembedding,
  questions: readonly EncodedQuestion[],
  onProgress?: (done: number, total: number) => void,
): Promise<number[][]> {
  requireArgument('walk', walk, { words: 'a Walk', test: (value) => value instanceof Walk });
  requireEncoded(questions);
  if (walk.trees.length !== questions.length)
    throw new SurgeryError(
      'usage',
      `the walk has ${walk.trees.length} trees for ${questions.length} questions: give taskTrees of these to the walk`,
    );
  const { hiddenSize, vocabSize } = walk.checkpoint.config;
  const scores = questions.map(({ choices }) => choices.map(() => 0));
  const together = Math.max(1, Math.floor(logitNumbers / vocabSize));
  let into: Float32Array | undefined;
  for (const group of inGroups(questionRows(walk.rows, questions), together)) {
    const residual = new Float32Array(group.length * hiddenSize);
    for (const [i, { row }] of group.entries()) residual.set(await stream.read(row, 1), i * hiddenSize);
    into ??= new Float32Array(group.length * vocabSize); // no later group is larger
    const logits = await unembedding({ ...stream, read: async () => residual }, 0, group.length, into);
    for (const [i, { question, next }] of group.entries()) {
      const own = logits.subarray(i * vocabSize, (i + 1) * vocabSize);
      const logSum = requireFinite(logSumExp(own));
      const all = itemAt(scores, question);
      for (const { choice, id } of next) all[choice] = itemAt(all, choice) + (itemAt(own, id) - logSum);
    }
    onProgress?.(itemAt(group, group.length - 1).question + 1, questions.length);
  }
  return scores.map((own, question) => sameOfEqual(itemAt(questions, question), own));
}

/** Choices of the same tokens have the first one's score: their rows differ in rounding, and the first of equals wins. */
function sameOfEqual({ choices }: EncodedQuestion, scores: readonly number[]): number[] {
  const keys = choices.map((ids) => ids.join());
  return keys.map((key) => itemAt(scores, keys.indexOf(key)));
}

/** A row of a stream, and the scored tokens that its logits predict. */
interface QuestionRow {
  readonly row: number;
  readonly question: number;
  readonly next: readonly { readonly choice: number; readonly id: number }[];
}

/** The rows before scored tokens, from the first question's row on: the prefix's last, then those of each branch. */
function* questionRows(first: number, questions: readonly EncodedQuestion[]): Generator<QuestionRow> {
  let row = first;
  for (const [question, encoded] of questions.entries()) {
    const { choices, shared } = encoded;
    const begins = choices.map((ids, choice) => ({ choice, ids, from: scoredFrom(encoded, ids) }));
    row += shared;
    const next = begins.filter(({ from }) => from === shared);
    yield { row: row - 1, question, next: next.map(({ choice, ids }) => ({ choice, id: itemAt(ids, shared) })) };
    for (const { choice, ids, from } of begins)
      for (let position = shared + 1; position < ids.length; position++, row++)
        if (position >= from) yield { row, question, next: [{ choice, id: itemAt(ids, position) }] };
  }
}

function* inGroups<T>(items: Iterable<T>, most: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length === most) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}
