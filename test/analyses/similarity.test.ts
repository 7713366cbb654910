import { expect, test } from 'vitest';
import { derangement, linearCka, PositionSample } from '../../src/analyses/similarity.ts';
import { kernelOf } from '../../src/linalg/alignment.ts';
import { type Matrix, multiply } from '../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../src/linalg/random.ts';
import { centred, pickRows } from '../../src/linalg/rows.ts';
import { studentQuantile } from '../../src/scores/statistics.ts';

const one = (rows: number) => new Int32Array(rows);
const kernel = (x: Matrix) => kernelOf(centred(x));

test('CKA is 1 for a rotated, scaled and shifted copy, and near 0 for unrelated rows', async () => {
  const random = seededRandom(3);
  const [rows, cols] = [300, 6];
  const x = { rows, cols, data: gaussian(rows * cols, random) };
  const rotated = await multiply(x, await randomOrthonormal(cols, cols, random));
  const copy = { ...rotated, data: rotated.data.map((value, at) => 3 * value + (at % cols)) };
  const other = { rows, cols, data: gaussian(rows * cols, random) };
  const [kx, kc, ko] = [await kernel(x), await kernel(copy), await kernel(other)];
  expect(linearCka(kx, kc, one(rows)).mean).toBeCloseTo(1, 10);
  expect(linearCka(kx, ko, one(rows)).mean).toBeLessThan(0.05);
  expect(linearCka(kx, ko, one(rows)).interval).toBeNull();
});

test('its interval is that of the matrices without each group, centred anew', async () => {
  const random = seededRandom(5);
  const [rows, cols] = [12, 3];
  const [x, y] = [gaussian(rows * cols, random), gaussian(rows * cols, random)].map((data) => ({ rows, cols, data }));
  if (!x || !y) throw new Error('two matrices');
  const groups = Int32Array.from({ length: rows }, (_, i) => i % 3);
  const without: number[] = [];
  for (const group of [0, 1, 2]) {
    const left = [...groups.keys()].filter((i) => groups[i] !== group);
    const [k, l] = [await kernel(pickRows(x, left)), await kernel(pickRows(y, left))];
    without.push(linearCka(k, l, one(left.length)).mean);
  }
  const mean = without.reduce((sum, value) => sum + value, 0) / 3;
  const error = Math.sqrt((without.reduce((sum, value) => sum + (value - mean) ** 2, 0) * 2) / 3);
  const found = linearCka(await kernel(x), await kernel(y), groups);
  expect((found.interval?.[1] ?? 0) - found.mean).toBeCloseTo(error * studentQuantile(0.975, 2), 10);
});

test('an order in which nothing stays where it is', () => {
  const random = seededRandom(1);
  for (let count = 2; count < 40; count++) {
    const order = derangement(count, random);
    expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
    expect([...order].every((to, from) => to !== from)).toBe(true);
  }
  expect([...derangement(1, random)]).toEqual([0]);
});

test('a sample keeps the chosen rows of every point, however they come', () => {
  const rowsOf = (document: number, from: number, count: number) =>
    [0, 100].map((point) => Float32Array.from({ length: count }, (_, i) => point + 10 * document + from + i));
  const all = new PositionSample([3, 2], 9, 2, 1, seededRandom(0));
  all.take(0, 0, 1, rowsOf(0, 0, 3)); // BOS, two more
  all.take(0, 2, 0, rowsOf(0, 3, 1));
  all.take(1, 0, 1, rowsOf(1, 0, 3));
  expect([...all.documents]).toEqual([0, 0, 0, 1, 1]);
  expect([...all.matrix(1).data]).toEqual([101, 102, 103, 111, 112]);
  const some = new PositionSample([300, 200], 50, 1, 1, seededRandom(0));
  expect(some.documents).toHaveLength(50);
});
