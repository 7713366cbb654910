// The best replacement of W on given inputs, against what it has to be: no worse than any other of its rank.
import { describe, expect, test } from 'vitest';
import { type Matrix, multiply } from '../../../src/linalg/products.ts';
import { gaussian, seededRandom } from '../../../src/linalg/random.ts';
import { rowRange } from '../../../src/linalg/rows.ts';
import {
  fitOutputs,
  type GroupFit,
  lostAlong,
  lostOutputs,
  symmetricFactor,
} from '../../../src/operations/fit/group-fit.ts';
import { itemAt } from '../../../src/platform/indexing.ts';

const random = seededRandom(5);
const draw = (rows: number, cols: number): Matrix => ({ rows, cols, data: gaussian(rows * cols, random) });
/** Σ x xᵀ of samples with coordinates of very different sizes. */
async function inputs(samples: number, cols: number) {
  const x = draw(samples, cols);
  for (let i = 0; i < x.data.length; i++) x.data[i] = (x.data[i] as number) * 10 ** (-((i % cols) / cols) * 2);
  return { x, c: await multiply(x, x, { transposeA: true }) };
}
const fitted = (w: Matrix, c: Matrix) => fitOutputs(w, { full: c }, () => symmetricFactor(c));
const plain = (w: Matrix) => fitOutputs(w, { diagonal: new Float64Array(w.cols).fill(1) }, () => expect.fail());

/** ‖(W − Ŵ) Xᵀ‖², straight from the samples. */
async function loss(w: Matrix, { directions }: GroupFit, rank: number, x: Matrix): Promise<number> {
  const kept = rowRange(directions, 0, rank);
  const rebuilt = await multiply(kept, await multiply(kept, w), { transposeA: true });
  const rest = { ...w, data: w.data.map((value, i) => value - (rebuilt.data[i] as number)) };
  return (await multiply(rest, x, { transposeB: true })).data.reduce((sum, value) => sum + value * value, 0);
}

const tail = ({ eigenvalues }: GroupFit, rank: number) =>
  eigenvalues.subarray(rank).reduceRight((sum, value) => sum + value, 0);

describe.each([
  [24, 40],
  [40, 40],
  [64, 40],
])('%i outputs of 40 inputs', (rows, cols) => {
  test('directions are orthonormal, and what they leave out is the sum of the energies left', async () => {
    const [w, { x, c }] = [draw(rows, cols), await inputs(500, cols)];
    const found = await fitted(w, c);
    const { data } = await multiply(found.directions, found.directions, { transposeB: true });
    const size = Math.min(rows, cols);
    for (const [i, value] of data.entries()) expect(value).toBeCloseTo(i % size === Math.floor(i / size) ? 1 : 0, 10);
    for (const rank of [0, 1, 7, 20, size]) {
      const all = await loss(w, found, 0, x);
      expect((await loss(w, found, rank, x)) / all).toBeCloseTo(tail(found, rank) / all, 9);
    }
  });

  test('no plain SVD of the same rank loses less on the text, be it long, short or of a single token', async () => {
    for (const samples of [500, 20, 1]) {
      const [w, { x, c }] = [draw(rows, cols), await inputs(samples, cols)];
      const [found, svd] = [await fitted(w, c), await plain(w)];
      for (const rank of [1, 5, 15, 20]) {
        const [own, other] = [await loss(w, found, rank, x), await loss(w, svd, rank, x)];
        expect(own).toBeLessThanOrEqual(other * (1 + 1e-9) + 1e-9);
        if (rank >= samples) expect(own / (await loss(w, found, 0, x))).toBeLessThan(1e-12);
      }
    }
  });

  test('what 20 samples do not show is cut by the weights: all ranks together give W again', async () => {
    const [w, { c }] = [draw(rows, cols), await inputs(20, cols)];
    const found = await fitted(w, c);
    const size = Math.min(rows, cols);
    const { x: other } = await inputs(300, cols);
    expect((await loss(w, found, size, other)) / (await loss(w, found, 0, other))).toBeLessThan(1e-18);
    // Beyond the samples' directions each further one takes the most of the weights that is left.
    const identity = { rows: cols, cols, data: new Float64Array(cols * cols).map((_, i) => (i % (cols + 1) ? 0 : 1)) };
    const left = await Promise.all([20, 21, 22, 23].map((rank) => loss(w, found, rank, identity)));
    const drops = left.slice(1).map((value, i) => itemAt(left, i) - value);
    expect(drops).toEqual(drops.toSorted((a, b) => b - a));
    expect(Math.min(...drops)).toBeGreaterThanOrEqual(0);
  });

  test('parts of the outputs lose what E C Eᵀ says, along its own directions and along others', async () => {
    const [w, { x, c }] = [draw(rows, cols), await inputs(300, cols)];
    const [found, svd] = [await fitted(w, c), await plain(w)];
    const parts = [
      [0, 10],
      [10, rows],
    ] as const;
    const float32 = ({ rows: count, cols: width, data }: Matrix) => ({
      rows: count,
      cols: width,
      data: new Float32Array(data),
    });
    for (const one of [found, svd]) {
      const curves = await lostOutputs(w, c, one.directions, parts);
      for (const rank of [0, 3, 12]) {
        const along = await lostAlong(
          { eigenvalues: found.eigenvalues, directions: float32(found.directions) },
          float32(rowRange(one.directions, 0, rank)),
          parts,
        );
        const total = curves.reduce((sum, curve) => sum + itemAt(curve, rank), 0);
        const all = await loss(w, one, 0, x);
        expect(total / all).toBeCloseTo((await loss(w, one, rank, x)) / all, 9);
        for (const [i, { lost, all: own }] of along.entries()) {
          expect(lost / all).toBeCloseTo(itemAt(itemAt(curves, i), rank) / all, 5);
          expect(own / all).toBeCloseTo(itemAt(itemAt(curves, i), 0) / all, 5);
        }
      }
    }
  });
});
