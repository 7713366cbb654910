import { expect, test } from 'vitest';
import { gatherRows } from '../../../src/analyses/probe/row-batches.ts';
import { sourceOf } from '../../support/probes.ts';

const rows = 40;
const source = sourceOf(
  Float32Array.from({ length: 2 * rows }, (_, i) => i),
  2,
); // row r is (2r, 2r + 1)
const subsets = Uint8Array.from({ length: rows }, (_, row) => Number(row % 3 === 0));

test.each([1, 4, 14, 100])('rows of a subset come once, in order, %i at a time', async (most) => {
  const numbers: number[] = [];
  const firsts: number[] = [];
  const sizes: number[] = [];
  for await (const { x, rows: found } of gatherRows(source, subsets, 1, most)) {
    expect(x.rows).toBe(found.length);
    for (let i = 0; i < x.rows; i++) firsts.push(x.data[i * x.cols] ?? Number.NaN);
    numbers.push(...found);
    sizes.push(found.length);
  }
  const wanted = [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39];
  expect(numbers).toEqual(wanted);
  expect(firsts).toEqual(wanted.map((row) => 2 * row));
  expect(sizes.slice(0, -1).every((size) => size === most)).toBe(true);
});

test('of a subset that is not there comes nothing', async () => {
  expect((await gatherRows(source, subsets, 2, 4).next()).done).toBe(true);
});
