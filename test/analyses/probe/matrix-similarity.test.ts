import { afterAll, expect, test } from 'vitest';
import { evaluateMaps, vocabularyOf } from '../../../src/analyses/probe/evaluation.ts';
import { fitProbes, momentsOf } from '../../../src/analyses/probe/fit.ts';
import { described, Reference } from '../../../src/analyses/probe/matrix-similarity.ts';
import { gramAbout } from '../../../src/analyses/probe/moments.ts';
import { countLabels, rowsOfSubset, trainSubset } from '../../../src/analyses/probe/splits.ts';
import { fitInSubspaces, subspacesOf } from '../../../src/analyses/probe/subspace-probes.ts';
import { embeddingTarget } from '../../../src/analyses/probe/targets.ts';
import { inRuns, signalShares, weightShares } from '../../../src/analyses/probe/weight-spectrum.ts';
import { readEmbedding, readUnembedding } from '../../../src/analyses/vocabulary.ts';
import { type Matrix, multiply } from '../../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../../src/linalg/random.ts';
import { pickRows, transpose } from '../../../src/linalg/rows.ts';
import { principalComponents } from '../../../src/linalg/subspaces.ts';
import { largestDifference } from '../../support/goldens.ts';
import { openGoldenProbes, probeGolden } from '../../support/probes.ts';

const random = seededRandom(2);
const normal = (rows: number, cols: number): Matrix => ({ rows, cols, data: gaussian(rows * cols, random) });

test('a matrix resembles itself wholly, and its chance versions do not', async () => {
  const matrix = normal(60, 16);
  const [reference] = await Reference.all([matrix], 0);
  const found = await reference?.compare(await described(matrix));
  for (const likeness of Object.values(found ?? {})) {
    expect(likeness.value).toBeCloseTo(1, 8);
    expect(likeness.random.most).toBeLessThan(0.7);
  }
  expect(found?.rowCosine.permuted?.most).toBeLessThan(0.3);
  expect(found?.hiddenSpace.permuted).toBeNull();
});

test('unrelated matrices are as alike as chance says', async () => {
  const [matrix, other] = [normal(80, 16), normal(80, 16)];
  const [reference] = await Reference.all([matrix], 0);
  const found = await reference?.compare(await described(other));
  expect(Math.abs(found?.rowCosine.value ?? 1)).toBeLessThan(0.1);
  expect(Math.abs(found?.rowCosine.permuted?.mean ?? 1)).toBeLessThan(0.03);
  expect(Math.abs((found?.hiddenSpace.random.mean ?? 0) - 2 / 16)).toBeLessThan(0.08);
  const { least = 1, most = 0 } = found?.cka.permuted ?? {};
  expect(found?.cka.value).toBeGreaterThan(least * 0.8);
  expect(found?.cka.value).toBeLessThan(most * 1.2);
});

test('shares of an orthonormal basis sum to 1; runs are their sums', async () => {
  const [weights, basis, x] = [normal(7, 6), await randomOrthonormal(6, 6, random), normal(30, 6)];
  const shares = await weightShares(weights, basis);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  const signal = await signalShares(shares, basis, await multiply(x, x, { transposeA: true }));
  expect(signal.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  const halves = inRuns(shares, 2);
  expect(halves[0]).toBeCloseTo(
    shares.subarray(0, 3).reduce((sum, share) => sum + share, 0),
    12,
  );
  expect(
    await weightShares(
      { rows: 1, cols: 2, data: Float64Array.of(3, 4) },
      { rows: 1, cols: 2, data: Float64Array.of(0, 1) },
    ),
  ).toEqual(Float64Array.of(16 / 25));
});

const { checkpoint, activations, positions, rowSplit } = await openGoldenProbes();
afterAll(() => activations.close());
const embedding = await readEmbedding(checkpoint);
const basis = await principalComponents(await readUnembedding(checkpoint));
const learnt = rowsOfSubset(rowSplit.subsets, trainSubset).map((row) => positions.input[row] ?? 0);
const counts = countLabels(Int32Array.from(learnt));
const compared = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || a - b);
const [reference] = await Reference.all([pickRows(embedding, compared)], 0);

test.each(probeGolden.points.map((wanted, point) => ({ point, wanted })))(
  'similarity, shares of the weight and probes inside subspaces are those of the reference at point $point',
  async ({ point, wanted }) => {
    const source = activations.at(point);
    const sums = await momentsOf(source, [rowSplit]);
    const [moments] = sums;
    const [probe] = await fitProbes(sums, { tokens: true });
    if (!probe || !moments) throw new Error('no probe');
    const weights = transpose(probe.coefficients);
    const rows = pickRows(
      weights,
      compared.map((type) => probe.outputs.indexOf(type)),
    );
    const found = await reference?.compare(await described(rows));
    for (const name of ['rowCosine', 'cka', 'hiddenSpace', 'tokenSpace'] as const)
      expect(Math.abs((found?.[name].value ?? Number.NaN) - wanted.resemblance[name]), name).toBeLessThan(1e-4);
    const shares = await weightShares(weights, basis);
    expect(largestDifference(shares, wanted.weight)).toBeLessThan(1e-5);
    const gram = gramAbout(moments.train, moments.train.mean);
    expect(largestDifference(await signalShares(shares, basis, gram), wanted.signal)).toBeLessThan(1e-5);
    const parts = subspacesOf(basis, basis).filter(({ name, from, to }) => to - from === 12 && name !== 'random');
    expect(parts.map(({ name }) => name)).toEqual(['leading', 'trailing']);
    const probes = await fitInSubspaces(moments, parts, embeddingTarget(embedding));
    for (const [i, part] of parts.entries()) {
      const inside = probes[i];
      if (!inside) throw new Error('no probe');
      const evaluated = { map: inside, target: inside.target, outputs: [], mean: inside.offset };
      const [evaluation] = await evaluateMaps(
        source,
        [{ ...evaluated, rowSplit, labels: positions.input }],
        positions.document,
        vocabularyOf(embedding),
      );
      const golden = wanted.inside[part.name === 'leading' ? 'leading' : 'trailing'];
      expect(Math.abs((evaluation?.r2.value ?? Number.NaN) - golden.r2)).toBeLessThan(1e-5);
      expect(evaluation?.top1.value).toBeCloseTo(golden.top1, 10);
    }
  },
);
