// Recipes of several operations on whole models: what depends on their order, and what does not.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { projectionName } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../../src/checkpoint/writer.ts';
import { Operator, operate } from '../../src/operations/operator.ts';
import type { Recipe } from '../../src/operations/recipe.ts';
import { makeModel } from '../support/models.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { operations } from '../support/recipes.ts';

const tmp = temporaryFolder();
let made = 0;
const models = await Promise.all(
  ['mqa-bias-f32', 'mha-tied-f16', 'gqa-headdim-llama3-bf16-sharded'].map(
    async (name) => [name, await Checkpoint.open(fixture(name))] as const,
  ),
);

/** Tensors by name, as hashes of their bytes: element by element takes the assertions a minute. */
const digests = (tensors: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    [...tensors].map(([name, { buffer, byteOffset, byteLength }]) => [
      name,
      createHash('sha256')
        .update(Buffer.from(buffer, byteOffset, byteLength))
        .digest('hex'),
    ]),
  );

/** What the second operation makes of a file that the first one has written; with what the first alone has changed. */
async function throughAFile(checkpoint: Checkpoint, first: Recipe, second: Recipe) {
  const before = await operate(checkpoint, first);
  const folder = join(tmp, `between-${made++}`);
  await writeCheckpoint(checkpoint, before.tensors, folder);
  const after = await operate(await Checkpoint.open(folder), second);
  return { before, after, tensors: new Map([...before.tensors, ...after.tensors]) };
}

describe.each(models)('%s', (_, checkpoint) => {
  const on = (...layers: number[]) => operations(checkpoint.config, layers);

  test('layer by layer a recipe gives the tensors and the report that it gives at once', async () => {
    const operator = new Operator(checkpoint);
    const anywhere = on(...Array.from({ length: checkpoint.config.layers }, (_, layer) => layer));
    await fc.assert(
      fc.asyncProperty(fc.array(anywhere, { minLength: 1, maxLength: 2 }), async (recipe) => {
        const { tensors, ...whole } = await operator.apply(recipe);
        const layered = await operator.layered(recipe);
        const seen = new Map<string, Float32Array>();
        for (let layer = 0; layer < checkpoint.config.layers; layer++) {
          const edited = await layered.edit(layer);
          if (layer < layered.from) expect(edited.size).toBe(0);
          for (const [name, values] of edited) {
            expect(name).toContain(`.layers.${layer}.`);
            seen.set(name, values);
          }
        }
        expect(digests(seen)).toEqual(digests(tensors));
        expect({ recipe: layered.recipe, ...layered.result() }).toEqual(whole);
      }),
      { seed: 48, numRuns: 10 },
    );
    await operator.close();
  });

  test('operations on different layers give the same tensors in either order', async () => {
    const operator = new Operator(checkpoint);
    await fc.assert(
      fc.asyncProperty(on(0), on(1), async (first, second) => {
        const [one, other] = [await operator.apply([first, second]), await operator.apply([second, first])];
        expect(digests(one.tensors)).toEqual(digests(other.tensors));
        expect(one.reports).toEqual(other.reports.toReversed());
        const alone = [await operator.apply([first]), await operator.apply([second])];
        expect(digests(one.tensors)).toEqual(digests(new Map(alone.flatMap(({ tensors }) => [...tensors]))));
        const sum = (of: 'dense' | 'reduced') =>
          alone.reduce((total, { footprint }) => total + (footprint?.parameters[of] ?? 0), 0);
        expect(one.footprint?.parameters.dense ?? 0).toBe(sum('dense'));
        expect(one.footprint?.parameters.reduced ?? 0).toBe(sum('reduced'));
      }),
      { seed: 47, numRuns: 15 },
    );
    await operator.close();
  });

  test('an operation reads what the one before it left, as if that had been written to a file', async () => {
    await fc.assert(
      fc.asyncProperty(on(0, 1), on(0, 1), async (first, second) => {
        const together = await operate(checkpoint, [first, second]);
        const { before, after, tensors } = await throughAFile(checkpoint, [first], [second]);
        expect(digests(together.tensors)).toEqual(digests(tensors));
        // A curve rests on the weights that were decomposed, as everything that is reported does.
        expect(together.reports).toEqual([...before.reports, ...after.reports]);
        const isTwice = [...after.tensors.keys()].some((name) => before.tensors.has(name));
        if (isTwice) expect(together.footprint).toBeNull();
      }),
      { seed: 48, numRuns: 15 },
    );
  });
});

describe('two operations on the same weights', () => {
  const [, checkpoint] = models[0] ?? [];
  if (!checkpoint) throw new RangeError('no model');
  const shared = { kind: 'pca', mode: 'shared-kv', variance: 0.5 } as const;

  test('a PCA of what a PCA has left is not that PCA alone', async () => {
    const twice = await operate(checkpoint, [{ ...shared, mode: 'separate' }, shared]);
    const once = await operate(checkpoint, [shared]);
    expect([...twice.tensors.keys()]).toEqual([...once.tensors.keys()]);
    for (const name of once.tensors.keys()) expect(twice.tensors.get(name)).not.toEqual(once.tensors.get(name));
    expect(once.footprint?.width).toBeGreaterThan(0);
    expect(twice.footprint).toBeNull();
  });

  test('columns that are zero are zero after a PCA of rows too, and shape the rest', async () => {
    const cut = { kind: 'zero', heads: ['0.1'] } as const;
    const pca = { kind: 'pca', targets: ['o'], variance: 0.9, layers: [0] } as const;
    const name = projectionName(0, 'o');
    const { headDim } = checkpoint.config;
    const [, columns = 0] = checkpoint.tensor(name).shape;
    const values = async (recipe: Recipe) => (await operate(checkpoint, recipe)).tensors.get(name) ?? [];
    const [both, alone, zeroLast] = [await values([cut, pca]), await values([pca]), await values([pca, cut])];
    const isCut = (i: number) => Math.floor((i % columns) / headDim) === 1;
    for (const [i, value] of [...both].entries()) if (isCut(i)) expect(Math.abs(value)).toBeLessThan(1e-6);
    for (const [i, value] of [...zeroLast].entries()) expect(value).toBe(isCut(i) ? 0 : alone[i]);
    expect([...both].some((value, i) => !isCut(i) && value !== alone[i])).toBe(true);
  });

  test('one after the other does not disturb what is shared: a recipe gives the same afterwards', async () => {
    const operator = new Operator(checkpoint);
    const [before, , after] = [
      await operator.apply([shared]),
      await operator.apply([{ kind: 'zero', blocks: [0] }, { ...shared, mode: 'separate' }, shared]),
      await operator.apply([shared]),
    ];
    expect(digests(after.tensors)).toEqual(digests(before.tensors));
    await operator.close();
  });

  test('in threads as on the spot: weights in memory are what they would be in a file', async () => {
    vi.stubEnv('SURGERY_CACHE', join(tmp, 'cache'));
    const sizes = { hidden_size: 448, num_attention_heads: 7, num_key_value_heads: 1, head_dim: 64 };
    const wide = await Checkpoint.open(makeModel(join(tmp, 'wide'), { ...sizes, num_hidden_layers: 1 }));
    const first = [{ kind: 'zero', heads: ['0.2'] }, shared] as const;
    const second = [{ kind: 'pca', mode: 'per-head-kv', rank: 7, targets: ['k', 'v', 'o'] }] as const;
    const together = await operate(wide, [...first, ...second]);
    const { tensors } = await throughAFile(wide, first, second);
    expect(digests(together.tensors)).toEqual(digests(tensors));
    vi.unstubAllEnvs();
  });
});

test('progress goes through all operations, layer by layer, to the end', async () => {
  const [, checkpoint] = models[0] ?? [];
  if (!checkpoint) throw new RangeError('no model');
  const seen: (readonly [number, number])[] = [];
  const recipe: Recipe = [{ kind: 'pca' }, { kind: 'zero', heads: ['1.0'] }, { kind: 'none' }];
  await operate(checkpoint, recipe, { onProgress: (...step) => seen.push(step) });
  const shares = seen.map(([done, total]) => done / total);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});
