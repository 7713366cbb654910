import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { generate } from '../../src/measure/generate.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { fixture } from '../support/paths.ts';

const sampling = { temperature: 0.9, topP: 0.95, topK: 0, repetitionPenalty: 1 };
const prompt = [1, 24, 70];
const open = async () => Runtime.open(await Checkpoint.open(fixture('mha-tied-f16')), { threads: 1 });

test('a seed gives the same text whatever came before, another seed another text', async () => {
  const runtime = await open();
  const make = (seed: number) => generate(runtime, prompt, { sampling, seed, maxNewTokens: 30, stopIds: [] });
  const first = await make(7);
  const other = await make(8);
  expect((await make(7)).ids).toEqual(first.ids);
  expect(other.ids).not.toEqual(first.ids);
  expect(first.ids).toHaveLength(33);
  expect(first.tokensPerSecond).toBeGreaterThan(0);
});

test('tokens are told one by one as they come', async () => {
  const runtime = await open();
  const seen: number[] = [];
  const { ids } = await generate(runtime, prompt, {
    sampling,
    seed: 1,
    maxNewTokens: 8,
    stopIds: [],
    onToken: (id) => seen.push(id),
  });
  expect([...prompt, ...seen]).toEqual(ids);
});

test('the context ends the text, and a prompt beyond it is refused', async () => {
  const runtime = await open();
  const context = runtime.checkpoint.config.contextLength;
  const long = Array.from({ length: context - 2 }, (_, i) => (i % 90) + 3);
  const settings = { sampling, seed: 0, maxNewTokens: 50, stopIds: [] };
  expect((await generate(runtime, long, settings)).ids).toHaveLength(context);
  await expect(generate(runtime, [...long, 3, 4, 5], settings)).rejects.toThrow(/do not fit the model's context/);
});
