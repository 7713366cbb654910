// Scores of the walk are those of the session.
import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Operator } from '../../src/operations/operator.ts';
import { type Recipe, touchedBy } from '../../src/operations/recipe.ts';
import { Runtime } from '../../src/runtime/session.ts';
import type { WalkVariant } from '../../src/runtime/walk/steps.ts';
import { Walk } from '../../src/runtime/walk/walk.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { scoreWalk } from '../../src/scores/walked.ts';
import { pocket } from '../support/paths.ts';

const recipes: Recipe[] = [[{ kind: 'pca', variance: 0.7, layers: [2, 4] }], [{ kind: 'zero', heads: ['0.1'] }]];

test('of the original and of variants, to the rounding of the products', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const { vocabSize } = checkpoint.config;
  const documents = [40, 2, 200, 75].map((length, d) =>
    Array.from({ length }, (_, i) => (i === 0 ? 1 : (300 + 37 * i + 11 * d) % vocabSize)),
  );
  const operator = new Operator(checkpoint);
  const walk = new Walk(checkpoint, documents, { threads: 1, batchRows: 100 });
  const layered = [];
  for (const recipe of recipes) layered.push(await operator.layered(recipe));
  const untouched: WalkVariant = { from: 6, edit: async () => new Map() };
  const blocks: number[] = [];
  const walked = await scoreWalk(walk, [...layered, untouched], (done) => blocks.push(done));
  expect(blocks).toEqual(Array.from({ length: 6 + 6 + 4 }, (_, i) => i + 1));
  const operated = [];
  for (const recipe of recipes) operated.push(await operator.apply(recipe));
  const replaceable = touchedBy(
    operated.map(({ recipe }) => recipe),
    checkpoint.config,
  );
  const runtime = await Runtime.open(checkpoint, { threads: 1, replaceable });
  const variants = operated.map(({ tensors }) => ({ runtime, weights: runtime.variant(tensors) }));
  const read = await scoreDocuments(documents, { runtime }, variants);
  expect(walked.tokens).toBe(read.tokens);
  expect(walked.original.nll / read.original.nll).toBeCloseTo(1, 7);
  for (const [i, { nll, kl, sameTop, intervals }] of read.variants.entries()) {
    const own = walked.variants[i];
    expect((own?.nll ?? 0) / nll).toBeCloseTo(1, 7);
    expect(Math.abs((own?.kl ?? 1) - kl)).toBeLessThan(1e-6 * Math.abs(kl) + 1e-12);
    expect(own?.sameTop).toBe(sameTop);
    const [low = Number.NaN] = intervals.kl ?? [];
    expect(Math.abs((own?.intervals.kl?.[0] ?? Number.NaN) - low)).toBeLessThan(1e-5 * Math.abs(low) + 1e-12);
  }
  // What touches nothing is the original itself.
  expect(walked.variants[2]).toMatchObject({ kl: 0, deltaNll: 0, sameTop: 1 });
  await runtime.close();
  await walk.close();
  await operator.close();
});
