import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { argmax } from '../../src/generate/sampling.ts';
import type { Precision } from '../../src/runtime/precision.ts';
import type { Sequence, Weights } from '../../src/runtime/sequence.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { largestDifference } from '../support/goldens.ts';
import { fixture, pocket } from '../support/paths.ts';

const open = async (folder: string, precision: Precision = 'fp32') => {
  const checkpoint = await Checkpoint.open(folder);
  return Runtime.open(checkpoint, {
    replaceable: attentionWeights(checkpoint),
    variantsTogether: 2,
    threads: 1,
    precision,
  });
};

/** The original with one attention matrix halved in every layer. */
async function halved(runtime: Runtime): Promise<Weights> {
  const names = attentionWeights(runtime.checkpoint).filter((name) => name.includes('v_proj'));
  const values = names.map(
    async (name) => [name, (await runtime.checkpoint.readFloat32(name)).map((value) => value / 2)] as const,
  );
  return runtime.variant(new Map(await Promise.all(values)));
}

/** Logits after every token of a greedy text. */
async function alone(runtime: Runtime, weights: Weights, prompt: readonly number[], tokens: number) {
  const sequence = runtime.sequence(prompt.length + tokens, weights);
  const rows = [await sequence.readToEnd(prompt)];
  for (let i = 0; i < tokens; i++) rows.push(await sequence.readToEnd([argmax(rows.at(-1) ?? new Float32Array(0))]));
  return rows;
}

const prompts = [
  [1, 24, 70],
  [1, 30],
  [1, 24, 70, 3, 9, 11, 40],
  [1, 5, 7, 60],
];

test.each([
  ['mha-tied-f16', 'fp32'],
  ['gqa-headdim-llama3-bf16-sharded', 'fp32'],
  ['mqa-bias-f32', 'fp32'],
  ['mqa-bias-f32', 'int8'],
] as const)(
  '%s in %s: rows of different lengths and variants compute what each would alone',
  async (name, precision) => {
    const runtime = await open(fixture(name), precision);
    const variants = [runtime.original, await halved(runtime)];
    // Two variants in an order in which neighbours differ, and texts that end at different times.
    const rows = prompts.map((prompt, i) => ({ prompt, weights: variants[i % 2] ?? {}, tokens: [6, 2, 9, 4][i] ?? 0 }));
    const expected = await Promise.all(
      rows.map(({ weights, prompt, tokens }) => alone(runtime, weights, prompt, tokens)),
    );
    expect(
      largestDifference(
        expected[0]?.[0] ?? [],
        (await alone(runtime, variants[1] ?? {}, prompts[0] ?? [], 0))[0] ?? [],
      ),
    ).toBeGreaterThan(1e-3);

    const batch = runtime.batch(
      16,
      rows.map(({ weights }) => weights),
    );
    const seen: Float32Array[][] = [];
    for (const [i, { prompt }] of rows.entries())
      seen.push([(await batch.sequences[i]?.readToEnd(prompt)) ?? new Float32Array(0)]);
    for (let at = 0; at < 9; at++) {
      const next = new Map<Sequence, number>();
      for (const [i, { tokens }] of rows.entries()) {
        const sequence = batch.sequences[i];
        if (sequence && at < tokens) next.set(sequence, argmax(seen[i]?.at(-1) ?? new Float32Array(0)));
      }
      const logits = await batch.step(next);
      for (const [i, sequence] of batch.sequences.entries()) {
        const row = logits.get(sequence);
        if (row) seen[i]?.push(row);
      }
    }
    // Products of one row and of several are summed in different orders; 8-bit activations then may round otherwise.
    const tolerance = precision === 'fp32' ? 2e-5 : 2e-3;
    for (const [i, logits] of expected.entries()) {
      expect(seen[i]?.map(argmax)).toEqual(logits.map(argmax));
      for (const [at, row] of logits.entries())
        expect(largestDifference(row, seen[i]?.[at] ?? [])).toBeLessThan(tolerance);
    }
  },
);

test('a full sequence sits out unharmed, and goes on after rewinding', async () => {
  const runtime = await open(pocket);
  const batch = runtime.batch(4, [runtime.original, runtime.original, runtime.original]);
  const [a, b, c] = batch.sequences;
  if (!a || !b || !c) throw new Error('three sequences were asked for');
  for (const sequence of [a, c]) await sequence.readToEnd([1, 300]);
  const before = await b.readToEnd([1, 300, 301, 302]);
  await batch.step(
    new Map([
      [a, 5],
      [c, 6],
    ]),
  );
  expect([a.length, b.length, c.length]).toEqual([3, 4, 3]);
  await expect(batch.step(new Map([[b, 7]]))).rejects.toThrow('5 tokens do not fit a sequence with room for 4');
  b.rewind(3);
  const again = (
    await batch.step(
      new Map([
        [a, 5],
        [b, 302],
        [c, 6],
      ]),
    )
  ).get(b);
  expect(largestDifference(again ?? [], before)).toBeLessThan(2e-5);
  expect((await batch.step(new Map())).size).toBe(0);
});

test('more variants than the runtime was opened for are refused, and texts beyond the context', async () => {
  const runtime = await open(fixture('mha-tied-f16'));
  const variants = [runtime.original, await halved(runtime), await halved(runtime)];
  expect(() => runtime.batch(4, variants)).toThrow(
    '3 different variants in a batch, the runtime was opened for 2: open it with variantsTogether: 3',
  );
  expect(() => runtime.batch(runtime.config.contextLength + 1, [runtime.original])).toThrow(/do not fit/);
});
