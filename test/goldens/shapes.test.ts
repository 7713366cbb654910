// Tiny random models of the other shapes and families against the float64 reference: MHA, MQA, biases, ropes, windows,
// dtypes, shards.
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { generate } from '../../src/generate/generate.ts';
import { greedy } from '../../src/generate/sampling.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { asGolden, golden, largestDifference, type OperationRow, type PcaRow, rowNorms } from '../support/goldens.ts';
import { operatePca } from '../support/operations.ts';
import { fixture } from '../support/paths.ts';

interface Golden {
  readonly prompt: string;
  readonly ids: number[];
  readonly logits: number[][];
  readonly residual_norms: number[][];
  readonly greedy: { readonly max_new_tokens: number; readonly ids: number[]; readonly text: string };
  readonly greedy_with_stop: { readonly max_new_tokens: number; readonly ids: number[] };
  readonly operations: (OperationRow & PcaRow & { readonly last_logits: number[]; readonly logits?: number[][] })[];
}

describe.each([
  ['mha-tied-f16', 12],
  ['gqa-headdim-llama3-bf16-sharded', 12],
  ['mqa-bias-f32', 12],
  ['mistral-window-bf16', 4],
  ['qwen2-bias-f32', 4],
  ['smollm2-tied-bf16', 4],
  ['llama3-tied-bf16', 4],
])('%s', (name, operations) => {
  const expected = golden<Golden>(fixture(name), 'golden.json');
  const open = async () => {
    const checkpoint = await Checkpoint.open(fixture(name));
    return {
      checkpoint,
      runtime: await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), taps: true, threads: 1 }),
    };
  };
  const flat = async (chunks: AsyncGenerator<Float32Array>) => {
    const all: number[] = [];
    for await (const chunk of chunks) all.push(...chunk);
    return all;
  };

  test('the prompt has its ids, and all logits are within 2e-4', async () => {
    const { checkpoint, runtime } = await open();
    expect((await Tokenizer.open(checkpoint)).encode(expected.prompt)).toEqual(expected.ids);
    const sequence = runtime.sequence(expected.ids.length);
    const logits = await flat(sequence.readAll(expected.ids));
    expect(largestDifference(logits, expected.logits.flat())).toBeLessThan(2e-4);
    const norms = sequence.residuals.map((residual) => rowNorms(residual, checkpoint.config.hiddenSize));
    expect(largestDifference(norms.flat(), expected.residual_norms.flat())).toBeLessThan(1e-4);
  });

  test('token by token, in chunks and after rewinding, the cache gives the same logits', async () => {
    const { runtime } = await open();
    const { ids } = expected;
    const last = expected.logits.at(-1) ?? [];
    const sequence = runtime.sequence(ids.length + 5);
    for (const id of ids.slice(0, 3)) await sequence.readToEnd([id]);
    await sequence.readToEnd([...ids.slice(3, 9)]);
    await sequence.readToEnd([7, 8, 9, 10, 11]);
    sequence.rewind(9);
    expect(largestDifference(await sequence.readToEnd(ids.slice(9)), last)).toBeLessThan(2e-4);
    expect(sequence.length).toBe(ids.length);
  });

  test('greedy text, with and without stop tokens', async () => {
    const { checkpoint, runtime } = await open();
    const continued = (stopIds: readonly number[], maxNewTokens: number) =>
      generate(runtime, expected.ids, { sampling: greedy, maxNewTokens, seed: 0, stopIds });
    const free = await continued([], expected.greedy.max_new_tokens);
    expect(free.ids).toEqual(expected.greedy.ids);
    expect((await Tokenizer.open(checkpoint)).decode(free.ids)).toBe(expected.greedy.text);
    const stopped = await continued(checkpoint.config.eosIds, expected.greedy_with_stop.max_new_tokens);
    expect(stopped.ids).toEqual(expected.greedy_with_stop.ids);
  });

  test('every operation has its ranks, errors and logits', async () => {
    const { checkpoint, runtime } = await open();
    expect(expected.operations).toHaveLength(operations);
    for (const row of expected.operations) {
      const { tensors, layers } = await operatePca(checkpoint, {
        mode: row.mode,
        variance: row.variance,
        mean: row.mean,
      });
      for (const [i, ours] of asGolden(layers).entries()) {
        const reference = row.layers[i] ?? {};
        for (const [group, values] of Object.entries(ours)) {
          if (group === 'layer') continue;
          const theirs = (reference as Record<string, Record<string, number>>)[group] ?? {};
          for (const [key, value] of Object.entries(values))
            expect(value, `${group} ${key}`).toBeCloseTo(theirs[key] ?? Number.NaN, 6);
        }
      }
      const sequence = runtime.sequence(expected.ids.length, runtime.variant(tensors));
      const logits = await sequence.readToEnd(expected.ids);
      // A weight half-way between two 16-bit values may round either way: one such flip moves logits by about 1e-4.
      expect(largestDifference(logits, row.last_logits), `${row.mode} ${row.variance}`).toBeLessThan(1e-3);
    }
  });

  test('int8 stays near: the right shapes, and logits within a tenth of their spread', async () => {
    const { checkpoint } = await open();
    const runtime = await Runtime.open(checkpoint, { precision: 'int8', threads: 1 });
    const logits = await runtime.sequence(expected.ids.length).readToEnd(expected.ids);
    const last = expected.logits.at(-1) ?? [];
    const mean = last.reduce((sum, value) => sum + value, 0) / last.length;
    const spread = Math.sqrt(last.reduce((sum, value) => sum + (value - mean) ** 2, 0) / last.length);
    const rms = Math.sqrt(last.reduce((sum, value, i) => sum + (value - (logits[i] ?? 0)) ** 2, 0) / last.length);
    expect(rms / spread).toBeLessThan(0.1);
    expect(rms).toBeGreaterThan(1e-6); // else nothing was quantised
  });
});
