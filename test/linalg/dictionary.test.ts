import { expect, test } from 'vitest';
import { coherenceOf } from '../../src/linalg/coherence.ts';
import { errorsBySparsity, learnDictionary } from '../../src/linalg/dictionary.ts';
import { multiply } from '../../src/linalg/products.ts';
import { matchingPursuit } from '../../src/linalg/pursuit.ts';
import { gaussian, seededRandom } from '../../src/linalg/random.ts';
import { unitRows } from '../../src/linalg/rows.ts';
import { assignment } from '../support/matching.ts';

const [size, count, sparsity] = [16, 24, 2];
const random = seededRandom(5);
const planted = unitRows({ rows: count, cols: size, data: gaussian(count * size, random) });
const codes = new Float64Array(1200 * count);
for (let i = 0; i < 1200; i++) {
  for (let used = 0; used < sparsity; used++)
    codes[i * count + Math.floor(random() * count)] = (random() < 0.5 ? -1 : 1) * (0.5 + random());
}
const signals = await multiply({ rows: 1200, cols: count, data: codes }, planted);

test('planted atoms come back, up to their order and sign', async () => {
  const { atoms, codes: found } = await learnDictionary(signals, { atoms: count, sparsity, seed: 0, iterations: 40 });
  const cosines = assignment(await multiply(planted, atoms, { transposeB: true }));
  expect(Math.min(...cosines)).toBeGreaterThan(0.999);
  // The pursuit is greedy: where atoms are alike it misses a little, with the planted ones too.
  const own = await matchingPursuit(signals, planted, sparsity);
  const [missed = 1, ownMissed = 0] = [errorsBySparsity(found).at(-1), errorsBySparsity(own).at(-1)];
  expect(Math.abs(missed - ownMissed)).toBeLessThan(1e-3);
  expect(missed).toBeLessThan(0.01);
});

test('atoms have unit length, and each further one in a token misses less', async () => {
  const { atoms, codes: found } = await learnDictionary(signals, { atoms: 20, sparsity: 4, seed: 1, iterations: 3 });
  for (let k = 0; k < 20; k++) expect(Math.hypot(...atoms.data.subarray(k * size, (k + 1) * size))).toBeCloseTo(1, 12);
  const errors = errorsBySparsity(found);
  expect(errors).toHaveLength(4);
  expect(errors).toEqual(errors.toSorted((a, b) => b - a));
});

test('coherence of directions whose cosines are known', async () => {
  const directions = { rows: 3, cols: 2, data: Float64Array.of(1, 0, 0, 1, 0.6, 0.8) }; // cosines 0, 0.6, 0.8
  const { largest, mean, pairs, independent } = await coherenceOf(directions, [0.1, 0.7, 1]);
  expect(largest).toBeCloseTo(0.8, 12);
  expect(mean).toBeCloseTo(1.4 / 3, 12);
  expect(pairs).toEqual([1 / 3, 2 / 3, 1]);
  expect(independent).toEqual([2, 2, 3]);
});
