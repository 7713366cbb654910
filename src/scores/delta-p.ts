// How the probability of the correct token changes, as llama.cpp's perplexity tool has it.
import { z } from 'zod';
import { tokenScore } from './score.ts';
import type { Prediction } from './token-sums.ts';

export const deltaP = tokenScore({
  shape: {
    compared: {
      /** Probability of the correct token: variant minus original. */
      deltaP: z.object({ mean: z.number(), rms: z.number() }).readonly(),
    },
  },
  keepsTokens: true,
  accumulate: (sum, own, original) => sum + probability(own) - probability(original),
  compare: ({ tokens }) => ({
    deltaP: { mean: average(tokens), rms: Math.sqrt(average(tokens.map((value) => value ** 2))) },
  }),
  quantities: {
    deltaPMean: {
      unit: 'probability',
      better: 'higher',
      of: (scores) => scores.deltaP?.mean,
      format: 'percent, 2 decimals',
      column: 'delta_p_mean',
    },
    deltaPRms: {
      unit: 'probability',
      better: 'lower',
      of: (scores) => scores.deltaP?.rms,
      format: 'percent, 2 decimals',
      column: 'delta_p_rms',
    },
  },
});

function probability({ logits, target, logSum }: Prediction): number {
  return Math.exp((logits[target] as number) - logSum);
}

function average(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
