import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { Recording } from '../../src/scores/recording.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { operatePca } from '../support/operations.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const documents = [[1, 24, 70, 3, 24], [1], [1, 27, 25, 44, 15, 25, 43, 24, 6]];

async function open() {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), threads: 1 });
  return { checkpoint, runtime };
}

test('scores from a recording are those of the live original, as often as it is read', async () => {
  const { checkpoint, runtime } = await open();
  const { tensors } = await operatePca(checkpoint, { mode: 'shared-kv', variance: 0.5, mean: 'keep' });
  const variant = { runtime, weights: runtime.variant(tensors) };
  const live = await scoreDocuments(documents, { runtime }, [variant]);
  const path = join(tmp, 'logits');
  const seen: (readonly [number, number])[] = [];
  const recording = await Recording.make(path, documents, { runtime }, (...step) => seen.push(step));
  expect(seen.at(-1)).toEqual([12, 12]);
  for (let time = 0; time < 2; time++) expect(await scoreDocuments(documents, recording, [variant])).toEqual(live);
  expect((await scoreDocuments(documents, recording)).original).toEqual(live.original);

  expect(existsSync(path)).toBe(true);
  await recording.close();
  expect(existsSync(path)).toBe(false);
  await runtime.close();
});

test('a place that cannot be written is named, and what is there stays', async () => {
  const { runtime } = await open();
  const nowhere = join(tmp, 'none', 'logits');
  await expect(Recording.make(nowhere, documents, { runtime })).rejects.toMatchObject({
    code: 'output',
    message: `${nowhere} cannot be written: no such file or folder`,
  });
  const taken = join(tmp, 'taken');
  writeFileSync(taken, 'mine');
  await expect(Recording.make(taken, documents, { runtime })).rejects.toThrow(`${taken} cannot be written`);
  expect(readFileSync(taken, 'utf8')).toBe('mine');
  await runtime.close();
});

test('a recording that fails midway leaves no file', async () => {
  const { checkpoint, runtime } = await open();
  const path = join(tmp, 'half');
  const long = Array.from({ length: checkpoint.config.contextLength + 2 }, () => 1);
  await expect(Recording.make(path, [...documents, long], { runtime })).rejects.toMatchObject({ code: 'text' });
  expect(existsSync(path)).toBe(false);
  await runtime.close();
});

test('a file that was cut off meanwhile is told, not read as zeros', async () => {
  const { runtime } = await open();
  const path = join(tmp, 'cut');
  const recording = await Recording.make(path, documents, { runtime });
  writeFileSync(path, ''); // the same file, emptied
  await expect(scoreDocuments(documents, recording)).rejects.toThrow(`${path} ended while it was read`);
  await recording.close();
  await runtime.close();
});
