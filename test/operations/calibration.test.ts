// What operations see of a calibration text: as much as they ask for, of the model as they find it, in one walk.
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Calibration, type Gathering, partOf } from '../../src/operations/calibration.ts';
import type { CalibrationNeed } from '../../src/operations/kind.ts';
import { Operator, operate } from '../../src/operations/operator.ts';
import { completeRecipe, isCalibrated, recipeHash } from '../../src/operations/recipe.ts';
import { type LayerStatistics, statisticsVisitor } from '../../src/runtime/statistics.ts';
import { Walk } from '../../src/runtime/walk/walk.ts';
import { fixture } from '../support/paths.ts';

const documents = [
  [1, 5, 9, 22, 7, 3],
  [1, 3, 8],
  [1, 40, 2, 30, 6, 7, 8, 11, 12],
];
const open = () => Checkpoint.open(fixture('gqa-headdim-llama3-bf16-sharded'));

async function gathered(checkpoint: Checkpoint, needs: readonly CalibrationNeed[]) {
  const all = needs.map(() => [] as LayerStatistics[]);
  const gatherings = needs.map(
    (need, i): Gathering => ({ need, take: async (statistics) => void all[i]?.push(statistics) }),
  );
  await new Calibration(checkpoint, documents, { threads: 1 }).gather(undefined, gatherings);
  return all;
}

describe('the parts of a text', () => {
  test('are two halves of its documents, or of its only one', () => {
    expect([partOf(documents, 'first-half'), partOf(documents, 'second-half')]).toEqual([
      documents.slice(0, 2),
      documents.slice(2),
    ]);
    expect([partOf([[1, 2, 3, 4, 5]], 'first-half'), partOf([[1, 2, 3, 4, 5]], 'second-half')]).toEqual([
      [[1, 2, 3]],
      [[4, 5]],
    ]);
  });

  test('or the same tokens of each document in another order, the first in its place', () => {
    const mixed = partOf(documents, 'permuted');
    const sorted = (all: readonly (readonly number[])[]) => all.map((ids) => ids.toSorted((a, b) => a - b));
    expect(sorted(mixed)).toEqual(sorted(documents));
    expect(mixed.map(([first]) => first)).toEqual([1, 1, 1]);
    expect(mixed).not.toEqual(documents);
    expect(partOf(documents, 'permuted')).toEqual(mixed);
  });
});

describe('one walk', () => {
  const needs: readonly CalibrationNeed[] = [
    { layers: [0, 1], activations: ['qkv', 'down'], secondMoments: true },
    { layers: [1], activations: ['down'], withoutFirst: true },
    { layers: [0], activations: [] },
  ];

  test('gives each what it would have been given alone, and nothing that it did not ask for', async () => {
    const checkpoint = await open();
    const together = await gathered(checkpoint, needs);
    for (const [i, need] of needs.entries()) {
      const [alone] = await gathered(checkpoint, [need]);
      expect(together[i]).toEqual(alone);
      expect(alone?.map(({ layer }) => layer)).toEqual(need.layers);
      for (const { activations } of alone ?? []) expect([...activations.keys()]).toEqual(need.activations);
    }
    expect(together[1]?.[0]?.positions).toBe((together[0]?.[0]?.positions as number) - documents.length);
    expect(together[1]?.[0]?.activations.get('down')?.secondMoment).toBeUndefined();
  });

  test('is through the model as operations before have left it', async () => {
    const checkpoint = await open();
    const { tensors } = await operate(checkpoint, [{ kind: 'zero', attention: [0] }]);
    const edited = { from: 0, edit: async (layer: number) => (layer === 0 ? tensors : new Map()) };
    const found: LayerStatistics[] = [];
    const need: CalibrationNeed = { layers: [1], activations: ['qkv'] };
    const take = async (one: LayerStatistics) => void found.push(one);
    await new Calibration(checkpoint, documents, { threads: 1 }).gather(undefined, [{ need, take }], edited);
    const walk = new Walk(checkpoint, documents, { threads: 1 });
    const expected: LayerStatistics[] = [];
    await walk.run(
      [edited],
      statisticsVisitor(walk, (one) => void expected.push(one), { ...need, secondMoments: false }),
    );
    await walk.close();
    expect(found.map(({ activations }) => activations)).toEqual(
      expected.filter(({ model }) => model === 1).map(({ activations }) => activations),
    );
    expect(found[0]?.activations).not.toEqual(expected.find(({ model }) => model === 0)?.activations);
  });
});

describe('a sequential operation', () => {
  test('looks at each block as the operated ones before it feed it', async () => {
    const checkpoint = await open();
    const recipe = [{ kind: 'fit', mode: 'separate', targets: ['o', 'down'], rank: 3 }] as const;
    const settings = { calibration: documents, threads: 1 };
    const along = await operate(checkpoint, [{ ...recipe[0], sequential: true }], settings);
    const apart = await operate(checkpoint, recipe, settings);
    const name = (layer: number) => `model.layers.${layer}.mlp.down_proj.weight`;
    // The first block reads what the original's does.
    expect(along.tensors.get(name(0))).toEqual(apart.tensors.get(name(0)));
    expect(along.tensors.get(name(1))).not.toEqual(apart.tensors.get(name(1)));
    // The second reads what the first one's new weights write: as a recipe of two operations does, the second on its layer.
    const layered = await operate(
      checkpoint,
      [
        { ...recipe[0], layers: [0] },
        { ...recipe[0], layers: [1] },
      ],
      settings,
    );
    expect(layered.tensors.get(name(1))).toEqual(along.tensors.get(name(1)));
  });
});

describe('without a calibration text', () => {
  test('an operation that looks at one is refused, and what looks at none is not', async () => {
    const checkpoint = await open();
    await expect(operate(checkpoint, [{ kind: 'fit', rank: 2 }])).rejects.toThrow(
      /^fit is fitted to a calibration text: give --calibration/,
    );
    await operate(checkpoint, [{ kind: 'fit', objective: 'weights', rank: 2 }]);
    await expect(
      new Operator(checkpoint, { calibration: [[1]] }).calibrate([[{ kind: 'fit', rank: 2 }]]),
    ).resolves.toBe(undefined);
    await expect(operate(checkpoint, [{ kind: 'fit' }], { calibration: [] })).rejects.toThrow(/^documents is \[\]/);
  });
});

test('a recipe is named together with the text that it is fitted to', async () => {
  const { config } = await open();
  const [fit, svd] = [
    completeRecipe([{ kind: 'fit' }], config),
    completeRecipe([{ kind: 'fit', objective: 'weights' }], config),
  ];
  expect([isCalibrated(fit, config), isCalibrated(svd, config)]).toEqual([true, false]);
  expect(new Set([recipeHash(fit), recipeHash(fit, 'a'), recipeHash(fit, 'b'), recipeHash(svd)]).size).toBe(4);
});
