import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { continuationLogprobs } from '../../src/generate/continuation.ts';
import { generate, generateTogether } from '../../src/generate/generate.ts';
import { greedy } from '../../src/generate/sampling.ts';
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

test('tokens are reported one by one as they come', async () => {
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

test('prompts continued together give what each gives alone, whatever ends first', async () => {
  const runtime = await open();
  const prompts = [
    [1, 24, 70],
    [1, 30],
    [1, 5, 7, 60, 61],
    [1, 24, 71],
  ];
  for (const temperature of [0, 0.9]) {
    const settings = { sampling: { ...sampling, temperature }, seed: 3, maxNewTokens: 20, stopIds: [2, 9, 33] };
    const together = await generateTogether(
      runtime,
      prompts.map((prompt) => ({ prompt })),
      settings,
    );
    const lengths = new Set<number>();
    for (const [i, prompt] of prompts.entries()) {
      const { ids } = await generate(runtime, prompt, settings);
      expect(together[i]?.ids).toEqual(ids);
      lengths.add(ids.length - prompt.length);
    }
    if (temperature > 0) expect(lengths.size).toBeGreaterThan(1); // else nothing ended before the others
  }
});

test('more prompts than one batch holds come back in their order', async () => {
  const runtime = await open();
  const prompts = Array.from({ length: 11 }, (_, i) => [1, 20 + i]);
  const settings = { sampling: greedy, seed: 0, maxNewTokens: 3, stopIds: [] };
  const together = await generateTogether(
    runtime,
    prompts.map((prompt) => ({ prompt })),
    settings,
  );
  expect(together.map(({ ids }) => ids.slice(0, 2))).toEqual(prompts);
});

test('a stop token that comes first is stated with its probability; one that comes later is not', async () => {
  const runtime = await open();
  const settings = { sampling: greedy, maxNewTokens: 4 };
  const { ids } = await generate(runtime, prompt, { ...settings, stopIds: [] });
  const [first = -1] = ids.slice(prompt.length);
  const ended = await generate(runtime, prompt, { ...settings, stopIds: [first] });
  const [logprob = Number.NaN] = await continuationLogprobs({ runtime }, [...prompt, first], prompt.length);
  expect(ended).toMatchObject({ ids: prompt, tokensPerSecond: 0, end: { id: first } });
  expect(ended.end?.logprob).toBeCloseTo(logprob, 3);
  const later = ids.slice(prompt.length).find((id) => id !== first);
  if (later !== undefined)
    expect(await generate(runtime, prompt, { ...settings, stopIds: [later] })).not.toHaveProperty('end');
});
