// Values of an analysis with their intervals, for tables and charts.
import type { Mean, Median } from '../analyses/shapes.ts';
import type { Interval } from '../scores/token-sums.ts';
import { percent } from './format.ts';

/** A value and its interval, if it has one. */
export interface Value {
  readonly value: number;
  readonly interval: Interval;
}

/** A value without an interval. */
export const exact = (value: number): Value => ({ value, interval: null });
export const ofMean = (mean: Mean | null | undefined): Value | undefined =>
  mean ? { value: mean.mean, interval: mean.interval } : undefined;
export const ofMedian = (one: Median | null): Value | undefined =>
  one ? { value: one.median, interval: one.interval } : undefined;

/** A share whose interval ends where shares do: a resampled interval may reach beyond. */
export const ofShare = (mean: Mean | null | undefined): Value | undefined => clippedShare(ofMean(mean));
export const clippedShare = (one: Value | undefined): Value | undefined =>
  one?.interval ? { ...one, interval: [Math.max(one.interval[0], 0), Math.min(one.interval[1], 1)] } : one;

/** A value that is 0 but for rounding, such as a divergence from itself, is 0. */
export function withoutNoise(one: Value | undefined): Value | undefined {
  return one && Math.abs(one.value) < 1e-12 ? exact(0) : one;
}

/** The axis of shares, and their format. */
export const sharesUp = { domain: [0, 1], format: '.0%' } as const;
export const share = (value: number) => percent(value);
