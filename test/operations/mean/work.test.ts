// The kind mean on whole models: the bias that it writes is what the cut columns gave on the mean input, and the written
// checkpoint computes what the variant does, also where the model had no biases.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectionName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../../../src/checkpoint/writer.ts';
import { Operator, operate } from '../../../src/operations/operator.ts';
import type { Operation } from '../../../src/operations/registry.ts';
import { Walk } from '../../../src/runtime/walk/walk.ts';
import { scoreWalk } from '../../../src/scores/walked.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';

const tmp = temporaryFolder();
const calibration = [
  [1, 5, 9, 2, 7, 3],
  [1, 8, 4],
];
const documents = [
  [1, 4, 6, 8, 3, 2, 5],
  [1, 9, 2, 2],
];
const everySort: Operation = { kind: 'mean', heads: ['0.1'], neurons: ['1.2-4'], attention: [1], mlp: [0] };

/** Mean input of a projection over all positions but each document's first, in float64. */
async function meanInput(checkpoint: Checkpoint, layer: number, activation: 'o' | 'down'): Promise<number[]> {
  const walk = new Walk(checkpoint, calibration, { threads: 1 });
  const rows: Float32Array[] = [];
  await walk.run([], {
    activations: (one) => (one === layer ? [activation] : []),
    visitBlock: ({ layer: at, batch, activations }) => {
      const values = at === layer && activations.get(activation);
      if (!values) return;
      const width = values.length / batch.rows;
      let row = 0;
      for (const { from, to } of batch.pieces)
        for (let position = from; position < to; position++, row++)
          if (position > 0) rows.push(values.slice(row * width, (row + 1) * width));
    },
  });
  await walk.close();
  return Array.from(rows[0] ?? [], (_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length);
}

describe.each(['mqa-bias-f32', 'mha-tied-f16', 'qwen2-bias-f32'])('%s', (name) => {
  test.each([
    ['o', 0],
    ['down', 0],
    ['o', 1],
    ['down', 1],
  ] as const)('the cut inputs of %s in layer %i give their mean', async (projection, layer) => {
    const checkpoint = await Checkpoint.open(fixture(name));
    const { headDim, intermediateSize, heads } = checkpoint.config;
    const { tensors } = await operate(checkpoint, [everySort], { calibration, dtype: 'F32', threads: 1 });
    const mean = await meanInput(checkpoint, layer, projection);
    const weight = await checkpoint.readFloat32(projectionName(layer, projection));
    const bias = projectionName(layer, projection, 'bias');
    const before = checkpoint.tensors.has(bias) ? await checkpoint.readFloat32(bias) : undefined;
    const width = projection === 'o' ? heads * headDim : intermediateSize;
    const isCut = (column: number) =>
      projection === 'o'
        ? layer === 1 || Math.floor(column / headDim) === 1
        : layer === 0 || (column >= 2 && column <= 4);
    const expected = Array.from({ length: weight.length / width }, (_, row) =>
      mean.reduce(
        (sum, x, column) => sum + (isCut(column) ? x * (weight[row * width + column] as number) : 0),
        before?.[row] ?? 0,
      ),
    );
    const [found, values] = [tensors.get(bias), tensors.get(projectionName(layer, projection))];
    for (const [row, value] of expected.entries()) expect(found?.[row]).toBeCloseTo(value, 5);
    expect(values).toEqual(weight.map((value, i) => (isCut(i % width) ? 0 : value)));
  });

  test('the written checkpoint gives the scores of the variant', async () => {
    const checkpoint = await Checkpoint.open(fixture(name));
    const operator = new Operator(checkpoint, { calibration, threads: 1 });
    const variant = await operator.layered([everySort]);
    const walk = new Walk(checkpoint, documents, { threads: 1 });
    const { variants } = await scoreWalk(walk, [variant]);
    const folder = join(tmp, name);
    const { tensors } = await operator.apply([everySort]);
    await writeCheckpoint(checkpoint, tensors, folder);
    await operator.close();
    await walk.close();
    const stored = new Walk(await Checkpoint.open(folder), documents, { threads: 1 });
    expect((await scoreWalk(stored)).original.nll).toBe(variants[0]?.nll);
    await stored.close();
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ architectures: ['LlamaForCausalLM'], attention_bias: true, mlp_bias: true });
  });
});

test('zero ablation of an attention takes the bias with it that mean ablation has added', async () => {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const { tensors } = await operate(
    checkpoint,
    [
      { kind: 'mean', heads: ['0.0'], neurons: ['1.0'] },
      { kind: 'zero', attention: [0] },
    ],
    { calibration, threads: 1 },
  );
  expect(tensors.get(projectionName(0, 'o', 'bias'))?.every((value) => value === 0)).toBe(true);
  expect(tensors.get(projectionName(1, 'down', 'bias'))?.some((value) => value !== 0)).toBe(true);
});

test('biases of the MLP alone keep those that the attention of a Qwen2 has', async () => {
  const checkpoint = await Checkpoint.open(fixture('qwen2-bias-f32'));
  const { tensors } = await operate(checkpoint, [{ kind: 'mean', neurons: ['0.0'] }], { calibration, threads: 1 });
  const folder = join(tmp, 'qwen2-mlp');
  await writeCheckpoint(checkpoint, tensors, folder);
  const { config, ...written } = await Checkpoint.open(folder);
  expect([config.attentionBias, config.mlpBias]).toEqual([['q', 'k', 'v', 'o'], true]);
  expect(written.tensors.get(projectionName(1, 'o', 'bias'))?.shape).toEqual([config.hiddenSize]);
});

test('a sliding window, which Llama has not, leaves no place for biases', async () => {
  const checkpoint = await Checkpoint.open(fixture('mistral-window-bf16'));
  const { tensors } = await operate(checkpoint, [{ kind: 'mean', heads: ['0.0'] }], { calibration, threads: 1 });
  await expect(writeCheckpoint(checkpoint, tensors, join(tmp, 'mistral'))).rejects.toThrow(
    /MistralForCausalLM with a sliding window has no place for the biases .* --no-save/,
  );
});

test('nothing to cut, and single weights, which have no mean, are refused', async () => {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  await expect(operate(checkpoint, [{ kind: 'mean' }], { calibration })).rejects.toThrow(/mean names nothing to cut/);
});
