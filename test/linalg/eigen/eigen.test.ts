import fc from 'fast-check';
import { EVD, Matrix } from 'ml-matrix';
import { beforeAll, describe, expect, test } from 'vitest';
import { symmetricEigen } from '../../../src/linalg/eigen/eigen.ts';
import { setProductThreads } from '../../../src/linalg/products.ts';
import { errors, random, symmetric, withEigenvalues } from '../matrices.ts';

beforeAll(() => setProductThreads(1));

/** Decomposes and checks residual, orthogonality and order; returns the values. */
async function check(a: Float64Array, n: number): Promise<Float64Array> {
  const { values, vectors } = await symmetricEigen(a.slice(), n);
  expect(values).toHaveLength(n);
  expect(vectors).toHaveLength(n * n);
  const { residual, overlap } = errors(a, values, vectors);
  expect(residual).toBeLessThan(1e-13);
  expect(overlap).toBeLessThan(1e-13);
  expect(Array.from(values)).toEqual(Array.from(values).sort((x, y) => y - x));
  return values;
}

function expectValues(values: Float64Array, expected: ArrayLike<number>): void {
  const sorted = Array.from(expected).sort((x, y) => y - x);
  const size = Math.max(...sorted.map(Math.abs));
  values.forEach((x, i) => {
    expect(Math.abs(x - (sorted[i] ?? Number.NaN))).toBeLessThanOrEqual(1e-13 * size);
  });
}

describe('against ml-matrix', () => {
  // Around the sizes of a leaf, of the band and of the blocks of sweeps; 259 crosses a block of rows.
  test.each([1, 2, 3, 4, 31, 32, 33, 34, 35, 65, 67, 130, 259])('n = %i', async (n) => {
    const a = symmetric(n, n);
    const values = await check(a, n);
    expectValues(values, new EVD(Matrix.from1DArray(n, n, Array.from(a)), { assumeSymmetric: true }).realEigenvalues);
  });
});

test('one problem after another and side by side, large and small, gives what each gives alone', async () => {
  const sizes = [130, 33, 67, 130, 4, 259];
  const solve = (n: number) => symmetricEigen(symmetric(n, n), n);
  const alone = [];
  for (const n of sizes) alone.push(await solve(n));
  expect(await Promise.all(sizes.map(solve))).toEqual(alone);
  expect(await Promise.all(sizes.map(solve).toReversed())).toEqual(alone.toReversed());
  await expect(symmetricEigen(new Float64Array(67 * 67).fill(Number.NaN), 67)).rejects.toThrow('no eigenvalues');
  expect(await solve(67)).toEqual(alone[2]);
});

describe('chosen spectra', () => {
  const n = 100;
  const next = random(7);
  const spectra: Record<string, number[]> = {
    'repeated eigenvalues': Array.from({ length: n }, (_, i) => i % 3),
    'clusters a rounding apart': Array.from({ length: n }, (_, i) => (i % 5) + i * 1e-15),
    'clusters at 1e-9': Array.from({ length: n }, (_, i) => (i % 4) + i * 1e-9),
    'rank 5': Array.from({ length: n }, (_, i) => (i < 5 ? i + 1 : 0)),
    'graded over 12 orders of magnitude': Array.from({ length: n }, (_, i) => 10 ** ((-12 * i) / n)),
    'both signs in pairs': Array.from({ length: n }, (_, i) => (i % 2 ? -1 : 1) * (1 + Math.floor(i / 2))),
    'one large among equals': Array.from({ length: n }, (_, i) => (i === 0 ? 1e6 : 1)),
    'a Gram matrix’s decay': Array.from({ length: n }, () => next() ** 8),
  };
  test.each(Object.entries(spectra))('%s', async (_, spectrum) => {
    expectValues(await check(withEigenvalues(spectrum, 3), n), spectrum);
  });

  test('zero, identity, diagonal', async () => {
    expectValues(await check(new Float64Array(n * n), n), new Array(n).fill(0));
    const diagonal = (of: (i: number) => number) =>
      Float64Array.from({ length: n * n }, (_, p) => (p % (n + 1) === 0 ? of(p / (n + 1)) : 0));
    expect(
      Array.from(
        await check(
          diagonal(() => 1),
          n,
        ),
      ),
    ).toEqual(new Array(n).fill(1));
    expectValues(
      await check(
        diagonal((i) => (i * 37) % n),
        n,
      ),
      Array.from({ length: n }, (_, i) => i),
    );
  });

  test('a block whose squares underflow, as in what a low rank leaves', async () => {
    const size = 20;
    const next = random(4);
    const a = new Float64Array(size * size);
    a[0] = 1;
    for (let i = 1; i < size; i++) {
      a[i * size + i] = 1e-170 * next();
      if (i > 1) a[i * size + i - 1] = a[(i - 1) * size + i] = 1e-170 * next();
    }
    await check(a, size);
  });

  test('tridiagonal 2, −1: known values', async () => {
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      a[i * n + i] = 2;
      if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
    }
    const expected = Array.from({ length: n }, (_, i) => 2 - 2 * Math.cos(((i + 1) * Math.PI) / (n + 1)));
    expectValues(await check(a, n), expected);
  });

  test('Wilkinson’s matrix, whose largest pairs agree to the last digit', async () => {
    const size = 101;
    const a = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      a[i * size + i] = Math.abs(i - 50);
      if (i > 0) a[i * size + i - 1] = a[(i - 1) * size + i] = 1;
    }
    await check(a, size);
  });

  test('the size of the entries does not matter', async () => {
    const spectrum = Array.from({ length: 70 }, (_, i) => 1 + i);
    for (const size of [1e-300, 1e-160, 1e160, 1e300]) {
      const values = await check(
        withEigenvalues(spectrum, 5).map((x) => x * size),
        70,
      );
      expectValues(
        values,
        spectrum.map((x) => x * size),
      );
    }
  });
});

test('any symmetric matrix', { timeout: 20_000 }, async () => {
  const entry = fc.oneof(fc.constant(0), fc.integer({ min: -3, max: 3 }), fc.double({ min: -1, max: 1, noNaN: true }));
  const matrix = fc.integer({ min: 1, max: 12 }).chain((n) =>
    fc.record({
      n: fc.constant(n),
      copies: fc.integer({ min: 1, max: 4 }),
      entries: fc.array(entry, { minLength: n * n, maxLength: n * n }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(matrix, async ({ n, copies, entries }) => {
      // Copies down the diagonal, lightly coupled: sizes past a leaf, with every value repeated.
      const size = n * copies;
      const a = new Float64Array(size * size);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j <= i; j++) {
          const same = Math.floor(i / n) === Math.floor(j / n);
          const x = same ? (entries[(i % n) * n + (j % n)] ?? 0) : i === j + 1 ? 1e-12 : 0;
          a[i * size + j] = a[j * size + i] = x;
        }
      }
      const values = await check(a, size);
      const trace = a.reduce((sum, x, p) => (p % (size + 1) === 0 ? sum + x : sum), 0);
      expect(Math.abs(values.reduce((sum, x) => sum + x, 0) - trace)).toBeLessThan(1e-11);
    }),
    { seed: 11, numRuns: 30 },
  );
});

describe('count', () => {
  test('sees all values, largest first, and chooses the leading vectors', async () => {
    const n = 90;
    const spectrum = Array.from({ length: n }, (_, i) => 2 ** -i);
    const a = withEigenvalues(spectrum, 9);
    let seen = new Float64Array();
    const { values, vectors } = await symmetricEigen(a.slice(), n, {
      count: (all) => {
        seen = all.slice();
        return all.findIndex((x) => x < 0.01);
      },
    });
    expect(seen).toEqual(values);
    expect(vectors).toHaveLength(7 * n);
    const { residual, overlap } = errors(a, values, vectors);
    expect(Math.max(residual, overlap)).toBeLessThan(1e-13);
  });

  test('none', async () => {
    const { values, vectors } = await symmetricEigen(symmetric(50, 1), 50, { count: () => 0 });
    expect(values).toHaveLength(50);
    expect(vectors).toHaveLength(0);
  });

  test.each([-1, 1.5, 6, Number.NaN])('%d of 5 is refused', async (count) => {
    await expect(symmetricEigen(symmetric(5, 1), 5, { count: () => count })).rejects.toMatchObject({ code: 'numeric' });
  });
});

test('only the upper triangle is read', async () => {
  const a = symmetric(80, 2);
  const half = a.map((x, p) => (p % 80 < Math.floor(p / 80) ? 99 : x));
  expect((await symmetricEigen(half, 80)).values).toEqual((await symmetricEigen(a.slice(), 80)).values);
});

test('two at once do not disturb each other', async () => {
  const [a, b] = [symmetric(100, 1), symmetric(100, 2)];
  const [x, y] = await Promise.all([symmetricEigen(a.slice(), 100), symmetricEigen(b.slice(), 100)]);
  expect(x).toEqual(await symmetricEigen(a.slice(), 100));
  expect(y).toEqual(await symmetricEigen(b.slice(), 100));
});

describe('refused', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%d, and where it is', async (bad) => {
    const a = symmetric(40, 1);
    a[3 * 40 + 7] = bad;
    await expect(symmetricEigen(a, 40)).rejects.toMatchObject({
      code: 'numeric',
      message: expect.stringContaining('(3, 7)'),
    });
  });

  test('a size that does not fit', async () => {
    await expect(symmetricEigen(new Float64Array(5), 2)).rejects.toMatchObject({ code: 'numeric' });
  });

  test('nothing to decompose is no error', async () => {
    expect((await symmetricEigen(new Float64Array(), 0)).values).toHaveLength(0);
  });
});
