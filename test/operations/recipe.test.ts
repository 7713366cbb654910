import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { projectionName } from '../../src/checkpoint/names.ts';
import {
  completeRecipe,
  describeRecipe,
  type Recipe,
  recipeHash,
  recipeLabel,
  recipeSlug,
  touchedBy,
} from '../../src/operations/recipe.ts';
import type { Operation } from '../../src/operations/registry.ts';
import { canonical } from '../../src/platform/canonical.ts';
import { configWith } from '../support/models.ts';
import { operations } from '../support/recipes.ts';

const config = configWith({ num_hidden_layers: 4 });
const hash = (recipe: Recipe) => recipeHash(completeRecipe(recipe, config));
const some = operations(config, [0, 1, 2, 3]);
const recipes = fc.array(some, { minLength: 1, maxLength: 3 });

/** The same operation with its keys the other way round, and its lists too, each entry twice. */
function otherwise(operation: Operation): Operation {
  const turned = Object.entries(operation).map(([key, value]) => [
    key,
    Array.isArray(value) ? [...value.toReversed(), ...value] : value,
  ]);
  return Object.fromEntries(turned.toReversed());
}

describe('the hash of a recipe', () => {
  test('is that of equal operations, however they are written down', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        const complete = completeRecipe(recipe, config);
        expect(recipeHash(complete)).toMatch(/^[0-9a-f]{16}$/);
        expect(hash(recipe.map(otherwise))).toBe(recipeHash(complete));
        expect(hash(complete)).toBe(recipeHash(complete)); // what was left out is written out
      }),
      { seed: 45, numRuns: 300 },
    );
  });

  test('is another for other operations, and for another order', () => {
    fc.assert(
      fc.property(recipes, recipes, (a, b) => {
        const [first, second] = [completeRecipe(a, config), completeRecipe(b, config)];
        expect(recipeHash(first) === recipeHash(second)).toBe(canonical(first) === canonical(second));
      }),
      { seed: 46, numRuns: 300 },
    );
    const [one, other] = [{ kind: 'pca' } as const, { kind: 'zero', mlp: [0] } as const];
    const different: Recipe[] = [[one], [other], [one, other], [other, one], [one, one]];
    expect(new Set(different.map(hash)).size).toBe(5);
  });
});

test('a recipe touches what its operations touch, each tensor once', () => {
  const q = (layer: number) => projectionName(layer, 'q');
  const recipe = completeRecipe(
    [
      { kind: 'pca', targets: ['q'], layers: [1, 0] },
      { kind: 'none', targets: ['q'], layers: [1, 3] },
    ],
    config,
  );
  expect(touchedBy([recipe, recipe.slice(1)], config)).toEqual([q(0), q(1), q(3)]);
});

test('a recipe in words names its operations in their order', () => {
  const recipe = completeRecipe(
    [
      { kind: 'zero', heads: ['0.1'] },
      { kind: 'pca', mode: 'separate', variance: 0.3 },
    ],
    config,
  );
  expect(describeRecipe(recipe, 4)).toBe('zeroed: heads 0.1; then separate, variance 0.3, mean kept');
  expect(recipeLabel(recipe, 4)).toBe('zero heads 0.1 + separate 0.3');
  expect(recipeSlug(recipe, 4)).toBe('zero-heads-0.1-separate-0.3');
  const one = completeRecipe([{ kind: 'pca', layers: [2] }], config);
  expect(describeRecipe(one, 4)).toBe('shared-kv, variance 0.9, mean kept, only layer 2');
  expect(recipeLabel(one, 4)).toBe('shared-kv 0.9 layer 2');
  const named = (spec: Operation) => recipeSlug(completeRecipe([spec], config), 4);
  expect(named({ kind: 'pca' })).toBe('shared-kv-0.9');
  expect(named({ kind: 'pca', targets: ['gate', 'o'], layers: [0, 1, 3], balance: true, center: false })).toBe(
    'separate-0.9-uncentred-balanced-o-gate-layers-0-1_3',
  );
  expect(named({ kind: 'pca', rank: 2, mean: 'drop', control: 'noise' })).toBe('shared-kv-rank-2-drop-noise');
  expect(named({ kind: 'pca', allocate: 'global' })).toBe('shared-kv-0.9-global');
  const long = completeRecipe(Array<Operation>(40).fill({ kind: 'pca' }), config);
  expect(recipeSlug(long, 4)).toHaveLength(100);
});

test('an operation that the model cannot have is refused', () => {
  expect(() => completeRecipe([{ kind: 'none' }, { kind: 'pca', layers: [4] }], config)).toThrow(
    "layer 4 is not there, this model's layers are 0 to 3",
  );
});
