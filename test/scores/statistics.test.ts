import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/linalg/random.ts';
import {
  bootstrap,
  bootstrapMean,
  normalQuantile,
  quantile,
  studentQuantile,
  wilson,
} from '../../src/scores/statistics.ts';

/** Standard normal deviates (Box and Muller). */
function normals(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Documents of 50 to 250 tokens, each with a mean of its own. */
function documentsOf(number: number, mean: () => number, random: () => number) {
  return Array.from({ length: number }, () => {
    const count = 50 + Math.floor(random() * 201);
    return { sum: count * mean(), count };
  });
}

describe('the mean over documents', () => {
  const documents = documentsOf(12, normals(1), seededRandom(2));

  test('is over tokens, and lies within its interval; the seed decides all', () => {
    const estimate = bootstrapMean(
      [
        { sum: 1, count: 1 },
        { sum: 9, count: 3 },
      ],
      0,
    );
    expect(estimate.mean).toBe(2.5);
    const { mean, low = Number.NaN, high = Number.NaN } = bootstrapMean(documents, 3);
    expect(low).toBeLessThan(mean);
    expect(high).toBeGreaterThan(mean);
    expect(bootstrapMean(documents, 3)).toEqual({ mean, low, high });
    expect(bootstrapMean(documents, 4)).not.toEqual({ mean, low, high });
  });

  test('several statistics of one bootstrap are each as alone', () => {
    const estimate = bootstrap(3);
    const halves = documents.map(({ sum, count }) => ({ sum: sum / 2, count }));
    expect(estimate(documents)).toEqual(bootstrapMean(documents, 3));
    expect(estimate(documents.slice(4))).toEqual(bootstrapMean(documents.slice(4), 3));
    expect(estimate(halves).low).toBeCloseTo((estimate(documents).low ?? 0) / 2, 12);
  });

  test('documents without tokens do not count', () => {
    expect(bootstrapMean([...documents, { sum: 0, count: 0 }], 3)).toEqual(bootstrapMean(documents, 3));
  });

  test('one document gives no interval, and nothing is refused', () => {
    expect(bootstrapMean([{ sum: 6, count: 4 }], 0)).toEqual({ mean: 1.5 });
    expect(() => bootstrapMean([], 0)).toThrow('groups is [], allowed: a list of {sum, count}, one at least');
  });

  test('equal documents give an interval of no width, whatever rounding leaves', () => {
    const equal = [3, 7, 11, 200].map((count) => ({ sum: count * 0.1, count }));
    const { mean, low, high } = bootstrapMean(equal, 0);
    expect(mean).toBeCloseTo(0.1, 15);
    expect([low, high]).toEqual([mean, mean]);
    const added = [10, 1000].map((count) => ({
      sum: Array(count)
        .fill(0.1)
        .reduce((a, b) => a + b, 0),
      count,
    }));
    expect(bootstrapMean(added, 0).high).toBe(bootstrapMean(added, 0).low);
  });

  test('documents of which most are alike, and two documents, still give finite ends', () => {
    const alike = [...Array(9).fill({ sum: 0, count: 10 }), { sum: 1, count: 10 }];
    const two = [
      { sum: 1, count: 1 },
      { sum: 2, count: 1 },
    ];
    for (const groups of [alike, two]) {
      const { mean, low, high } = bootstrapMean(groups, 0);
      expect(Number.isFinite(low) && Number.isFinite(high)).toBe(true);
      expect(low).toBeLessThan(mean);
      expect(high).toBeGreaterThan(mean);
    }
  });

  test('a mirrored sample has a mirrored interval, and a larger level a wider one', () => {
    const mirrored = documents.map(({ sum, count }) => ({ sum: -sum, count }));
    const { low = Number.NaN, high = Number.NaN } = bootstrapMean(documents, 3);
    expect(bootstrapMean(mirrored, 3).low).toBeCloseTo(-high, 12);
    expect(bootstrapMean(mirrored, 3).high).toBeCloseTo(-low, 12);
    const wide = bootstrapMean(documents, 3, 2000, 0.99);
    expect(wide.low).toBeLessThan(low);
    expect(wide.high).toBeGreaterThan(high);
  });

  // 20 documents stand for the sizes that the docstring tells of.
  test.each<[string, (normal: number) => number, number]>([
    ['normal', (normal) => 3 + normal / 2, 3],
    ['lognormal', (normal) => Math.exp(normal / 2), Math.exp(1 / 8)],
  ])('%s documents: 95 in 100 intervals contain the true mean', (_, mean, truth) => {
    const [normal, random, estimate] = [normals(5), seededRandom(6), bootstrap(7)];
    let covered = 0;
    for (let draw = 0; draw < 1000; draw++) {
      const { low = Number.NaN, high = Number.NaN } = estimate(documentsOf(20, () => mean(normal()), random));
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(930);
    expect(covered).toBeLessThanOrEqual(970);
  });
});

test.each<[number, number, number, number]>([
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3; the last two follow from the third.
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
  [20, 20, 0.8389, 1],
  [0, 0, 0, 1],
])('Wilson of %d in %d is %d to %d', (successes, n, low, high) => {
  expect(wilson(successes, n).low).toBeCloseTo(low, 4);
  expect(wilson(successes, n).high).toBeCloseTo(high, 4);
});

test('quantiles of the normal and of Student, as tables have them', () => {
  expect(normalQuantile(0.975)).toBeCloseTo(1.959963985, 8);
  expect(normalQuantile(0.0005)).toBeCloseTo(-3.290526731, 8);
  const student = [1, 2, 3, 4, 9, 60].map((freedom) => studentQuantile(0.975, freedom));
  for (const [i, value] of [12.7062, 4.3027, 3.1824, 2.7764, 2.2622, 2.0003].entries()) {
    expect(student[i]).toBeCloseTo(value, 4);
  }
});

test('quantile interpolates as numpy does', () => {
  expect([0, 0.25, 0.5, 0.75, 1].map((p) => quantile([1, 2, 3, 10], p))).toEqual([1, 1.75, 2.5, 4.75, 10]);
  expect(quantile([4], 0.99)).toBe(4);
  expect(quantile([], 0.5)).toBeNaN();
});
