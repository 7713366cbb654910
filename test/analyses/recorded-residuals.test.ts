import { readdirSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import type { Source } from '../../src/analyses/probe/moments.ts';
import { Activations, positionsOf } from '../../src/analyses/recorded-residuals.ts';
import { normalised } from '../../src/analyses/residual-rows.ts';
import { readEmbedding } from '../../src/analyses/vocabulary.ts';
import { cacheFolder } from '../../src/platform/cache.ts';
import { largestDifference } from '../support/goldens.ts';
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

test('the first point holds the embedding of each position as a norm divides it, in order', async () => {
  const { hiddenSize, rmsNormEps } = checkpoint.config;
  const { cols, data } = await readEmbedding(checkpoint);
  const rows = await rowsOf(activations.at(0));
  expect(rows).toHaveLength(positions.rows);
  const all = normalised(data, hiddenSize, rmsNormEps);
  const wanted = Array.from(positions.input, (token) => [...all.subarray(token * cols, (token + 1) * cols)]);
  expect(rows).toEqual(wanted);
});

test('an attention sink is as long as every other position', async () => {
  const ids = [1, 5, 6, 7];
  const rows = ids.map((id) => Float32Array.from({ length: 4 }, (_, i) => Math.sin(id + 2 * i)));
  const read = async (length: number) => {
    const stream = Float32Array.from(
      rows.flatMap((row, i) => [...row].map((value) => (i === 2 ? length * value : value))),
    );
    const config = { hiddenSize: 4, rmsNormEps: 0 };
    const recorded = await Activations.create({ documents: [ids], bosId: undefined, points: 1, config });
    await recorded.put(0, { document: 0, from: 0, to: 4 }, stream);
    const found = await rowsOf(recorded.at(0));
    await recorded.close();
    return found.flat();
  };
  const plain = await read(1);
  expect(plain).toHaveLength(3 * 4); // from the second token on
  expect(largestDifference(await read(1000), plain)).toBeLessThan(1e-6);
});

test('rows find their places, whatever pieces their documents come in', async () => {
  const documents = [
    [1, 5, 6, 7, 8],
    [1, 9],
    [1, 5, 6, 7],
  ]; // rows: 6 7 8, none, 6 7
  const config = { hiddenSize: 2, rmsNormEps: 0 };
  const recorded = await Activations.create({ documents, bosId: 1, points: 1, config });
  const put = (document: number, from: number, ids: readonly number[]) =>
    recorded.put(0, { document, from, to: from + ids.length }, Float32Array.from(ids.flatMap((id) => [id, 1])));
  await put(2, 0, [1, 5, 6, 7]);
  await put(1, 0, [1, 9]);
  await put(0, 3, [7, 8]);
  await put(0, 0, [1]);
  await put(0, 1, [5, 6]);
  const found = await rowsOf(recorded.at(0));
  expect(found.map(([x = 0, y = 1]) => Math.round(x / y))).toEqual([6, 7, 8, 6, 7]);
  await recorded.close();
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
