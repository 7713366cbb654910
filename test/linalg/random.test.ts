import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Matrix, multiply } from '../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../src/linalg/random.ts';

describe('the die', () => {
  const draw = (seed: number, n: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: n }, random);
  };

  test('is the same for the same seed, another for another, and even', () => {
    expect(draw(3, 5)).toEqual(draw(3, 5));
    expect(draw(3, 5)).not.toEqual(draw(4, 5));
    expect(draw(3, 5)).not.toEqual(draw(3 + 2 ** 32, 5));
    const many = draw(0, 100_000);
    expect(many.every((x) => x >= 0 && x < 1)).toBe(true);
    const deciles = Array.from({ length: 10 }, (_, i) => many.filter((x) => Math.floor(x * 10) === i).length);
    // 9 degrees of freedom: 27.9 is passed once in a thousand seeds, and this seed is fixed.
    expect(deciles.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9);
  });

  test('falls as it always has: samples, intervals and controls of older results hang on it', () => {
    expect(draw(0, 3)).toEqual([0.14202546104130254, 0.7745408243954962, 0.11668161615515749]);
    expect(draw(12345678901, 2)).toEqual([0.864403012750758, 0.5884933354012426]);
  });
});

test('normal numbers have the moments of a standard normal', () => {
  const count = 99_999; // odd: the last pair gives one
  const values = gaussian(count, seededRandom(1));
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
  expect(values).toHaveLength(count);
  // Within five standard errors, √(E[x²ᵖ] − E[xᵖ]²) / √n.
  for (const [power, expected, spread] of [
    [1, 0, 1],
    [2, 1, Math.sqrt(2)],
    [3, 0, Math.sqrt(15)],
    [4, 3, Math.sqrt(96)],
  ] as const)
    expect(Math.abs(moment(power) - expected), `moment ${power}`).toBeLessThan((5 * spread) / Math.sqrt(count));
  const lagged = values.subarray(1).reduce((sum, value, i) => sum + value * (values[i] ?? 0), 0) / count;
  expect(Math.abs(lagged)).toBeLessThan(5 / Math.sqrt(count));
});

describe('random directions', () => {
  /** Largest entry of X Xᵀ − I. */
  const overlap = async (x: Matrix) => {
    const { data } = await multiply(x, x, { transposeB: true });
    return data.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(i % (x.rows + 1) === 0))), 0);
  };

  test('are orthonormal, also as many as there are dimensions', async () => {
    const shape = fc
      .integer({ min: 1, max: 24 })
      .chain((cols) => fc.tuple(fc.integer({ min: 1, max: cols }), fc.constant(cols)));
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), async ([rows, cols], seed) => {
        const x = await randomOrthonormal(rows, cols, seededRandom(seed));
        expect([x.rows, x.cols, x.data.length]).toEqual([rows, cols, rows * cols]);
        expect(await overlap(x)).toBeLessThan(1e-10);
      }),
      { seed: 21, numRuns: 60 },
    );
  });

  test('of a square that happens to be nearly singular, its eigenvalues 1e11 apart, are orthonormal too', async () => {
    for (const [size, seed] of [
      [5, 102],
      [40, 88],
      [40, 93],
    ] as const)
      expect(await overlap(await randomOrthonormal(size, size, seededRandom(seed)))).toBeLessThan(1e-10);
  });

  test('favour no direction', async () => {
    const [rows, cols, draws] = [2, 6, 200];
    const random = seededRandom(2);
    const shares = new Float64Array(cols); // E of each diagonal entry of the projector XᵀX is rows / cols
    for (let i = 0; i < draws; i++) {
      const { data } = await randomOrthonormal(rows, cols, random);
      data.forEach((value, j) => {
        shares[j % cols] = (shares[j % cols] ?? 0) + value ** 2 / draws;
      });
    }
    for (const share of shares) expect(Math.abs(share - rows / cols)).toBeLessThan(0.08);
  });

  test('none are an empty matrix, more than dimensions are refused', async () => {
    expect(await randomOrthonormal(0, 4, seededRandom(0))).toEqual({ rows: 0, cols: 4, data: new Float64Array(0) });
    await expect(randomOrthonormal(5, 4, seededRandom(0))).rejects.toThrow('5 directions in a space of 4');
  });
});
