// A branch of a tree computes what its sequence alone would as a document, whatever stands next to it.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import type { WalkVariant } from '../../../src/runtime/walk/steps.ts';
import type { Stream } from '../../../src/runtime/walk/streams.ts';
import type { TokenTree } from '../../../src/runtime/walk/trees.ts';
import { Walk } from '../../../src/runtime/walk/walk.ts';
import { largestDifference } from '../../support/goldens.ts';
import { makeModel } from '../../support/models.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';
import { copyModel, merge } from '../../support/safetensors.ts';

const folder = temporaryFolder();
/** Of two layers the second with a window, as in Qwen2. */
const oneWindow = copyModel(fixture('qwen2-bias-f32'), join(folder, 'one-window'), {
  'config.json': merge({ use_sliding_window: true }),
});
const models: Record<string, string> = {
  'GQA, scaled rotation': fixture('gqa-headdim-llama3-bf16-sharded'),
  'a window of 5': fixture('mistral-window-bf16'),
  'a window of 4 in one layer': oneWindow,
  'biases, heads of 6': fixture('mqa-bias-f32'),
  'heads of 20': makeModel(join(folder, 'padded'), { head_dim: 20, num_key_value_heads: 2 }),
};

const lengths = fc.record({
  prefix: fc.integer({ min: 1, max: 12 }),
  branches: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }),
});
const cases = fc.record({
  trees: fc.array(lengths, { minLength: 1, maxLength: 5 }),
  documents: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 }),
  batchRows: fc.constantFrom(5, 16, 1024),
  seed: fc.integer({ min: 0, max: 1000 }),
});

const rowsOf = async (stream: Stream | undefined, row: number, rows: number) =>
  Float32Array.from((await stream?.read(row, rows)) ?? []);

describe.each(Object.entries(models))('%s', (_, path) => {
  test('as documents, of the original and of a variant', async () => {
    const checkpoint = await Checkpoint.open(path);
    const { vocabSize, hiddenSize } = checkpoint.config;
    const name = 'model.layers.1.self_attn.v_proj.weight';
    const values = (await checkpoint.readFloat32(name)).map((value) => -value);
    const variant: WalkVariant = { from: 1, edit: async (layer) => new Map(layer === 1 ? [[name, values]] : []) };
    await fc.assert(
      fc.asyncProperty(cases, async ({ trees: sizes, documents: counts, batchRows, seed }) => {
        let next = seed;
        const idsOf = (length: number) =>
          Array.from({ length }, () => {
            next = (next * 31 + 17) % 9973;
            return next % vocabSize;
          });
        const trees: TokenTree[] = sizes.map(({ prefix, branches }) => ({
          prefix: idsOf(prefix),
          branches: branches.map(idsOf),
        }));
        const documents = counts.map(idsOf);
        const walk = new Walk(checkpoint, documents, { threads: 1, batchRows, trees });
        const alone = trees.flatMap(({ prefix, branches }) => [prefix, ...branches.map((ids) => [...prefix, ...ids])]);
        const expected = new Walk(checkpoint, [...documents, ...alone], { threads: 1 });
        const [own, theirs] = [await walk.run([variant]), await expected.run([variant])];
        for (const [stream, other] of [
          [own.original, theirs.original],
          [own.variants[0], theirs.variants[0]],
        ] as const) {
          let row = 0;
          let at = 0;
          const same = async (skipped: number, rows: number) => {
            const [a, b] = [await rowsOf(stream, row, rows), await rowsOf(other, at + skipped, rows)];
            expect(a).toHaveLength(rows * hiddenSize);
            expect(largestDifference(a, b)).toBeLessThan(2e-5);
            row += rows;
            at += skipped + rows;
          };
          for (const { length } of documents) await same(0, length);
          for (const { prefix, branches } of trees) {
            await same(0, prefix.length);
            for (const { length } of branches) await same(prefix.length, length);
          }
        }
        await walk.close();
        await expected.close();
      }),
      { seed: 4, numRuns: 12 },
    );
  });
});

test('what is no tree is refused in one line', async () => {
  const checkpoint = await Checkpoint.open(fixture('mqa-bias-f32'));
  const walk = (trees: unknown) => new Walk(checkpoint, [[1, 2]], { trees: trees as TokenTree[] });
  expect(() => walk([[1, 2]])).toThrow(/^trees is \[\[1,2\]\], allowed: a list of token trees, \{prefix, branches\}$/);
  expect(() => walk([{ prefix: [], branches: [[1]] }])).toThrow(
    'tree 1 has an empty prefix: nothing precedes its branches',
  );
  expect(() => walk([{ prefix: [1], branches: [[], [91]] }])).toThrow(
    'tree 1: branch 2 holds 91, allowed: token ids from 0 to 90',
  );
  const long = Array.from({ length: 100 }, () => 1);
  expect(() => walk([{ prefix: long, branches: [[], long] }])).toThrow(
    "tree 1 has 200 tokens to a branch's end, the model's context is 128: leave it out",
  );
});
