import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { continuationLogprobs } from '../../src/generate/continuation.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { fixture } from '../support/paths.ts';

const folder = fixture('gqa-headdim-llama3-bf16-sharded');
const runtime = await Runtime.open(await Checkpoint.open(folder));
afterAll(() => runtime.close());

/** Logits of every position by the numpy reference. */
const { ids, logits }: { ids: number[]; logits: number[][] } = JSON.parse(
  readFileSync(join(folder, 'golden.json'), 'utf8'),
);

test('is the log-softmax of the reference, from the first new token to the last', async () => {
  const from = 3;
  const expected = ids.slice(from).map((id, i) => {
    const row = logits[from + i - 1] ?? [];
    const most = Math.max(...row);
    return (row[id] ?? 0) - most - Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
  });
  const found = await continuationLogprobs({ runtime }, ids, from);
  expect(found).toHaveLength(ids.length - from);
  for (const [i, value] of found.entries()) expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThan(1.5e-4);
});

test('of nothing new is nothing', async () => {
  expect(await continuationLogprobs({ runtime }, ids, ids.length)).toEqual([]);
});
