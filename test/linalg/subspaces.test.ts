import { expect, test } from 'vitest';
import { alignment, kernelOf, permutedAlignments } from '../../src/linalg/alignment.ts';
import { type Matrix, multiply } from '../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../src/linalg/random.ts';
import { centred, pickRows, rowRange } from '../../src/linalg/rows.ts';
import {
  leadingSingularVectors,
  orthonormalised,
  principalComponents,
  principalCosines,
} from '../../src/linalg/subspaces.ts';
import { largestDifference } from '../support/goldens.ts';

const random = seededRandom(9);
const normal = (rows: number, cols: number): Matrix => ({ rows, cols, data: gaussian(rows * cols, random) });

/** U diag(values) Vᵀ of known singular vectors, as rows. */
async function withSingularValues(values: readonly number[], rows: number, cols: number) {
  const left = await randomOrthonormal(values.length, rows, random);
  const right = await randomOrthonormal(values.length, cols, random);
  const scaled = { ...left, data: left.data.map((value, i) => value * (values[Math.floor(i / rows)] ?? 0)) };
  return { left, right, matrix: await multiply(scaled, right, { transposeA: true }) };
}

test.each([
  [9, 14],
  [14, 9],
])('leading singular vectors on both sides of a matrix of %i by %i', async (rows, cols) => {
  const { left, right, matrix } = await withSingularValues([5, 3, 1], rows, cols);
  const found = await leadingSingularVectors(matrix, 2);
  for (const [one, other] of [
    [found.left, rowRange(left, 0, 2)],
    [found.right, rowRange(right, 0, 2)],
  ] as const) {
    expect(one.rows).toBe(2);
    for (const cosine of await principalCosines(one, other)) expect(cosine).toBeCloseTo(1, 10);
    for (let k = 0; k < 2; k++) {
      const row = rowRange(one, k, k + 1);
      expect(Math.abs((await multiply(row, rowRange(other, k, k + 1), { transposeB: true })).data[0] ?? 0)).toBeCloseTo(
        1,
        10,
      );
    }
  }
});

test('principal components are all there, orthonormal, the largest variance first', async () => {
  const { matrix } = await withSingularValues([4, 3, 2, 1], 30, 6);
  const found = await principalComponents(matrix);
  expect(found.rows).toBe(6);
  const overlap = await multiply(found, found, { transposeB: true });
  expect(
    largestDifference(
      overlap.data,
      overlap.data.map((_, i) => Number(i % 7 === 0)),
    ),
  ).toBeLessThan(1e-12);
  const along = await multiply(centred(matrix), found, { transposeB: true });
  const variances = [0, 1, 2, 3, 4, 5].map((k) =>
    along.data.filter((_, i) => i % 6 === k).reduce((sum, v) => sum + v * v, 0),
  );
  expect(variances).toEqual(variances.toSorted((a, b) => b - a));
});

test('rows made orthonormal span what they spanned; one that adds nothing is passed over', () => {
  const rows = [
    { id: 7, row: Float64Array.of(2, 0, 0) },
    { id: 8, row: Float64Array.of(-1, 0, 0) },
    { id: 9, row: Float64Array.of(1, 3, 0) },
    { id: 5, row: Float64Array.of(0, 0, 1) },
  ];
  const { directions, ids } = orthonormalised(rows, 2, 3);
  expect(ids).toEqual([7, 9]);
  expect([...directions.data]).toEqual([1, 0, 0, 0, 1, 0]);
});

test('alignment is 1 for a matrix turned and scaled, and of permuted rows what the permuted matrix has', async () => {
  const x = centred(normal(12, 5));
  const turned = await multiply(x, await randomOrthonormal(5, 5, random));
  const scaled = { ...turned, data: turned.data.map((value) => 3 * value) };
  expect(alignment(await kernelOf(x), await kernelOf(scaled))).toBeCloseTo(1, 12);
  const y = centred(normal(12, 4));
  const order = [3, 1, 2, 0, 5, 4, 7, 6, 11, 10, 9, 8];
  const direct = alignment(await kernelOf(x), await kernelOf(pickRows(y, order)));
  const [permuted] = permutedAlignments(await kernelOf(x), await kernelOf(y), [order]);
  expect(permuted).toBeCloseTo(direct, 12);
  expect(alignment(await kernelOf(x), { rows: 12, cols: 12, data: new Float64Array(144) })).toBe(0);
});
