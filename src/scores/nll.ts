// Negative log-likelihood of the text under a model; perplexity and the difference from the original follow from it.
import { z } from 'zod';
import { interval, tokenScore } from './score.ts';
import type { Interval } from './token-sums.ts';

export const nll = tokenScore({
  shape: {
    alone: {
      /** Negative log-likelihood, nats per token. */
      nll: z.number(),
      /** exp(nll). */
      perplexity: z.number().nullable(),
    },
    compared: {
      /** nll of the variant minus nll of the original, nats per token. */
      deltaNll: z.number(),
    },
    intervals: { deltaNll: interval },
  },
  accumulate: (sum, { logits, target, logSum }) => sum + logSum - (logits[target] as number),
  summarise: ({ mean }) => ({ nll: mean, perplexity: Math.exp(mean) }),
  compare(own, original) {
    const { mean, interval: ends } = own.estimate(original);
    return { deltaNll: mean, intervals: { deltaNll: ends } };
  },
  quantities: {
    nll: {
      label: 'nll',
      unit: 'nats per token',
      better: 'lower',
      of: (scores) => scores.nll,
      format: '4 digits',
      column: 'nll',
      views: ['evaluation', 'run'],
    },
    perplexity: {
      label: 'perplexity',
      shortLabel: 'ppl',
      title: 'Perplexity',
      unit: 'per token',
      better: 'lower',
      of: ({ perplexity }) => perplexity,
      interval: ({ nll: own = Number.NaN, deltaNll, intervals }) =>
        deltaNll === undefined ? undefined : mapped(intervals?.deltaNll, (delta) => Math.exp(own - deltaNll + delta)),
      format: 'perplexity',
      column: 'perplexity',
      views: ['terminal', 'evaluation', 'cells', 'run', 'controls', 'tip', 'chart'],
    },
    perplexityRatio: {
      title: 'Perplexity, relative to the original',
      unit: 'relative to the original',
      better: 'lower',
      of: ({ deltaNll }) => (deltaNll === undefined ? undefined : Math.exp(deltaNll)),
      interval: ({ intervals }) => mapped(intervals?.deltaNll, Math.exp),
      format: '4 digits',
      views: ['chart of several'],
    },
    deltaNll: {
      label: 'Δnll',
      unit: 'nats per token',
      better: 'lower',
      of: ({ deltaNll }) => deltaNll,
      interval: ({ intervals }) => intervals?.deltaNll,
      showsInterval: 'always',
      format: 'signed',
      column: 'delta_nll',
      views: ['terminal', 'cells', 'run', 'tip'],
    },
  },
});

/** A perplexity that is too large for JSON, which has null in its place, follows from nll as all do. */
export function withPerplexity<T extends { readonly nll: number; readonly perplexity: number | null }>(scores: T) {
  return { ...scores, perplexity: scores.perplexity ?? Math.exp(scores.nll) };
}

function mapped(ends: Interval | undefined, to: (end: number) => number): Interval | undefined {
  return ends && [to(ends[0]), to(ends[1])];
}
