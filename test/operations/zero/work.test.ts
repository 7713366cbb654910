// The kind zero on whole models: what it clears, what it leaves alone, and that a variant is what its file computes.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromFloat32, toFloat32 } from '../../../src/checkpoint/dtypes.ts';
import { projectionName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../../../src/checkpoint/writer.ts';
import { operate } from '../../../src/operations/operator.ts';
import { touchedBy } from '../../../src/operations/recipe.ts';
import type { ZeroSpec } from '../../../src/operations/zero/spec.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import { largestDifference } from '../../support/goldens.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';

const tmp = temporaryFolder();
const biased = await Checkpoint.open(fixture('mqa-bias-f32')); // o and down have biases
const grouped = await Checkpoint.open(fixture('gqa-headdim-llama3-bf16-sharded')); // 3 query heads a KV head

type Cut = Omit<ZeroSpec, 'kind'>;
const zeroed = (checkpoint: Checkpoint, cut: Cut) =>
  operate(checkpoint, [
    { kind: 'zero', ...Object.fromEntries(Object.entries(cut).filter(([, list]) => list.length > 0)) },
  ]);

/** Entries of a list of any length, or none. */
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 3 });

/** Any cut of a model, as the numbers that it was made of. */
const cuts = ({ config: { layers, heads, kvHeads, intermediateSize } }: Checkpoint) => {
  const layer = fc.nat(layers - 1);
  const unit = (count: number) => fc.tuple(layer, fc.nat(count - 1));
  return fc
    .record({
      heads: some(unit(heads)),
      kvHeads: some(unit(kvHeads)),
      neurons: some(fc.tuple(layer, fc.nat(intermediateSize - 1), fc.nat(9))),
      attention: some(layer),
      mlp: some(layer),
      blocks: some(layer),
    })
    .filter((cut) => Object.values(cut).some((list) => list.length > 0));
};

describe.each([
  ['biases', biased],
  ['groups of heads', grouped],
])('a model with %s', (_, checkpoint) => {
  const { config } = checkpoint;
  const { layers, heads, kvHeads, headDim, intermediateSize } = config;
  const bytes = checkpoint.dtype === 'F32' ? 4 : 2;

  test('has exactly the columns of o and down cleared that a cut names, and no other number changed', async () => {
    await fc.assert(
      fc.asyncProperty(cuts(checkpoint), async (cut) => {
        const last = (from: number, more: number) => Math.min(from + more, intermediateSize - 1);
        const spec: Cut = {
          heads: cut.heads.map(([layer, head]) => `${layer}.${head}`),
          kvHeads: cut.kvHeads.map(([layer, head]) => `${layer}.${head}`),
          neurons: cut.neurons.map(([layer, from, more]) => `${layer}.${from}-${last(from, more)}`),
          attention: cut.attention,
          mlp: cut.mlp,
          blocks: cut.blocks,
        };
        const { tensors, reports, footprint, recipe } = await zeroed(checkpoint, spec);
        /** Whether a column of o or down is cut. */
        const isCut = (layer: number, projection: 'o' | 'down', column: number) => {
          if (cut.blocks.includes(layer)) return true;
          if (projection === 'down')
            return (
              cut.mlp.includes(layer) ||
              cut.neurons.some(([at, from, more]) => at === layer && column >= from && column <= last(from, more))
            );
          const head = Math.floor(column / headDim);
          const kvHead = Math.floor(head / (heads / kvHeads));
          return (
            cut.attention.includes(layer) ||
            cut.heads.some(([at, one]) => at === layer && one === head) ||
            cut.kvHeads.some(([at, one]) => at === layer && one === kvHead)
          );
        };
        const expected = new Set<string>();
        let [dense, reduced, lost, norm] = [0, 0, 0, 0];
        for (let layer = 0; layer < layers; layer++)
          for (const projection of ['o', 'down'] as const) {
            const name = projectionName(layer, projection);
            const [rows = 0, columns = 0] = checkpoint.tensor(name).shape;
            const cleared = Array.from({ length: columns }, (_, column) => isCut(layer, projection, column));
            if (!cleared.includes(true)) continue;
            expected.add(name);
            const before = await checkpoint.readFloat32(name);
            const after = before.map((value, i) => (cleared[i % columns] ? 0 : value));
            expect(tensors.get(name), name).toEqual(after);
            dense += rows * columns;
            reduced += rows * cleared.filter((one) => !one).length;
            norm += before.reduce((sum, value) => sum + value ** 2, 0);
            lost += before.reduce((sum, value, i) => sum + (cleared[i % columns] ? value ** 2 : 0), 0);
            const isWhole =
              cut.blocks.includes(layer) || (projection === 'o' ? cut.attention : cut.mlp).includes(layer);
            const bias = projectionName(layer, projection, 'bias');
            if (!isWhole || !checkpoint.tensors.has(bias)) continue;
            expected.add(bias);
            expect(tensors.get(bias), bias).toEqual(new Float32Array(rows));
          }
        expect(new Set(tensors.keys())).toEqual(expected);
        expect(new Set(touchedBy([recipe], config))).toEqual(expected);
        expect(footprint).toEqual({
          parameters: { dense, reduced },
          bytes: { dense: bytes * dense, reduced: bytes * reduced },
          squaredNorm: expect.closeTo(norm, 9),
          relativeError: expect.closeTo(Math.sqrt(lost / norm), 12),
          relativeErrorKv: null,
          rank: null,
          width: null,
        });
        expect(reports).toMatchObject([{ kind: 'zero', changed: { length: [...expected].filter(isWeight).length } }]);
      }),
      { seed: 44, numRuns: 60 },
    );
  });
});

test('single weights are the only numbers that change; those of a column that is cut anyway are counted once', async () => {
  const weights = ['0.q[2,3]', '1.down[0,5]', '1.down[4,7]'];
  const { tensors, reports, footprint, recipe } = await operate(biased, [{ kind: 'zero', weights, neurons: ['1.5'] }]);
  expect([...tensors.keys()].sort()).toEqual(touchedBy([recipe], biased.config).sort());
  for (const [name, after] of tensors) {
    const before = await biased.readFloat32(name);
    const [, cols = 0] = biased.tensor(name).shape;
    const isCut = (i: number) =>
      name === projectionName(0, 'q') ? i === 2 * cols + 3 : i % cols === 5 || i === 4 * cols + 7;
    expect(after).toEqual(before.map((value, i) => (isCut(i) ? 0 : value)));
  }
  expect(reports).toMatchObject([
    {
      changed: [
        { layer: 0, projection: 'q', zeroedColumns: 0, zeroedWeights: 1 },
        { layer: 1, projection: 'down', zeroedColumns: 1, zeroedWeights: 1 },
      ],
    },
  ]);
  expect(footprint?.relativeError).toBeGreaterThan(0);
});

const isWeight = (name: string) => name.endsWith('.weight');

test('what stays holds what a file of the dtype holds', async () => {
  const recipe = [{ kind: 'zero', heads: ['0.1'], mlp: [1] }] as const;
  const exact = await operate(biased, recipe);
  const { tensors } = await operate(biased, recipe, { dtype: 'BF16' });
  for (const [name, values] of exact.tensors) {
    const expected = toFloat32(fromFloat32(values, 'BF16', name), 'BF16');
    expect(largestDifference(tensors.get(name) ?? [], expected), name).toBe(0);
  }
});

describe('the variant in a session', () => {
  const ids = [1, 24, 70, 3, 24, 9, 11];

  test.each<[string, Cut]>([
    ['heads', { heads: ['0.1', '1.3'] }],
    ['neurons', { neurons: ['1.0-20'] }],
    ['attention with its bias', { attention: [1] }],
    ['an MLP with its bias', { mlp: [0] }],
    ['a block', { blocks: [1] }],
  ])('%s: side by side with the original, it computes what its own file computes', async (name, cut) => {
    const { tensors, recipe } = await zeroed(biased, cut);
    const folder = join(tmp, name.replaceAll(' ', '-'));
    await writeCheckpoint(biased, tensors, folder);
    const [own, base] = [
      await Runtime.open(await Checkpoint.open(folder), { threads: 1 }),
      await Runtime.open(biased, { threads: 1 }),
    ];
    const runtime = await Runtime.open(biased, {
      replaceable: touchedBy([recipe], biased.config),
      variantsTogether: 2,
      threads: 1,
    });
    const batch = runtime.batch(ids.length, [runtime.original, runtime.variant(tensors)]);
    const [original, variant] = batch.sequences;
    if (!original || !variant) throw new RangeError('a batch of two has two sequences');
    const [ownSequence, baseSequence] = [own.sequence(ids.length), base.sequence(ids.length)];
    for (const id of ids) {
      const logits = await batch.step(new Map([original, variant].map((sequence) => [sequence, id])));
      const [ofOwn, ofBase] = [await ownSequence.readToEnd([id]), await baseSequence.readToEnd([id])];
      expect(largestDifference(logits.get(variant) ?? [], ofOwn)).toBeLessThan(1e-5);
      expect(largestDifference(logits.get(original) ?? [], ofBase)).toBeLessThan(1e-5);
      expect(largestDifference(ofOwn, ofBase)).toBeGreaterThan(1e-4);
    }
    await Promise.all([runtime, own, base].map((one) => one.close()));
  });

  test('a block that is skipped leaves the residual stream exactly as it was', async () => {
    const { tensors, recipe } = await zeroed(biased, { blocks: [1] });
    const replaceable = touchedBy([recipe], biased.config);
    const runtime = await Runtime.open(biased, { replaceable, taps: true, threads: 1 });
    const sequence = runtime.sequence(ids.length, runtime.variant(tensors));
    await sequence.readToEnd(ids);
    const [, before, after] = sequence.residuals;
    expect(before).toHaveLength(ids.length * biased.config.hiddenSize);
    expect(after).toEqual(before);
    await runtime.close();
  });
});
