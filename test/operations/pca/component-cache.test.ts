import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { type Components, fitPca, rankForVariance, type Solver, solveByGram } from '../../../src/linalg/pca.ts';
import { cached } from '../../../src/operations/pca/component-cache.ts';
import { temporaryFolder } from '../../support/paths.ts';

const tmp = temporaryFolder();
let made = 0;
let folder = '';
beforeEach(() => {
  folder = join(tmp, String(made++));
  vi.stubEnv('SURGERY_CACHE', folder);
});

const matrix = () => ({
  rows: 6,
  cols: 9,
  data: Float64Array.from({ length: 54 }, (_, i) => Math.sin(i * i) * (1 + (i % 9))),
});
const solves = vi.fn<Solver>(solveByGram);

/** The fit of the same matrix at a threshold, and whether it came from the cache. */
async function fitted(variance: number, identity = 'a') {
  const use = { hit: false };
  const pca = await fitPca(matrix(), (ratio) => rankForVariance(ratio, variance), cached(solves, [identity], use));
  return { pca, hit: use.hit };
}

const files = () => readdirSync(join(folder, 'components'));

test('another threshold on the same matrix finds the same components on disk', async () => {
  const first = await fitted(0.3);
  const second = await fitted(0.5);
  expect([first.hit, second.hit]).toEqual([false, true]);
  expect(second.pca.explainedVarianceRatio).toEqual(first.pca.explainedVarianceRatio);
  expect(second.pca.vectors).toEqual(first.pca.vectors);
  expect((await fitted(0.3, 'b')).hit).toBe(false);
  expect(files()).toHaveLength(2);
});

test('more components than are kept are computed anew, and kept', async () => {
  await fitted(0.3);
  const more = await fitted(0.9999);
  expect(more.hit).toBe(false);
  expect((await fitted(0.9999)).hit).toBe(true);
});

test.each<[string, (bytes: Buffer) => Uint8Array]>([
  ['truncated', (bytes) => bytes.subarray(0, bytes.length - 4)],
  ['with a bit flipped', (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) ?? 0) ^ 1)])],
  ['empty', () => new Uint8Array(0)],
  ['of another kind', () => Buffer.from('{}')],
])('a file %s is computed anew, and mended', async (_name, damage) => {
  const { pca } = await fitted(0.3);
  const path = join(folder, 'components', files()[0] ?? '');
  writeFileSync(path, damage(readFileSync(path)));
  const again = await fitted(0.3);
  expect(again.hit).toBe(false);
  expect(again.pca.vectors).toEqual(pca.vectors);
  expect((await fitted(0.3)).hit).toBe(true);
});

test('a folder that cannot be made is no error', async () => {
  mkdirSync(tmp, { recursive: true });
  writeFileSync(folder, 'a file');
  expect((await fitted(0.3)).hit).toBe(false);
  const { vectors }: Pick<Components, 'vectors'> = (await fitted(0.3)).pca;
  expect(vectors.rows).toBeGreaterThan(0);
});
