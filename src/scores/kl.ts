// Divergence of a variant's predictions from the original's, with the quantiles that llama.cpp's perplexity tool prints.
import { z } from 'zod';
import { klDivergence } from './logits.ts';
import { interval, tokenScore } from './score.ts';
import type { Interval } from './token-sums.ts';

const unit = 'nats per token';
const better = 'lower';

/** An interval of what cannot be negative, such as a KL: a resampled one may reach below 0, and is clipped there. */
const fromZero = (ends: Interval): Interval => ends && [Math.max(ends[0], 0), Math.max(ends[1], 0)];

export const kl = tokenScore({
  shape: {
    compared: {
      /** Mean KL(original ‖ variant), nats per token. Rounding may leave it a little below 0, and it stays so. */
      kl: z.number(),
      /** Quantiles of KL over tokens, nats. */
      klQuantiles: z.object({ median: z.number(), p99: z.number(), p999: z.number(), max: z.number() }).readonly(),
    },
    /** Its low end is 0 where resampling puts it below, where no KL lies. */
    intervals: { kl: interval },
  },
  keepsTokens: true,
  accumulate: (sum, own, original) => sum + klDivergence(original.logits, original.logSum, own.logits, own.logSum),
  compare(own) {
    const { mean, interval: ends } = own.estimate();
    const [median, p99, p999, max] = [own.quantile(0.5), own.quantile(0.99), own.quantile(0.999), own.quantile(1)];
    return { kl: mean, klQuantiles: { median, p99, p999, max }, intervals: { kl: fromZero(ends) } };
  },
  quantities: {
    kl: {
      label: 'KL',
      title: 'KL from the original',
      unit,
      better,
      of: (scores) => scores.kl,
      interval: ({ intervals }) => intervals && fromZero(intervals.kl ?? null), // older results have them unclipped
      showsInterval: 'on pages',
      format: '3 digits',
      precise: '4 digits',
      column: 'kl',
      views: ['terminal', 'evaluation', 'cells', 'run', 'controls', 'tip', 'chart', 'chart of several'],
    },
    klMedian: {
      label: 'KL, median',
      unit,
      better,
      of: ({ klQuantiles }) => klQuantiles?.median,
      format: '3 digits',
      column: 'kl_median',
      views: ['run'],
    },
    kl99: {
      label: 'KL, 99 %',
      unit,
      better,
      of: ({ klQuantiles }) => klQuantiles?.p99,
      format: '3 digits',
      column: 'kl_p99',
      views: ['run'],
    },
    kl999: { unit, better, of: ({ klQuantiles }) => klQuantiles?.p999, format: '3 digits', column: 'kl_p999' },
    klMax: { unit, better, of: ({ klQuantiles }) => klQuantiles?.max, format: '3 digits', column: 'kl_max' },
  },
});
