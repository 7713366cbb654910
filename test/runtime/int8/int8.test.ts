import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { embedName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';
import { copyModel } from '../../support/safetensors.ts';

const tmp = temporaryFolder();
const { SURGERY_CACHE } = process.env;
afterEach(() => {
  process.env.SURGERY_CACHE = SURGERY_CACHE;
});

/** A cache of its own for a test. */
function newCache(name: string): string {
  process.env.SURGERY_CACHE = join(tmp, name);
  return join(tmp, name, 'int8');
}

/** Opens a model in 8 bits; its logits, and how many weights had to be prepared. */
async function open(folder: string) {
  let prepared = 0;
  const onProgress = () => {
    prepared++;
  };
  const runtime = await Runtime.open(await Checkpoint.open(folder), { precision: 'int8', threads: 1, onProgress });
  const logits = await runtime.sequence(4).readToEnd([1, 24, 70, 3]);
  await runtime.close();
  return { logits, prepared };
}

const onlyFile = (folder: string) => join(folder, readdirSync(folder)[0] ?? '');

test.each(['mha-tied-f16', 'gqa-headdim-llama3-bf16-sharded', 'mqa-bias-f32'])('%s is prepared once', async (name) => {
  const cache = newCache(`once-${name}`);
  const first = await open(fixture(name));
  expect(first.prepared).toBeGreaterThan(10);
  expect(readdirSync(cache)).toHaveLength(1);
  const second = await open(fixture(name));
  expect(second.prepared).toBe(0);
  expect(second.logits).toEqual(first.logits);
});

test.each([
  [
    'a flipped bit in the weights',
    (bytes: Buffer) => bytes.writeUInt8((bytes.at(-5000) ?? 0) ^ 1, bytes.length - 5000),
  ],
  ['a flipped bit in the digests', (bytes: Buffer) => bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)],
  ['zeros', (bytes: Buffer) => bytes.fill(0)],
] as const)('a file damaged by %s is made again', async (_, damage) => {
  const cache = newCache(`damaged-${_}`);
  const folder = fixture('mqa-bias-f32');
  const first = await open(folder);
  const file = onlyFile(cache);
  const good = readFileSync(file);
  const bad = Buffer.from(good);
  damage(bad);
  expect(bad.equals(good)).toBe(false);
  writeFileSync(file, bad);
  const again = await open(folder);
  expect(again.prepared).toBeGreaterThan(10);
  expect(again.logits).toEqual(first.logits);
  expect(readFileSync(file).equals(good)).toBe(true);
});

test('a truncated file is made again', async () => {
  const cache = newCache('truncated');
  const first = await open(fixture('mqa-bias-f32'));
  truncateSync(onlyFile(cache), statSync(onlyFile(cache)).size - 1);
  expect(await open(fixture('mqa-bias-f32'))).toEqual(first);
});

test('a checkpoint that changed is prepared anew, even if its time and size did not', async () => {
  const cache = newCache('changed');
  const folder = copyModel(fixture('mqa-bias-f32'), join(tmp, 'changed-model'));
  const weights = join(folder, 'model.safetensors');
  const before = await open(folder);
  const { atime, mtime } = statSync(weights);
  const bytes = readFileSync(weights);
  for (let i = bytes.length - 4000; i < bytes.length; i += 4) bytes.writeFloatLE(-bytes.readFloatLE(i), i);
  writeFileSync(weights, bytes);
  utimesSync(weights, atime, mtime);
  const after = await open(folder);
  expect(after.prepared).toBe(before.prepared);
  expect(after.logits).not.toEqual(before.logits);
  expect(readdirSync(cache)).toHaveLength(2);
});

test('without a cache that can be written to, the model runs all the same and leaves nothing behind', async () => {
  newCache('expected');
  const expected = await open(fixture('mqa-bias-f32'));
  const blocked = join(tmp, 'blocked');
  writeFileSync(blocked, 'a file where a folder should be');
  process.env.SURGERY_CACHE = blocked;
  const own = join(tmp, 'own-tmp');
  mkdirSync(own);
  const { TMPDIR } = process.env;
  process.env.TMPDIR = own;
  try {
    expect(await open(fixture('mqa-bias-f32'))).toEqual(expected);
    expect(readdirSync(own)).toEqual([]);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
});

test('a token whose embedding is zero is read as zeros, not as a division by their size', async () => {
  newCache('zero');
  const folder = copyModel(fixture('mqa-bias-f32'), join(tmp, 'zero-model'));
  const weights = join(folder, 'model.safetensors');
  const checkpoint = await Checkpoint.open(folder);
  const { begin, shape } = checkpoint.tensor(embedName);
  const bytes = readFileSync(weights);
  const [, width = 0] = shape;
  bytes.fill(0, begin + 24 * width * 4, begin + 25 * width * 4);
  writeFileSync(weights, bytes);
  const { logits } = await open(folder);
  expect(logits.every(Number.isFinite)).toBe(true);
});
