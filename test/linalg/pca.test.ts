import fc from 'fast-check';
import { Matrix as MlMatrix, SVD } from 'ml-matrix';
import { PCA } from 'ml-pca';
import { describe, expect, test } from 'vitest';
import {
  explainedBy,
  fitPca,
  leadingOf,
  type Pca,
  project,
  rankForVariance,
  solveByGram,
  solveByLibrary,
} from '../../src/linalg/pca.ts';
import { multiply } from '../../src/linalg/products.ts';
import { transpose } from '../../src/linalg/rows.ts';
import { numbers, random } from './matrices.ts';

interface Dense {
  rows: number;
  cols: number;
  data: Float64Array;
}

const copy = ({ rows, cols, data }: Dense): Dense => ({ rows, cols, data: data.slice() });
/** (X − μ) V Vᵀ, with `keepMean` + μ, in the scale of the matrix that was fitted, (rows, cols). */
async function reconstruct(pca: Pca, rank: number, keepMean: boolean): Promise<Dense> {
  const { projected } = await project(await leadingOf(pca, rank), rank);
  const { rows, cols } = projected;
  const data = Float64Array.from(projected.data, (value, i) => {
    const scaled = value * (pca.scales?.[Math.floor(i / cols)] ?? 1);
    return keepMean ? scaled + (pca.mean[i % cols] ?? Number.NaN) : scaled;
  });
  return { rows, cols, data };
}
const rowsOf = ({ rows, cols, data }: Dense) =>
  Array.from({ length: rows }, (_, i) => [...data.subarray(i * cols, (i + 1) * cols)]);
const matrix = fc
  .tuple(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 12 }))
  .chain(([rows, cols]) =>
    fc
      .array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: rows * cols, maxLength: rows * cols })
      .map((values) => ({ rows, cols, data: Float64Array.from(values) })),
  );
const settings = { seed: 11, numRuns: 100 };

test('the spectrum is that of the library ml-pca', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const library = new PCA(new MlMatrix(rowsOf(x)), { center: true, scale: false });
      const { explainedVarianceRatio } = await fitPca(copy(x), () => 0);
      expect(explainedVarianceRatio).toHaveLength(Math.min(x.rows, x.cols));
      fc.pre((explainedVarianceRatio[0] ?? 0) > 0);
      for (const [i, ratio] of library.getExplainedVariance().slice(0, explainedVarianceRatio.length).entries()) {
        expect(explainedVarianceRatio[i]).toBeCloseTo(ratio, 9);
      }
    }),
    settings,
  );
});

test('the reconstruction is that of the library, at every rank, standing or lying', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const library = new PCA(new MlMatrix(rowsOf(x)), { center: true, scale: false });
      const pca = await fitPca(copy(x), (ratio) => ratio.length);
      const side = pca.explainedVarianceRatio.length;
      for (let rank = 0; rank <= side; rank++) {
        // At a repeated eigenvalue the leading subspace is not unique, so only clean cuts are compared.
        const [last = 1, next = 0] = [pca.explainedVarianceRatio[rank - 1], pca.explainedVarianceRatio[rank]];
        if (last - next < 1e-6) continue;
        const ours = await reconstruct(pca, rank, true);
        const theirs =
          rank === 0
            ? x.data.map((_, i) => pca.mean[i % x.cols] ?? 0)
            : library.invert(library.predict(new MlMatrix(rowsOf(x)), { nComponents: rank })).to1DArray();
        expect(ours).toMatchObject({ rows: x.rows, cols: x.cols });
        for (let i = 0; i < x.data.length; i++) expect(ours.data[i]).toBeCloseTo(theirs[i] ?? Number.NaN, 5);
      }
    }),
    settings,
  );
});

test('all components give the matrix back; without the mean, the matrix less its mean', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const pca = await fitPca(copy(x), (ratio) => ratio.length);
      const side = Math.min(x.rows, x.cols);
      const kept = await reconstruct(pca, side, true);
      const dropped = await reconstruct(pca, side, false);
      for (let i = 0; i < x.data.length; i++) {
        expect(kept.data[i]).toBeCloseTo(x.data[i] ?? 0, 5);
        expect(dropped.data[i]).toBeCloseTo((x.data[i] ?? 0) - (pca.mean[i % x.cols] ?? 0), 5);
      }
    }),
    settings,
  );
});

test('the engine ml-pca finds the same components as ours', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const all = (ratio: Float64Array) => ratio.length;
      const [ours, theirs] = [await fitPca(copy(x), all), await fitPca(copy(x), all, solveByLibrary)];
      const ratios = [...ours.explainedVarianceRatio];
      for (const [i, ratio] of ratios.entries()) expect(theirs.explainedVarianceRatio[i]).toBeCloseTo(ratio, 9);
      const cut = ratios.findIndex((ratio, i) => ratio - (ratios[i + 1] ?? 0) > 1e-3) + 1;
      const [a, b] = [await reconstruct(ours, cut, true), await reconstruct(theirs, cut, true)];
      for (let i = 0; i < a.data.length; i++) expect(a.data[i]).toBeCloseTo(b.data[i] ?? Number.NaN, 4);
    }),
    settings,
  );
});

/** The best approximation of a rank, by a singular value decomposition, and the singular values. */
function truncated(x: Dense, rank: number): { values: number[]; rightOf: (rows: number[][]) => number[][] } {
  const svd = new SVD(new MlMatrix(rowsOf(x)), { autoTranspose: true });
  const v = svd.rightSingularVectors.subMatrix(0, x.cols - 1, 0, Math.max(rank - 1, 0));
  const projector = rank === 0 ? MlMatrix.zeros(x.cols, x.cols) : v.mmul(v.transpose());
  return { values: svd.diagonal, rightOf: (rows) => new MlMatrix(rows).mmul(projector).to2DArray() };
}

/** Ranks at which the leading subspace is unique. */
function cleanCuts(eigenvalues: Float64Array): number[] {
  const total = eigenvalues.reduce((sum, value) => sum + value, 0);
  return [...eigenvalues.keys()]
    .map((i) => i + 1)
    .filter((rank) => {
      const [last = 0, next = 0] = [eigenvalues[rank - 1], eigenvalues[rank]];
      return last - next > 1e-4 * total;
    });
}

const everything = (ratio: Float64Array) => ratio.length;

test('eigenvalues are squared singular values of the centred matrix', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const { eigenvalues, mean } = await fitPca(copy(x), () => 0);
      const centred = { ...x, data: x.data.map((value, i) => value - (mean[i % x.cols] ?? 0)) };
      const { values } = truncated(centred, 0);
      for (const [i, value] of eigenvalues.entries()) expect(value).toBeCloseTo((values[i] ?? 0) ** 2, 8);
    }),
    { ...settings, numRuns: 30 },
  );
});

test('not centred, it is a plain singular value decomposition', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, async (x) => {
      const pca = await fitPca(copy(x), everything, solveByGram, { center: false });
      expect(pca.mean).toEqual(new Float64Array(x.cols));
      const { values } = truncated(x, 0);
      for (const [i, value] of pca.eigenvalues.entries()) expect(value).toBeCloseTo((values[i] ?? 0) ** 2, 8);
      for (const rank of cleanCuts(pca.eigenvalues)) {
        const expected = truncated(x, rank).rightOf(rowsOf(x)).flat();
        // No mean was taken off: whether it is kept changes nothing.
        for (const keep of [true, false]) {
          const { data } = await reconstruct(pca, rank, keep);
          for (const [i, value] of data.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 4);
        }
      }
    }),
    { ...settings, numRuns: 30 },
  );
});

describe('balanced', () => {
  /** A matrix whose rows belong to two or three blocks of very different size. */
  const blocks = matrix.chain((x) =>
    fc.array(fc.integer({ min: 0, max: 2 }), { minLength: x.rows, maxLength: x.rows }).map((balance) => ({
      balance,
      x: {
        ...x, // Rounded: the squares of numbers below 1e-160 are 0.
        data: x.data.map((value, i) => Number(value.toFixed(6)) * 10 ** (balance[Math.floor(i / x.cols)] ?? 0)),
      },
    })),
  );
  const normsOf = (rows: readonly (readonly number[])[], balance: readonly number[]) =>
    [...new Set(balance)].map((block) => Math.hypot(...rows.flatMap((row, i) => (balance[i] === block ? row : []))));

  test('every block has a norm of 1, and the variance is that of as many blocks', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, fc.boolean(), async ({ x, balance }, center) => {
        const pca = await fitPca(copy(x), () => 0, solveByGram, { center, balance });
        const fitted = pca.transposed ? transpose(pca.centred) : pca.centred;
        const norms = normsOf(rowsOf(fitted), balance).filter((norm) => norm > 0);
        for (const norm of norms) expect(norm).toBeCloseTo(1, 12);
        expect(pca.eigenvalues.reduce((sum, value) => sum + value, 0)).toBeCloseTo(norms.length, 10);
      }),
      { ...settings, numRuns: 30 },
    );
  });

  test('what comes back is (X − μ) V Vᵀ + μ, with V of the balanced matrix', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, async ({ x, balance }) => {
        const pca = await fitPca(copy(x), everything, solveByGram, { balance });
        const centred = rowsOf(x).map((row) => row.map((value, j) => value - (pca.mean[j] ?? 0)));
        const scales = centred.map((_, i) => pca.scales?.[i] ?? Number.NaN);
        const balanced = centred.map((row, i) => row.map((value) => value / (scales[i] ?? 1)));
        const v = { ...x, data: Float64Array.from(balanced.flat()) };
        for (const rank of cleanCuts(pca.eigenvalues)) {
          const expected = truncated(v, rank).rightOf(centred).flat();
          for (const keep of [true, false]) {
            const { data } = await reconstruct(pca, rank, keep);
            for (const [i, value] of data.entries()) {
              const whole = (expected[i] ?? Number.NaN) + (keep ? (pca.mean[i % x.cols] ?? 0) : 0);
              expect(value / (scales[Math.floor(i / x.cols)] ?? 1)).toBeCloseTo(
                whole / (scales[Math.floor(i / x.cols)] ?? 1),
                4,
              );
            }
          }
        }
      }),
      { ...settings, numRuns: 30 },
    );
  });

  test('a block of zeros stays one', async () => {
    const x = { rows: 4, cols: 3, data: Float64Array.of(3, 0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0) };
    const pca = await fitPca(copy(x), everything, solveByGram, { center: false, balance: [0, 0, 1, 1] });
    expect([...(pca.scales ?? [])]).toEqual([13, 13, 1, 1]);
    const { data } = await reconstruct(pca, 3, true);
    for (const [i, value] of data.entries()) expect(value).toBeCloseTo(x.data[i] ?? Number.NaN, 5);
    expect([...data.subarray(6)]).toEqual(new Array(6).fill(0));
  });
});

test.each([5, 130, 200])('leading vectors do not depend on how many are asked for, of %d', async (side) => {
  const next = random(side);
  const data = Float64Array.from({ length: side * (side + 7) }, (_, i) => (next() - 0.5) / (1 + (i % 40)));
  const solve = (count: number) => solveByGram({ rows: side, cols: side + 7, data: data.slice() }, () => count);
  const all = await solve(side);
  expect(all.vectors).toMatchObject({ rows: side, cols: side });
  for (const count of [0, 1, 128, 129, side - 1].filter((one) => one < side)) {
    const some = await solve(count);
    expect(some.vectors.rows).toBe(count);
    expect(some.vectors.data).toEqual(all.vectors.data.slice(0, count * side));
    expect(some.eigenvalues).toEqual(all.eigenvalues);
  }
});

describe('ranks', () => {
  const ratio = Float64Array.of(0.5, 0.3, 0.15, 0.05);
  test.each([
    [0.1, 1],
    [0.5, 1],
    [0.51, 2],
    [0.8, 2],
    [0.95, 3],
    [0.96, 4],
    [1, 4],
  ])('variance %d takes %d components', (variance, rank) => {
    expect(rankForVariance(ratio, variance)).toBe(rank);
  });

  test('all, if rounding never lets the sum reach the threshold; none, if there is no variance', () => {
    expect(rankForVariance(Float64Array.of(0.6, 0.39999999999999), 1)).toBe(2);
    expect(rankForVariance(new Float64Array(3), 0.9)).toBe(0);
    expect([explainedBy(ratio, 2), explainedBy(ratio, 0), explainedBy(new Float64Array(3), 0)]).toEqual([0.8, 0, 1]);
  });

  test('all of the variance takes the rank of the matrix: what rounding leaves is no component', async () => {
    const next = random(1);
    const dense = (rows: number, cols: number): Dense => ({ rows, cols, data: numbers(rows * cols, next) });
    const rankOf = async (x: Dense) => {
      const { explainedVarianceRatio: all } = await fitPca(x, () => 1);
      return [rankForVariance(all, 1), all.length];
    };
    for (let draw = 0; draw < 8; draw++) {
      expect(await rankOf(dense(24, 40))).toEqual([23, 24]); // centred rows add up to 0
      expect(await rankOf(await multiply(dense(24, 5), dense(5, 40)))).toEqual([5, 24]);
    }
  });

  test('no more than were kept', async () => {
    const pca = await fitPca({ rows: 2, cols: 2, data: Float64Array.of(1, 2, 3, 5) }, () => 1);
    await expect(reconstruct(pca, 2, true)).rejects.toThrow(RangeError);
  });
});

test('transposing twice is nothing, also across the block size', () => {
  const x = { rows: 70, cols: 33, data: Float64Array.from({ length: 70 * 33 }, (_, i) => i) };
  const once = transpose(x);
  expect(once.data[1]).toBe(33);
  expect(transpose(once)).toEqual(x);
});
