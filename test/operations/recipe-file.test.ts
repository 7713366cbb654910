import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { completeRecipe, type Recipe } from '../../src/operations/recipe.ts';
import { completeOperationSchema, readRecipe, recipeText } from '../../src/operations/recipe-file.ts';
import { messageOf } from '../../src/platform/errors.ts';
import { damages, type Json } from '../support/damage.ts';
import { configWith } from '../support/models.ts';
import { temporaryFolder } from '../support/paths.ts';
import { operations } from '../support/recipes.ts';

const file = join(temporaryFolder(), 'recipe.json');
const config = configWith({ num_hidden_layers: 12 });
const read = (text: string): Promise<Recipe> => {
  writeFileSync(file, text);
  return readRecipe(file);
};
const some = operations(config, [0, 3, 4, 5, 11]);
const recipes = fc.array(some, { minLength: 1, maxLength: 4 });

describe('a recipe in a file', () => {
  test('is read as it was written, and so is one with nothing left to default', async () => {
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        expect(await read(recipeText(recipe))).toEqual(recipe);
        const complete = completeRecipe(recipe, config);
        expect(await read(recipeText(complete))).toEqual(complete);
        for (const operation of complete) expect(completeOperationSchema.parse(operation)).toEqual(operation);
      }),
      { seed: 49, numRuns: 100 },
    );
  });

  test('may be the list alone, without the version, and say values as options do', async () => {
    const recipe = [{ kind: 'pca', variance: 0.3, layers: [0, 5, 6, 7], center: false }];
    for (const text of [
      recipe,
      { operations: recipe },
      { format: 1, operations: recipe },
      [{ kind: 'pca', variance: '0.3', layers: '0,5-7', center: 'off' }],
    ])
      expect(await read(JSON.stringify(text))).toEqual(recipe);
  });
});

/** The line that a text is refused in, without the file's name. */
async function refusal(text: string): Promise<string> {
  const error = await read(text).then(
    () => new TypeError('it was read'),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ name: 'SurgeryError', code: 'usage' });
  const line = messageOf(error);
  expect(line).toBe(error.message); // as it stands, it is a line
  expect(line.startsWith(file)).toBe(true);
  return line.slice(file.length);
}

describe('a mistake', () => {
  test.each<[string, RegExp]>([
    ['', /^ is not valid JSON: /],
    ['{"kind"', /^ is not valid JSON: /],
    ['kind: pca\nvariance: 0.3', /^ is not valid JSON: /],
    ['[{"kind": "pca", "variance": 0.3, "variance": 0.9}]', /^ names "variance" twice$/],
    ['null', /^: the file: .*expected object, received null$/],
    ['7', /^: the file: .*expected object, received number$/],
    ['{}', /^: operations: .*expected array, received undefined$/],
    ['[]', /^: operations: expected at least one operation$/],
    ['{"operations": []}', /^: operations: expected at least one operation$/],
    ['{"operations": {"kind": "pca"}}', /^: operations: .*expected array, received object$/],
    ['{"format": 2, "operations": [{"kind": "pca"}]}', /^: format: .*expected 1$/],
    ['{"recipe": [], "operations": [{"kind": "pca"}]}', /^: the file: .*"recipe"$/],
    ['[{"kind": "pca"}, null]', /^: operations\.1: .*expected object, received null$/],
    ['[{"kind": "pca"}, {}]', /^: operations\.1\.kind: .*one of "pca"\|.*"zero"\|.*"none"$/],
    ['[{"kind": "svd"}]', /^: operations\.0\.kind: .*one of "pca"\|.*"zero"\|.*"none"$/],
    ['[{"kind": "toString"}]', /^: operations\.0\.kind: .*one of "pca"/],
    [
      '[{"kind": "pca", "varience": 0.3}]',
      /^: operations\.0\.varience: pca has no field "varience", allowed: mode, variance/,
    ],
    ['[{"kind": "zero", "variance": 0.3}]', /^: operations\.0\.variance: zero has no field "variance", allowed: heads/],
    ['[{"kind": "pca", "toString": 1}]', /^: operations\.0\.toString: pca has no field "toString"/],
    ['[{"kind": "pca", "variance": 3}]', /^: operations\.0\.variance: variance is 3, allowed: a number above 0/],
    ['[{"kind": "pca", "variance": null}]', /^: operations\.0\.variance: variance is null, which no option takes$/],
    ['[{"kind": "pca", "layers": [0, [1]]}]', /^: operations\.0\.layers: layers is \[0,\[1\]\], which no option takes/],
    ['[{"kind": "pca", "layers": []}]', /^: operations\.0\.layers: /],
    [
      '[{"kind": "pca", "match": {"rule": "width", "of": "shared"}}]',
      /^: operations\.0\.match: match is \{.*"shared"\}, allowed: shared-kv/,
    ],
    ['[{"kind": "zero", "heads": ["0.0", "x"]}]', /^: operations\.0\.heads: heads is \["0.0","x"\], allowed: a layer/],
    ['[{"kind": "zero", "mlp": true}]', /^: operations\.0\.mlp: mlp is true, allowed: numbers and ranges/],
  ])('%j', async (text, message) => {
    expect(await refusal(text)).toMatch(message);
  });

  test('of any kind, anywhere, is one line that names the place', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(recipes, fc.nat(), async (recipe, choice) => {
        const all = damages({ format: 1, operations: recipe as unknown as Json });
        const { place, damaged } = all[choice % all.length] ?? { place: '', damaged: null };
        const [where = '', how] = place.split(' ');
        const text = JSON.stringify(damaged);
        // A field that is gone has its default; a list without an entry is another list.
        if (how === 'gone' && where !== 'operations' && !/kind$|match\./.test(where)) return;
        const [, named = '', key = ''] = /^: ([\w.]+): [^\n]+$/.exec(await refusal(text)) ?? [];
        expect(`${where}.`.startsWith(`${named}.`), `${place}: ${named} ${key}`).toBe(true);
        // As near to it as a value that an option takes: not the whole operation, unless that is what is wrong.
        expect(named.split('.').length, `${place}: ${named}`).toBeGreaterThanOrEqual(
          Math.min(where.split('.').length, 3),
        );
        refused++;
      }),
      { seed: 50, numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(150);
  });

  test('a file that is not there, or is a folder', async () => {
    const nowhere = `${file}.none`;
    await expect(readRecipe(nowhere)).rejects.toMatchObject({
      code: 'usage',
      message: `${nowhere} cannot be read: no such file or folder`,
    });
    await expect(readRecipe(join(file, '..'))).rejects.toThrow('cannot be read: it is a folder');
  });
});

describe('an operation in a results file', () => {
  const [pca] = completeRecipe([{ kind: 'pca', variance: 0.3 }], config);

  test('has nothing left to default', () => {
    for (const key of Object.keys(pca ?? {}).filter((one) => one !== 'variance')) {
      const { success, error } = completeOperationSchema.safeParse({ ...pca, [key]: undefined });
      expect([key, success, error?.issues[0]?.path]).toEqual([key, false, [key]]);
    }
  });

  test('is checked in itself, not against the model that it was made for', () => {
    for (const right of [
      { ...pca, layers: [80] },
      { kind: 'zero', heads: ['80.200'], neurons: ['80.0-99999'] },
    ])
      expect(completeOperationSchema.parse(right)).toEqual(right);
    for (const wrong of [{ ...pca, rank: 3 }, { kind: 'zero' }])
      expect(completeOperationSchema.safeParse(wrong).success).toBe(false);
  });
});
