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

/** A value whose interval ends where its values do: a resampled one may reach beyond. */
const within =
  (least: number, most: number) =>
  (one: Value | undefined): Value | undefined =>
    one?.interval ? { ...one, interval: [Math.max(one.interval[0], least), Math.min(one.interval[1], most)] } : one;
export const clippedShare = within(0, 1);
export const ofShare = (mean: Mean | null | undefined) => clippedShare(ofMean(mean));
export const ofCosine = (mean: Mean | null | undefined) => within(-1, 1)(ofMean(mean));
/** Of a KL. */
export const ofDivergence = (mean: Mean | null | undefined) => within(0, Number.POSITIVE_INFINITY)(ofMean(mean));
export const ofRank = (mean: Mean | null | undefined) => within(1, Number.POSITIVE_INFINITY)(ofMean(mean));

/** What is 0 but for rounding, such as a divergence from itself, is 0. */
export const roundedBits = (value: number) => (Math.abs(value) < 1e-12 ? 0 : value);
export function withoutNoise(one: Value | undefined): Value | undefined {
  return one && (roundedBits(one.value) === 0 ? exact(0) : one);
}

/** The axis of shares, and their format. */
export const sharesUp = { domain: [0, 1], format: '.0%' } as const;
export const share = (value: number) => percent(value);
