// What the families differ in, against the float64 reference: tokens, chats, BOS, windows, scores.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Operator } from '../../src/operations/operator.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import type { Message } from '../../src/text/chat.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { golden, largestDifference, type OperationRow } from '../support/goldens.ts';
import { applyPca } from '../support/operations.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

interface Golden {
  readonly ids: number[];
  readonly tokens: readonly { readonly text: string; readonly ids: number[] }[];
  readonly chat: { readonly messages: Message[]; readonly text: string; readonly ids: number[] };
  readonly windows: readonly {
    readonly config: Record<string, unknown>;
    readonly ids: number[];
    readonly last_logits: number[];
  }[];
  readonly scores: { readonly documents: number[][]; readonly nll: number; readonly tokens: number };
  readonly operations: readonly (OperationRow & { readonly scores: { readonly nll: number; readonly kl: number } })[];
}

const tmp = temporaryFolder();
const families = [
  { name: 'mistral-window-bf16', bos: 1, begins: [1] },
  { name: 'qwen2-bias-f32', bos: undefined, begins: [] },
  { name: 'smollm2-tied-bf16', bos: undefined, begins: [] },
  { name: 'llama3-tied-bf16', bos: 297, begins: [297] },
];

describe.each(families)('$name', ({ name, bos, begins }) => {
  const expected = golden<Golden>(fixture(name), 'golden.json');

  test('token ids are equal, and begin with a BOS only where the family has it so', async () => {
    const tokenizer = await Tokenizer.open(await Checkpoint.open(fixture(name)));
    expect(expected.tokens.length).toBeGreaterThan(8);
    for (const { text, ids } of expected.tokens) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.bosId).toBe(bos);
    expect(tokenizer.encode('')).toEqual(begins);
  });

  test("the chat is the family's, and has its ids", async () => {
    const tokenizer = await Tokenizer.open(await Checkpoint.open(fixture(name)));
    const { messages, text, ids } = expected.chat;
    expect(tokenizer.chat(messages)).toBe(text);
    expect(tokenizer.encodeChat(text)).toEqual(ids);
  });

  test('scores of the model and of its operations, and biases left alone', async () => {
    const checkpoint = await Checkpoint.open(fixture(name));
    const runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), threads: 1 });
    const operator = new Operator(checkpoint);
    const { documents, nll, tokens } = expected.scores;
    for (const { mode, variance, mean, scores } of expected.operations) {
      const { tensors } = await applyPca(operator, { mode, variance, mean });
      expect([...tensors.keys()].filter((tensor) => !tensor.endsWith('_proj.weight'))).toEqual([]);
      const variant = { runtime, weights: runtime.variant(tensors) };
      const found = await scoreDocuments(documents, { runtime }, [variant]);
      expect(found.tokens).toBe(tokens);
      expect(Math.abs(found.original.nll - nll)).toBeLessThan(2e-5);
      // As in operations.test.ts: a 16-bit weight half-way between two values may round either way.
      expect(Math.abs((found.variants[0]?.nll ?? Number.NaN) - scores.nll)).toBeLessThan(2e-3);
      expect(Math.abs((found.variants[0]?.kl ?? Number.NaN) - scores.kl)).toBeLessThan(2e-3 * Math.max(1, scores.kl));
    }
    await runtime.close();
  });
});

describe.each([
  ['mistral-window-bf16', 2],
  ['qwen2-bias-f32', 2],
])('%s with other windows', (name, count) => {
  const { windows } = golden<Golden>(fixture(name), 'golden.json');

  test('in chunks and token by token, the logits are within 2e-4', async () => {
    expect(windows).toHaveLength(count);
    for (const [i, { config, ids, last_logits }] of windows.entries()) {
      const folder = copyModel(fixture(name), join(tmp, `${name}-${i}`), { 'config.json': merge(config) });
      const runtime = await Runtime.open(await Checkpoint.open(folder), { threads: 1 });
      const chunked = await runtime.sequence(ids.length).readToEnd(ids);
      expect(largestDifference(chunked, last_logits), `${name} ${i}`).toBeLessThan(2e-4);
      const single = runtime.sequence(ids.length);
      let logits: Float32Array = new Float32Array(0);
      for (const id of ids) logits = await single.readToEnd([id]);
      expect(largestDifference(logits, last_logits), `${name} ${i}`).toBeLessThan(2e-4);
      await runtime.close();
    }
  });
});

test('texts of different lengths in one batch see each its own window', async () => {
  const runtime = await Runtime.open(await Checkpoint.open(fixture('mistral-window-bf16')), { threads: 1 });
  const { ids } = golden<Golden>(fixture('mistral-window-bf16'), 'golden.json');
  const batch = runtime.batch(ids.length + 4, [runtime.original, runtime.original]);
  const [long, short] = batch.sequences;
  if (!long || !short) throw new Error('a batch of two has two sequences');
  await long.readToEnd(ids);
  await short.readToEnd(ids.slice(0, 3));
  const alone = runtime.sequence(ids.length + 4);
  await alone.readToEnd(ids);
  for (const id of [7, 8, 9, 10]) {
    const next = new Map([long, short].map((sequence) => [sequence, id]));
    const together = (await batch.step(next)).get(long) ?? [];
    expect(largestDifference(together, await alone.readToEnd([id]))).toBeLessThan(2e-4);
  }
});

test('ids beyond the tokenizer, which a padded vocabulary has, decode to nothing', async () => {
  const tokenizer = await Tokenizer.open(await Checkpoint.open(fixture('qwen2-bias-f32')));
  expect(tokenizer.decode([72, 303, 105])).toBe(tokenizer.decode([72, 105]));
  expect(tokenizer.decode([303])).toBe('');
});
