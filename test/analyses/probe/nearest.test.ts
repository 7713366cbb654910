import { expect, test } from 'vitest';
import { placesAmong } from '../../../src/analyses/probe/nearest.ts';
import { multiply } from '../../../src/linalg/products.ts';
import { gaussian, seededRandom } from '../../../src/linalg/random.ts';
import { pickRows, unitRows } from '../../../src/linalg/rows.ts';

const random = seededRandom(6);
const [vocab, hidden, count] = [5000, 24, 60];
const single = (data: Float64Array) => new Float32Array(data);
const rows = unitRows({ rows: vocab, cols: hidden, data: gaussian(vocab * hidden, random) });
const unit = { ...rows, data: single(rows.data) };
/** Nearer and nearer to the row that is asked for. */
const own = Array.from({ length: count }, () => Math.floor(random() * vocab));
const noise = gaussian(count * hidden, random);
const truth = pickRows(unit, own);
const predicted = {
  ...truth,
  data: single(truth.data.map((value, i) => value + (noise[i] ?? 0) / (1 + Math.floor(i / hidden) / 2))),
};
const exact = (data: Float32Array) => new Float64Array(data);

test('places are those among all scores in float64, and not distinguished beyond the last that is wanted', async () => {
  const scores = await multiply(
    { ...predicted, data: exact(predicted.data) },
    { ...unit, data: exact(unit.data) },
    { transposeB: true },
  );
  const wanted = own.map((row, i) => {
    const all = scores.data.subarray(i * vocab, (i + 1) * vocab);
    return all.filter((score) => score >= (all[row] ?? 0)).length;
  });
  expect([...(await placesAmong(predicted, own, unit, vocab))]).toEqual(wanted);
  expect([...(await placesAmong(predicted, own, unit, 5))]).toEqual(wanted.map((place) => Math.min(place, 6)));
  expect(new Set(wanted.map((place) => Math.min(place, 6))).size).toBeGreaterThan(3);
});

test('ties count against the row that is asked for, wherever its equals stand', async () => {
  const twice = { ...unit, data: unit.data.slice() };
  const [asked, equal] = [4321, 17];
  twice.data.copyWithin(equal * hidden, asked * hidden, (asked + 1) * hidden);
  const guess = { rows: 2, cols: hidden, data: new Float32Array(2 * hidden) };
  guess.data.set(unit.data.subarray(asked * hidden, (asked + 1) * hidden)); // and the other guess is zero: all tie
  expect([...(await placesAmong(guess, [asked, asked], twice, 5))]).toEqual([2, 6]);
});
