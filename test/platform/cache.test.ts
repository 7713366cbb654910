import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { keep, onRefusal } from '../../src/platform/cache.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
writeFileSync(join(tmp, 'a-file'), '');
const blocked = join(tmp, 'a-file', 'part', 'x');

/** Reports from now on. */
function listen(): string[] {
  const reported: string[] = [];
  onRefusal((why) => reported.push(why));
  return reported;
}

test('a file is kept, with the folders above it', async () => {
  const path = join(tmp, 'cache/part/x');
  expect(await keep(path, 3, (file) => file.writeFile('abc'))).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe('abc');
});

test('what cannot be kept is reported once and is no error', async () => {
  const reported = listen();
  for (let time = 0; time < 2; time++) expect(await keep(blocked, 3, (file) => file.writeFile('abc'))).toBe(false);
  expect(reported).toEqual([expect.stringMatching(/\/part\/x cannot be written: .*not a folder$/)]);
});

test('what does not fit is not begun', async () => {
  const reported = listen();
  const folder = join(tmp, 'full');
  mkdirSync(folder);
  const never = () => Promise.reject(new Error('begun'));
  expect(await keep(join(folder, 'x'), 1e18, never)).toBe(false);
  expect(reported).toEqual([expect.stringMatching(/takes 1\.00e\+6 TB, .* free: free some, or set SURGERY_CACHE/)]);
  expect(readdirSync(folder)).toEqual([]);
});

test("another error than the system's stays one", async () => {
  const reported = listen();
  await expect(keep(join(tmp, 'y'), 3, () => Promise.reject(new TypeError('a bug')))).rejects.toThrow(TypeError);
  expect(reported).toEqual([]);
});

test('threads are heard too', async () => {
  const reported = new Promise<string>((resolve) => onRefusal(resolve));
  const module = JSON.stringify(join(root, 'dist/platform/cache.js'));
  const path = JSON.stringify(blocked);
  const code = `import(${module}).then(({ keep }) => keep(${path}, 3, (file) => file.writeFile('abc')));`;
  const worker = new Worker(code, { eval: true });
  expect(await reported).toContain('cannot be written');
  await worker.terminate();
});
