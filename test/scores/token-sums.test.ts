import { expect, test } from 'vitest';
import { type Accumulation, meanOver, type Prediction, TokenSums } from '../../src/scores/token-sums.ts';

const predictions: readonly Prediction[] = [1, 2, 3].map((target) => ({
  logits: Float32Array.of(0),
  target,
  top: 0,
  logSum: 0,
}));
const targets: Accumulation = { accumulate: (sum, { target }) => sum + target };

/** Documents of two tokens, of none and of one. */
function added(accumulation: Accumulation): TokenSums {
  const sums = new TokenSums([2, 0, 1], accumulation);
  for (const [i, prediction] of predictions.entries()) sums.add(i < 2 ? 0 : 2, prediction, prediction);
  return sums;
}

test('sums are by document, and the mean is over tokens', () => {
  const { sums, mean, tokens } = added(targets);
  expect(sums).toEqual([3, 0, 3]);
  expect(mean).toBe(2);
  expect(tokens).toHaveLength(0);
  expect(new TokenSums([0], targets).mean).toBeNaN();
});

test('values at tokens are kept on demand, in order, and their quantiles leave them so', () => {
  const falling = added({ accumulate: (sum, { target }) => sum - target, keepsTokens: true });
  expect([falling.quantile(0), falling.quantile(0.75), falling.quantile(1)]).toEqual([-3, -1.5, -1]);
  expect([...falling.tokens]).toEqual([-1, -2, -3]);
  expect(falling.sums).toEqual([-3, 0, -3]);
});

test('an estimate is the mean with its interval, or that of the paired difference', () => {
  const sums = added(targets);
  expect(sums.estimate()).toEqual(meanOver([2, 0, 1], [3, 0, 3]));
  const other = added({ accumulate: (sum, { target }) => sum + 2 * target - 1 });
  expect(other.estimate(sums)).toEqual(meanOver([2, 0, 1], [1, 0, 2]));
});
