import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { identify, openModel } from '../../src/commands/model.ts';
import { Progress } from '../../src/report/terminal/progress.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { copyModel } from '../support/safetensors.ts';

const tmp = temporaryFolder();
const cache = join(tmp, 'cache');
const folder = copyModel(fixture('mqa-bias-f32'), join(tmp, 'model'));
const weights = join(folder, 'model.safetensors');
const weightsHash = async () => (await identify(await openModel(folder, { quiet: true }), new Progress(true))).sha256;
const actual = () => createHash('sha256').update(readFileSync(weights)).digest('hex');

beforeEach(() => {
  vi.stubEnv('SURGERY_CACHE', cache);
});

test("the checkpoint's hash is kept, and made again for a file that changed, even with the old time and size", async () => {
  const first = await weightsHash();
  expect(first).toBe(actual());
  const [kept = ''] = readdirSync(join(cache, 'sha256'));
  const other = 'a'.repeat(64);
  writeFileSync(join(cache, 'sha256', kept), other);
  expect(await weightsHash()).toBe(other); // it was not computed

  const { atime, mtime } = statSync(weights);
  const bytes = readFileSync(weights);
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  writeFileSync(weights, bytes);
  utimesSync(weights, atime, mtime);
  expect(await weightsHash()).toBe(actual());
});

test('a damaged note is no hash', async () => {
  await weightsHash();
  for (const name of readdirSync(join(cache, 'sha256'))) writeFileSync(join(cache, 'sha256', name), 'damaged');
  expect(await weightsHash()).toBe(actual());
});
