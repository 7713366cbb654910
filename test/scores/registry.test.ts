// Every score by its contract: what it computes is what result files hold of it, and its figures are found there.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { scoreShapes, tokenScores } from '../../src/scores/registry.ts';
import type { Shape, TokenScore } from '../../src/scores/score.ts';
import { type Accumulation, type Prediction, TokenSums } from '../../src/scores/token-sums.ts';

/** A prediction of token 0 with a probability, where token 1 has the rest. */
function coin(probability: number): Prediction {
  const logits = Float32Array.of(Math.log(probability), Math.log(1 - probability));
  return {
    logits,
    target: 0,
    top: probability >= 0.5 ? 0 : 1,
    logSum: Math.log(Math.exp(logits[0] ?? 0) + Math.exp(logits[1] ?? 0)),
  };
}

/** Pairs of probabilities of the correct token: of the variant, and of the original. */
function summed(score: Accumulation, pairs: readonly (readonly [own: number, original: number])[]): TokenSums {
  const sums = new TokenSums([pairs.length], score);
  for (const [own, original] of pairs) sums.add(0, coin(own), coin(original));
  return sums;
}

const pairs = [
  [0.75, 0.25],
  [0.25, 0.5],
  [0.5, 0.5],
] as const;

test('nll, perplexity and their difference from the original', () => {
  const { nll } = tokenScores;
  const own = summed(nll, pairs);
  const original = summed(
    nll,
    pairs.map(([, p]) => [p, p] as const),
  );
  const mean = -(Math.log(0.75) + Math.log(0.25) + Math.log(0.5)) / 3;
  expect(nll.summarise?.(own).nll).toBeCloseTo(mean, 6);
  expect(nll.summarise?.(own).perplexity).toBeCloseTo(Math.exp(mean), 6);
  expect(nll.compare?.(own, original).deltaNll).toBeCloseTo(-Math.log(1.5) / 3, 6);
});

test('KL has the original first, with quantiles over tokens', () => {
  const { kl } = tokenScores;
  const sums = summed(kl, pairs);
  const divergences = [0.25 * Math.log(1 / 3) + 0.75 * Math.log(3), 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 0];
  for (const [i, value] of divergences.entries()) expect(sums.tokens[i]).toBeCloseTo(value, 6);
  const { kl: mean, klQuantiles, intervals } = kl.compare?.(sums, sums) ?? {};
  expect(mean).toBeCloseTo(divergences.reduce((sum, value) => sum + value, 0) / 3, 6);
  expect(klQuantiles?.median).toBe(sums.tokens[1]);
  expect(klQuantiles?.max).toBe(sums.tokens[0]);
  expect(klQuantiles?.p99).toBeLessThan(klQuantiles?.p999 ?? 0);
  expect(intervals).toEqual({ kl: null });
});

test('an interval of KL ends at 0, where a resampled one reaches below', () => {
  // As documents of which one alone differs give it.
  const sums = new TokenSums([1, 1, 1, 1, 1, 1, 1, 100], tokenScores.kl);
  for (const [document] of sums.counts.entries()) sums.sums[document] = document === 6 ? 3 : 0.001;
  expect(sums.estimate().interval?.[0]).toBeLessThan(0);
  sums.tokens.fill(0);
  expect(tokenScores.kl.compare?.(sums, sums).intervals.kl?.[0]).toBe(0);
});

test('the change of the correct token’s probability, and the share of tokens that stay first', () => {
  const sums = summed(tokenScores.deltaP, pairs);
  const { mean, rms } = tokenScores.deltaP.compare?.(sums, sums).deltaP ?? {};
  expect(mean).toBeCloseTo(0.25 / 3, 6);
  expect(rms).toBeCloseTo(Math.sqrt((0.25 + 0.0625) / 3), 6);
  const same = summed(tokenScores.sameTop, pairs);
  expect(tokenScores.sameTop.compare?.(same, same)).toEqual({ sameTop: 1 / 3 });
});

const all = tokenScores as unknown as Readonly<Record<string, TokenScore<Required<Shape>, string>>>;

test('what each score computes is what result files hold, and its figures are found in it', () => {
  for (const [name, score] of Object.entries(all)) {
    const [own, original] = [
      summed(score, pairs),
      summed(
        score,
        pairs.map(([, p]) => [p, p] as const),
      ),
    ];
    const { intervals = {}, ...compared } = score.compare?.(own, original) ?? {};
    const { shape } = score;
    const held = (fields: Shape['alone'] = {}) => z.strictObject(fields);
    const result = {
      ...held(shape.alone).parse(score.summarise?.(own) ?? {}),
      ...held(shape.compared).parse(compared),
    };
    expect(held(shape.intervals).parse(intervals), name).toEqual(intervals);
    for (const [key, { of }] of Object.entries(score.quantities)) expect(of(result), key).toBeTypeOf('number');
    const keys = Object.keys(scoreShapes.compared.in.shape);
    expect(keys).toEqual(expect.arrayContaining(Object.keys(result)));
  }
});
