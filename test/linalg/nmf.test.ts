import { expect, test } from 'vitest';
import { factorise } from '../../src/linalg/nmf.ts';
import { multiply } from '../../src/linalg/products.ts';
import { seededRandom } from '../../src/linalg/random.ts';
import { unitRows } from '../../src/linalg/rows.ts';
import { assignment } from '../support/matching.ts';

const random = seededRandom(3);
/** Numbers from 0, most of them 0. */
const sparse = (rows: number, cols: number, share: number) => ({
  rows,
  cols,
  data: Float32Array.from({ length: rows * cols }, () => (random() < share ? random() : 0)),
});
const components = sparse(5, 24, 0.3);
const x = await multiply(sparse(200, 5, 0.4), components);

test('planted factors come back, up to their order and length', async () => {
  const found = await factorise(x, 5, { seed: 0, iterations: 3000, tolerance: 1e-7 });
  expect(found.error).toBeLessThan(1e-4);
  const cosines = await multiply(unitRows(components), unitRows(found.components), { transposeB: true });
  for (const cosine of assignment(cosines)) expect(cosine).toBeGreaterThan(0.99);
});

test('nothing is negative, components have unit length, the largest part of the sum is first', async () => {
  const { weights, components: found, error } = await factorise(x, 3, { seed: 1 });
  expect(Math.min(...weights.data, ...found.data)).toBeGreaterThanOrEqual(0);
  const lengths = Array.from({ length: 3 }, (_, k) => Math.hypot(...found.data.subarray(k * 24, (k + 1) * 24)));
  for (const length of lengths) expect(length).toBeCloseTo(1, 5);
  const parts = [0, 1, 2].map((k) => Math.hypot(...weights.data.filter((_, i) => i % 3 === k)));
  expect(parts).toEqual(parts.toSorted((a, b) => b - a));
  const fitted = await multiply(weights, found);
  const square = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  const direct = square(x.data.map((value, i) => value - (fitted.data[i] ?? 0))) / square(x.data);
  expect(Math.abs(error - direct)).toBeLessThan(1e-5);
});

test('more components miss less; the same seed gives the same', async () => {
  const errors: number[] = [];
  for (const count of [1, 2, 4]) errors.push((await factorise(x, count, { seed: 0 })).error);
  expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  expect(await factorise(x, 2, { seed: 0 })).toEqual(await factorise(x, 2, { seed: 0 }));
});
