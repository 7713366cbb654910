import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { argmax, greedy, sample } from '../../src/generate/sampling.ts';
import { seededRandom } from '../../src/linalg/random.ts';

const all = { temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 };
const logs = (probabilities: number[]) => Float32Array.from(probabilities, Math.log);
const frequencies = (probabilities: number[], sampling = all, draws = 20_000, seen: number[] = []) => {
  const random = seededRandom(5);
  const counts = probabilities.map(() => 0);
  for (let i = 0; i < draws; i++) {
    const id = sample(logs(probabilities), seen, sampling, random);
    counts[id] = (counts[id] ?? 0) + 1 / draws;
  }
  return counts;
};

test('greedy takes the first of the largest', () => {
  expect(sample(Float32Array.of(1, 3, 3, 2), [], greedy, () => 0.99)).toBe(1);
  expect(argmax(Float32Array.of(-3, -1, -2))).toBe(1);
});

test('tokens come as often as their probabilities say', () => {
  for (const [i, frequency] of frequencies([0.5, 0.3, 0.15, 0.05]).entries()) {
    expect(frequency).toBeCloseTo([0.5, 0.3, 0.15, 0.05][i] ?? 0, 1.7);
  }
});

test('temperature sharpens: at 0.5 probabilities are squared and normalised', () => {
  const [first] = frequencies([0.6, 0.4], { ...all, temperature: 0.5 });
  expect(first).toBeCloseTo(0.36 / 0.52, 1.7);
});

test('top-k keeps the k likeliest, top-p the fewest that reach p', () => {
  expect(frequencies([0.1, 0.5, 0.4], { ...all, topK: 2 })[0]).toBe(0);
  expect(frequencies([0.1, 0.5, 0.4], { ...all, topP: 0.5 })).toEqual([0, expect.closeTo(1, 9), 0]);
  const [a, b, c] = frequencies([0.1, 0.5, 0.4], { ...all, topP: 0.6 });
  expect([a, b, c]).toEqual([0, expect.closeTo(5 / 9, 1), expect.closeTo(4 / 9, 1)]);
  // With both, p is a share of what k left.
  expect(frequencies([0.1, 0.5, 0.4], { ...all, topK: 2, topP: 0.55 })[2]).toBe(0);
});

test('the nucleus is that of a full sort', () => {
  const distribution = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(
      distribution,
      fc.double({ min: 0.05, max: 0.99, noNaN: true }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (weights, topP, draw) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const order = weights.map((weight, id) => ({ id, p: weight / total })).sort((x, y) => y.p - x.p || x.id - y.id);
        let mass = 0;
        const nucleus = new Set<number>();
        for (const { id, p } of order) {
          nucleus.add(id);
          mass += p;
          if (mass >= topP + 1e-6) break; // float32 logits may tip an exact tie either way
        }
        expect(nucleus).toContain(
          sample(logs(weights.map((weight) => weight / total)), [], { ...all, topP }, () => draw),
        );
      },
    ),
    { seed: 6, numRuns: 300 },
  );
});

test('as many tokens as there are, kept by k, change nothing about p', () => {
  // One likely token and a long flat tail, of which p leaves out most.
  const tail = 996;
  const weights = [0.8, 0.05, 0.04, 0.03, ...Array.from({ length: tail }, () => 0.08 / tail)];
  const kept = (topK: number) =>
    new Set(
      Array.from({ length: 400 }, (_, i) => sample(logs(weights), [], { ...all, topP: 0.9, topK }, () => i / 400)),
    );
  expect(kept(weights.length)).toEqual(kept(0));
});

test('logits that are not finite are refused, not sampled from', () => {
  expect(() => sample(Float32Array.of(Number.NaN, 1), [], greedy, () => 0)).toThrow(/logits that are not finite/);
  expect(() => sample(Float32Array.of(Number.POSITIVE_INFINITY, 1), [], all, () => 0)).toThrow(
    /logits that are not finite/,
  );
});

describe('repetition penalty', () => {
  test('divides positive logits and multiplies negative ones of tokens that occurred', () => {
    const penalty = { ...greedy, repetitionPenalty: 2 };
    expect(sample(Float32Array.of(4, 3, -1), [0], penalty, () => 0)).toBe(1);
    expect(sample(Float32Array.of(-1, -1.5), [0], penalty, () => 0)).toBe(1);
    expect(sample(Float32Array.of(4, 1), [0, 0, 0], penalty, () => 0)).toBe(0); // once, however often it occurred
  });

  test('leaves the logits themselves alone', () => {
    const logits = Float32Array.of(4, 3);
    sample(logits, [0], { ...greedy, repetitionPenalty: 2 }, () => 0);
    expect([...logits]).toEqual([4, 3]);
  });
});
