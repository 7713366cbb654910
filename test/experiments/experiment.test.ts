import { beforeAll, expect, test, vi } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { runExperiment } from '../../src/experiments/experiment.ts';
import { generate } from '../../src/generate/generate.ts';
import { greedy } from '../../src/generate/sampling.ts';
import { operate } from '../../src/operations/operator.ts';
import { type Recipe, recipeHash, touchedBy } from '../../src/operations/recipe.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const documents = [
  [1, 24, 70, 3, 24],
  [1, 27, 25, 44, 15, 25, 43, 24, 6],
];
const recipes: Recipe[] = [
  [{ kind: 'pca', variance: 0.5 }],
  [
    { kind: 'pca', mode: 'separate', variance: 0.9 },
    { kind: 'zero', mlp: [0] },
  ],
];
const cache = temporaryFolder();
let checkpoint: Checkpoint;
beforeAll(async () => {
  vi.stubEnv('SURGERY_CACHE', cache);
  checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
});

test('each cell has the scores and the text of its recipe applied by hand', async () => {
  const seen: number[] = [];
  const prompts = [{ text: 'a', ids: [1, 24, 70] }];
  const { original, cells } = await runExperiment(checkpoint, recipes, documents, {
    threads: 1,
    prompts,
    generation: { sampling: greedy, maxNewTokens: 4 },
    onCell: (done) => seen.push(done),
  });
  expect(seen).toEqual([1, 2]);
  const operated = await Promise.all(recipes.map((recipe) => operate(checkpoint, recipe, { threads: 1 })));
  const replaceable = touchedBy(
    operated.map(({ recipe }) => recipe),
    checkpoint.config,
  );
  const runtime = await Runtime.open(checkpoint, { threads: 1, replaceable });
  for (const [i, { recipe, tensors }] of operated.entries()) {
    const weights = runtime.variant(tensors);
    const scores = await scoreDocuments(documents, { runtime }, [{ runtime, weights }]);
    const cell = itemAt(cells, i);
    expect(cell.id).toBe(recipeHash(recipe));
    expect(original.scores.nll).toBeCloseTo(scores.original.nll, 6);
    expect(cell.scores.kl).toBeCloseTo(itemAt(scores.variants, 0).kl, 6);
    expect(cell.scores.kl).toBeGreaterThan(1e-3);
    const { ids } = await generate(runtime, [1, 24, 70], {
      weights,
      sampling: greedy,
      maxNewTokens: 4,
      seed: 0,
      stopIds: checkpoint.config.eosIds,
    });
    expect(itemAt(cell.samples, 0).ids).toEqual(ids);
  }
  await runtime.close();
});

test('a recipe or a document that this model cannot have is refused', async () => {
  await expect(runExperiment(checkpoint, [[{ kind: 'zero', mlp: [9] }]], documents)).rejects.toThrow(/layer 9/);
  const tooLong = [Array.from({ length: checkpoint.config.contextLength + 2 }, () => 1)];
  await expect(runExperiment(checkpoint, recipes, tooLong, { threads: 1 })).rejects.toMatchObject({ code: 'text' });
});

test('without prompts no session is opened, and the scores are the very same', async () => {
  const open = vi.spyOn(Runtime, 'open');
  const settings = { threads: 1 };
  const { original, cells } = await runExperiment(checkpoint, recipes, documents, settings);
  expect(open).not.toHaveBeenCalled();
  open.mockRestore();
  const prompts = [{ text: 'a', ids: [1, 24, 70] }];
  const generation = { sampling: greedy, maxNewTokens: 1 };
  const written = await runExperiment(checkpoint, recipes, documents, { ...settings, prompts, generation });
  expect({ ...original, samples: [] }).toEqual({ ...written.original, samples: [] });
  expect(cells).toEqual(written.cells.map((cell) => ({ ...cell, samples: [] })));
});
