import fc from 'fast-check';
import { Matrix as MlMatrix } from 'ml-matrix';
import { PCA } from 'ml-pca';
import { describe, expect, test } from 'vitest';
import { explainedBy, fitPca, rankForVariance, reconstruct, solveByLibrary, transpose } from '../../src/linalg/pca.ts';

interface Dense {
  rows: number;
  cols: number;
  data: Float64Array;
}

const copy = ({ rows, cols, data }: Dense): Dense => ({ rows, cols, data: data.slice() });
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
