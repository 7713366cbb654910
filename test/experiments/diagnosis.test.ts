// Where a broken edit's damage is found, on pocket with weights damaged by hand.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { projectionName } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { type DiagnosisRequest, diagnose, planDiagnosis } from '../../src/experiments/diagnosis.ts';
import { pocketFolder } from '../../src/hub/model-reference.ts';
import { layeredOf } from '../../src/operations/operator.ts';
import { completeRecipe, type Recipe } from '../../src/operations/recipe.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { attentionWeights } from '../support/attention-weights.ts';

let checkpoint: Checkpoint;
let original: ReadonlyMap<string, Float32Array>;
let documents: number[][];
beforeAll(async () => {
  checkpoint = await Checkpoint.open(pocketFolder);
  const tokenizer = await Tokenizer.open(checkpoint);
  const [text = ''] = readFileSync(join(pocketFolder, 'valid.txt'), 'utf8').split('<|end|>');
  documents = [tokenizer.encode(text)];
  original = new Map(
    await Promise.all(
      attentionWeights(checkpoint).map(async (name) => [name, await checkpoint.readFloat32(name)] as const),
    ),
  );
});

/** The original's weights with the v of some layers turned round and enlarged. */
const damaged = (layers: readonly number[]) => {
  const broken = layers.map((layer) => projectionName(layer, 'v'));
  return new Map(
    [...original].map(([name, values]) => [name, broken.includes(name) ? values.map((x) => -4 * x) : values]),
  );
};
const all: Recipe = [{ kind: 'pca', variance: 0.9 }];
const of = (
  tensors: ReadonlyMap<string, Float32Array>,
  { budget = 1300, recipe = all, ...more }: Partial<DiagnosisRequest> & { recipe?: Recipe; budget?: number } = {},
) => {
  const complete = completeRecipe(recipe, checkpoint.config);
  const variant = layeredOf({ recipe: complete, tensors, reports: [], footprint: null });
  const plan = planDiagnosis({ checkpoint, variant }, budget);
  if (!plan || 'passes' in plan) return plan;
  return diagnose(plan, { checkpoint, variant, documents, works: ({ kl }) => kl < 1e-6, threads: 1, ...more });
};
const found = async (...given: Parameters<typeof of>) => {
  const one = await of(...given);
  if (!one || 'passes' in one) throw new TypeError(`nothing was measured: ${one?.passes}`);
  return one;
};

test('the damage is found in its layer and projection, and the rest works', async () => {
  const passes: number[] = [];
  const diagnosis = await found(damaged([2]), { onPass: (done, total) => passes.push(done / total) });
  expect(diagnosis.layers.map(({ kl }) => kl > 0.1)).toEqual([false, false, true, false, false, false]);
  expect(diagnosis.projections.map(({ layer, projection }) => `${layer} ${projection}`)).toEqual(['2 q', '2 k', '2 v']);
  expect(diagnosis.projections[2]?.kl).toBe(diagnosis.layers[2]?.kl);
  expect(diagnosis.rest).toEqual({ layers: [0, 1, 3, 4, 5], kl: 0, works: true });
  expect(Math.max(...passes)).toBeLessThanOrEqual(1);
});

test('half of the layers is left out at most, and the text is as short as the budget asks', async () => {
  const diagnosis = await found(damaged([0, 1, 2, 3, 4, 5]));
  expect(diagnosis.rest?.layers).toHaveLength(4);
  expect(diagnosis.rest?.works).toBe(false);
  expect(diagnosis.tokens).toBeLessThanOrEqual(1300 / 15 + 1);
  expect(await of(damaged([2]), { budget: 15 * 63 })).toEqual({ passes: 15, least: 64 });
});

test('an edit of one tensor has no parts', async () => {
  const recipe: Recipe = [{ kind: 'pca', mode: 'separate', variance: 0.9, targets: ['v'], layers: [2] }];
  expect(await of(damaged([2]), { recipe })).toBeUndefined();
});
