import { readdirSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { cacheFolder } from '../../src/checkpoint/cache.ts';
import { positionsOf } from '../../src/measure/activations.ts';
import type { Source } from '../../src/measure/moments.ts';
import { readEmbedding } from '../../src/measure/vocabulary.ts';
import { openGoldenProbes } from '../support/probes.ts';

const { checkpoint, activations, positions } = await openGoldenProbes();
afterAll(() => activations.close());

async function rowsOf(source: Source): Promise<number[][]> {
  const out: number[][] = [];
  for await (const { from, x } of source.blocks()) {
    expect(from).toBe(out.length);
    for (let i = 0; i < x.rows; i++) out.push([...x.data.subarray(i * x.cols, (i + 1) * x.cols)]);
  }
  return out;
}

test('positions are those whose token and the one before are text', () => {
  const documents = [[1, 7, 8, 9], [1], [1, 5, 6]];
  const found = positionsOf(documents, 1);
  expect([...found.input, ...found.previous, ...found.document]).toEqual([8, 9, 6, 7, 8, 5, 0, 0, 2]);
  expect([...positionsOf([[7, 8, 9]], undefined).previous]).toEqual([7, 8]);
});

test('the first point holds the embedding of each position, in order', async () => {
  const { cols, data } = await readEmbedding(checkpoint);
  const rows = await rowsOf(activations.at(0));
  expect(rows).toHaveLength(positions.rows);
  const wanted = Array.from(positions.input, (token) => [...data.subarray(token * cols, (token + 1) * cols)]);
  expect(rows).toEqual(wanted);
});

test('each position can be taken from a point of its own', async () => {
  const points = Uint8Array.from({ length: positions.rows }, (_, row) => row % activations.points);
  const all = await Promise.all([0, 1, 2].map((point) => rowsOf(activations.at(point))));
  const wanted = Array.from(points, (point, row) => all[point]?.[row]);
  expect(await rowsOf(activations.atEach(points))).toEqual(wanted);
});

test('nothing lies in the cache that could be left behind', () => {
  expect(readdirSync(cacheFolder('residuals'))).toEqual([]);
});
