// A question's tree through the walk gives the scores of the session, which reads the choices one after the other.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Runtime } from '../../src/runtime/session.ts';
import type { WalkVariant } from '../../src/runtime/walk/steps.ts';
import { Walk } from '../../src/runtime/walk/walk.ts';
import { type EncodedQuestion, scoreChoices, scoreTasks } from '../../src/scores/tasks.ts';
import { taskTrees, walkedChoices, walkedTasks } from '../../src/scores/walked-tasks.ts';
import { makeModel } from '../support/models.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const models: Record<string, string> = {
  'GQA, scaled rotation': fixture('gqa-headdim-llama3-bf16-sharded'),
  'a window of 5': fixture('mistral-window-bf16'),
  'biases, heads of 6': fixture('mqa-bias-f32'),
  'heads of 20': makeModel(join(temporaryFolder(), 'padded'), { head_dim: 20, num_key_value_heads: 2 }),
};

/** Ids of few tokens, so that choices agree with each other and with the context by chance. */
const id = fc.integer({ min: 1, max: 3 });
const question = fc
  .record({
    context: fc.array(id, { minLength: 1, maxLength: 9 }),
    // What remains of the context where its end joins the choice in one token, and what the choice adds.
    ends: fc.array(
      fc.record({ lost: fc.integer({ min: 0, max: 3 }), added: fc.array(id, { minLength: 1, maxLength: 7 }) }),
      {
        minLength: 2,
        maxLength: 4,
      },
    ),
    answer: fc.integer({ min: 0, max: 1 }),
    task: fc.constantFrom('a', 'b'),
  })
  .map(({ context, ends, answer, task }): EncodedQuestion => {
    const choices = ends.map(({ lost, added }) => {
      const kept = context.slice(0, Math.max(1, context.length - lost));
      // A token that the context does not have there: no choice is a beginning of the context.
      return lost > 0 ? [...kept, 4, ...added] : [...context, ...added];
    });
    const common = (ids: readonly number[]) => ids.findIndex((one, i) => one !== context[i]);
    return {
      task: { task, context: '', choices: choices.map(String), answer },
      context,
      choices,
      shared: Math.min(...choices.map(common)),
    };
  });
const cases = fc.record({
  questions: fc.array(question, { minLength: 1, maxLength: 5 }),
  documents: fc.array(fc.array(id, { minLength: 1, maxLength: 6 }), { maxLength: 2 }),
  batchRows: fc.constantFrom(8, 1024),
});

describe.each(Object.entries(models))('%s', (_, path) => {
  test('log-probabilities and answers, of the original and of a variant', async () => {
    const checkpoint = await Checkpoint.open(path);
    const name = 'model.layers.1.mlp.down_proj.weight';
    const values = (await checkpoint.readFloat32(name)).map((value) => -3 * value);
    const variant: WalkVariant = { from: 1, edit: async (layer) => new Map(layer === 1 ? [[name, values]] : []) };
    const runtime = await Runtime.open(checkpoint, { threads: 1, replaceable: [name] });
    const sessions = [runtime.original, runtime.variant(new Map([[name, values]]))];
    await fc.assert(
      fc.asyncProperty(cases, async ({ questions, documents, batchRows }) => {
        const walk = new Walk(checkpoint, documents, { threads: 1, batchRows, trees: taskTrees(questions) });
        const { original, variants } = await walk.run([variant]);
        const unembedding = await walk.unembedding();
        for (const [i, stream] of [original, ...variants].entries()) {
          const model = { runtime, weights: sessions[i] ?? {} };
          const walked = await walkedChoices(walk, stream, unembedding, questions);
          for (const [q, one] of questions.entries()) {
            const expected = await scoreChoices(one, model);
            const off = expected.map((score, choice) => Math.abs((walked[q]?.[choice] ?? Number.NaN) / score - 1));
            expect(off).toHaveLength(one.choices.length);
            expect(Math.max(...off)).toBeLessThan(1e-6);
          }
          const own = await walkedTasks(walk, stream, unembedding, questions);
          expect(own).toEqual(await scoreTasks(questions, model));
        }
        await walk.close();
      }),
      { seed: 6, numRuns: 12 },
    );
    await runtime.close();
  });
});

test('other questions than the walk has trees of are refused', async () => {
  const walk = new Walk(await Checkpoint.open(fixture('mqa-bias-f32')), [[1, 2]], { threads: 1 });
  const { original } = await walk.run([]);
  const one: EncodedQuestion = {
    task: { task: 'a', context: '', choices: ['a', 'b'], answer: 0 },
    context: [1],
    choices: [
      [1, 2],
      [1, 3],
    ],
    shared: 1,
  };
  const answered = walkedTasks(walk, original, await walk.unembedding(), [one]);
  await expect(answered).rejects.toThrow('the walk has 0 trees for 1 questions: give taskTrees of these to the walk');
  await walk.close();
});
