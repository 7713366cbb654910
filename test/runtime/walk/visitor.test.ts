// What a visitor is shown is what the definition of a block gives, in float64 and from the files' weights.
import { describe, expect, test } from 'vitest';
import {
  hasBias,
  inputNormName,
  type Projection,
  postNormName,
  projectionName,
} from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { innerProduct } from '../../../src/linalg/rows.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import type { WalkVariant } from '../../../src/runtime/walk/steps.ts';
import type { VisitedBlock, VisitedRows } from '../../../src/runtime/walk/visitor.ts';
import { Walk, type WalkEnd } from '../../../src/runtime/walk/walk.ts';
import { largestDifference } from '../../support/goldens.ts';
import { fixture, pocket } from '../../support/paths.ts';

const documents = [
  [1, 5, 9, 22, 7],
  [1, 3],
  [1, 40, 2, 30, 6, 7, 8, 11, 12],
];

/** Copies of all rows, by what is seen: a residual's point, or a block's `layer name`; of one model. */
async function seenBy(walk: Walk, model: number, variants: readonly WalkVariant[] = []) {
  const seen = new Map<string, number[]>();
  const keep = (name: string, values: Float32Array) => seen.set(name, [...(seen.get(name) ?? []), ...values]);
  await walk.run(variants, {
    sublayers: true,
    visit: (rows: VisitedRows) => void (rows.model === model && keep(rows.point, rows.residual)),
    activations: () => ['qkv', 'o', 'gateup', 'down'],
    visitBlock: (block: VisitedBlock) => {
      if (block.model !== model) return;
      keep(`${block.layer} input`, block.input);
      keep(`${block.layer} output`, block.output);
      for (const [name, values] of block.activations) keep(`${block.layer} ${name}`, values);
    },
  });
  return (name: string) => Float32Array.from(seen.get(name) ?? [Number.NaN]);
}

/** The rows of `x`, (rows, n), one after the other through `change`. */
const eachRow = (x: Float32Array, n: number, change: (row: Float32Array) => number[]) =>
  Float32Array.from(Array.from({ length: x.length / n }, (_, i) => change(x.subarray(i * n, (i + 1) * n))).flat());

const sum = (x: Float32Array, y: Float32Array) => x.map((value, i) => value + itemAt(y, i));

describe.each(['gqa-headdim-llama3-bf16-sharded', 'qwen2-bias-f32', 'mistral-window-bf16'])('%s', (family) => {
  test.each([1024, 4])(
    'activations and the residual between attention and MLP, %i rows together',
    async (batchRows) => {
      const checkpoint = await Checkpoint.open(fixture(family));
      const { config } = checkpoint;
      const { hiddenSize, intermediateSize, heads, headDim } = config;
      const walk = new Walk(checkpoint, documents, { threads: 1, batchRows });
      const at = await seenBy(walk, 0);
      await walk.close();
      const normed = async (x: Float32Array, name: string) => {
        const scale = await checkpoint.readFloat32(name);
        return eachRow(x, hiddenSize, (row) => {
          const rms = Math.sqrt(innerProduct(row, row) / hiddenSize + config.rmsNormEps);
          return [...row].map((value, i) => (value / rms) * itemAt(scale, i));
        });
      };
      const project = async (x: Float32Array, layer: number, projection: Projection, width: number) => {
        const weight = await checkpoint.readFloat32(projectionName(layer, projection));
        const out = weight.length / width;
        const bias = hasBias(config, projection)
          ? await checkpoint.readFloat32(projectionName(layer, projection, 'bias'))
          : new Float32Array(out);
        return eachRow(x, width, (row) =>
          [...bias].map((value, i) => value + innerProduct(row, weight.subarray(i * width, (i + 1) * width))),
        );
      };
      for (let layer = 0; layer < config.layers; layer++) {
        const input = at(`${layer} input`);
        const middle = at(`${layer} attn`);
        expect(input).toEqual(at(layer === 0 ? 'embed' : String(layer - 1)));
        expect(at(`${layer} output`)).toEqual(at(String(layer)));
        const near = (value: Float32Array, expected: Float32Array) =>
          expect(largestDifference(value, expected)).toBeLessThan(2e-5);
        near(at(`${layer} qkv`), await normed(input, inputNormName(layer)));
        near(middle, sum(input, await project(at(`${layer} o`), layer, 'o', heads * headDim)));
        near(at(`${layer} gateup`), await normed(middle, postNormName(layer)));
        const gate = await project(at(`${layer} gateup`), layer, 'gate', hiddenSize);
        const up = await project(at(`${layer} gateup`), layer, 'up', hiddenSize);
        near(
          at(`${layer} down`),
          gate.map((value, i) => (value / (1 + Math.exp(-value))) * itemAt(up, i)),
        );
        near(at(String(layer)), sum(middle, await project(at(`${layer} down`), layer, 'down', intermediateSize)));
      }
    },
  );
});

test('a variant is seen from its first layer on; before, between its attention and MLP, as the original', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const name = projectionName(3, 'o');
  const halved = (await checkpoint.readFloat32(name)).map((value) => value / 2);
  const variant: WalkVariant = { from: 3, edit: async (layer) => new Map(layer === 3 ? [[name, halved]] : []) };
  const walk = new Walk(checkpoint, documents, { threads: 1 });
  const original = await seenBy(walk, 0, [variant]);
  const changed = await seenBy(walk, 1, [variant]);
  await walk.close();
  expect(changed('2 attn')).toEqual(original('2 attn'));
  expect(changed('2 down')).toEqual(Float32Array.of(Number.NaN));
  expect(changed('3 o')).toEqual(original('3 o'));
  expect(largestDifference(changed('3 attn'), original('3 attn'))).toBeGreaterThan(0.01);
  expect(largestDifference(changed('4 down'), original('4 down'))).toBeGreaterThan(0.001);
});

test('who asks for a layer alone sees no other, and the figures stay what they are', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const walk = new Walk(checkpoint, documents, { threads: 1 });
  const rowsOf = async ({ original }: WalkEnd) => Float32Array.from(await original.read(0, walk.rows));
  const plain = await rowsOf(await walk.run([]));
  const seen: string[] = [];
  const visited = await walk.run([], {
    activations: (layer) => (layer === 1 ? ['down'] : layer === 4 ? ['qkv', 'down'] : []),
    visitBlock: ({ layer, activations }) => void seen.push([layer, ...activations.keys()].join(' ')),
  });
  expect(seen).toEqual(['0', '1 down', '2', '3', '4 qkv down', '5']);
  expect(largestDifference(await rowsOf(visited), plain)).toBeLessThan(1e-5);
  await walk.close();
});
