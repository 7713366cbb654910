import { expect, test } from 'vitest';
import { multiply } from '../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../src/linalg/random.ts';
import { derangement, gramOf, linearCka, PositionSample } from '../../src/measure/similarity.ts';

const one = (rows: number) => new Int32Array(rows);

test('CKA is 1 for a rotated, scaled and shifted copy, and near 0 for unrelated rows', async () => {
  const random = seededRandom(3);
  const [rows, cols] = [300, 6];
  const x = { rows, cols, data: gaussian(rows * cols, random) };
  const rotated = await multiply(x, await randomOrthonormal(cols, cols, random));
  const copy = { ...rotated, data: rotated.data.map((value, at) => 3 * value + (at % cols)) };
  const other = { rows, cols, data: gaussian(rows * cols, random) };
  const [gx, gc, go] = [await gramOf(x), await gramOf(copy), await gramOf(other)];
  expect(linearCka(gx, gc, one(rows)).mean).toBeCloseTo(1, 10);
  expect(linearCka(gx, go, one(rows)).mean).toBeLessThan(0.05);
  expect(linearCka(gx, go, one(rows)).interval).toBeNull();
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
  expect([...all.matrix(0, Int32Array.of(4, 3, 2, 1, 0)).data]).toEqual([12, 11, 3, 2, 1]);
  const some = new PositionSample([300, 200], 50, 1, 1, seededRandom(0));
  expect(some.documents).toHaveLength(50);
});
