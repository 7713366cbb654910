// Means over documents with intervals, proportions and quantiles. Float64.
import { seededRandom } from '../linalg/random.ts';
import { aCount, aList, isPlainObject, requireArgument } from '../platform/arguments.ts';

/** A quantity summed over one document's tokens, and how many tokens those are. */
export interface DocumentSum {
  readonly sum: number;
  readonly count: number;
}

/** Both ends, or neither where the data give no interval. */
export interface Estimate {
  readonly mean: number;
  readonly low?: number;
  readonly high?: number;
}

/**
 * Σ sums / Σ counts over documents, with an interval that takes documents, not tokens, as the independent draws.
 *
 * Bootstrap-t (Efron and Tibshirani 1993, 12.5): documents are resampled, each resample's distance from the mean is
 * divided by its own linearised standard error, and the quantiles of that stand in for Student's. The error they are
 * multiplied with allows for a document's pull on the mean (HC3, MacKinnon and White 1985), and they are kept within
 * twice Student's quantile, since resamples of few documents may have next to no spread. It is not symmetric.
 *
 * Coverage of the 95 % interval in %, measured on 5,000 draws of documents with 50 to 250 tokens each (± 0.6):
 *
 * | documents                |   2  |   3  |   4  |   5  |   8  |  10  |  12  |  20  |  60  |
 * |--------------------------|------|------|------|------|------|------|------|------|------|
 * | means normal             | 98.4 | 99.0 | 96.9 | 96.5 | 96.6 | 96.0 | 96.0 | 95.3 | 95.3 |
 * | means lognormal, sigma ½ | 98.0 | 98.4 | 95.4 | 95.3 | 95.1 | 94.7 | 95.0 | 95.1 | 94.6 |
 * | means lognormal, sigma 1 | 95.9 | 94.8 | 90.8 | 90.4 | 90.9 | 91.1 | 91.1 | 92.4 | 93.3 |
 *
 * So where documents differ as much as in the last row, as their KL may, the true mean is missed up to twice as often
 * as claimed, nearly always because it lies above. Below 5 documents the interval is about twice as wide as Student's
 * and says little. A percentile interval covers 89, 87 and less of the three rows at 10 documents.
 * @param groups documents without tokens do not count
 * @param level share of samples whose interval is to contain the true mean
 * @returns no interval for a single document; one of no width where all documents have the same mean
 */
export function bootstrapMean(groups: readonly DocumentSum[], seed = 0, resamples = 2000, level = 0.95): Estimate {
  const isSum = (one: unknown) => isPlainObject(one) && Number.isFinite(one.sum) && aCount(0).test(one.count);
  requireArgument('groups', groups, aList({ words: '', test: isSum }, 'a list of {sum, count}, one at least', 1));
  requireArgument('seed', seed, aCount(0));
  requireArgument('resamples', resamples, aCount(1));
  requireArgument('level', level, {
    words: 'a number between 0 and 1',
    test: (value) => level > 0 && level < 1 && value === level,
  });
  return bootstrap(seed, resamples, level)(groups);
}

/**
 * `bootstrapMean` for several statistics: those over the same number of documents share their resamples, which takes
 * 4 bytes × resamples × documents.
 */
export function bootstrap(seed: number, resamples = 2000, level = 0.95): (groups: readonly DocumentSum[]) => Estimate {
  const drawn = new Map<number, Uint32Array>();
  const indicesOf = (documents: number) => {
    const indices = drawn.get(documents) ?? resample(documents, resamples, seed);
    drawn.set(documents, indices);
    return indices;
  };
  return (groups) => {
    const documents = groups.filter(({ count }) => count > 0);
    const { mean, error, residuals, counts } = ratio(documents);
    if (documents.length < 2) return { mean };
    if (error === 0) return { mean, low: mean, high: mean };
    const limit = 2 * studentQuantile((1 + level) / 2, documents.length - 1);
    const distances = studentised(residuals, counts, indicesOf(documents.length), limit).sort();
    return {
      mean,
      low: mean - error * quantile(distances, (1 + level) / 2),
      high: mean - error * quantile(distances, (1 - level) / 2),
    };
  };
}

/** Indices of documents drawn with replacement: (resamples, documents). */
function resample(documents: number, resamples: number, seed: number): Uint32Array {
  const random = seededRandom(seed);
  const indices = new Uint32Array(resamples * documents);
  for (let i = 0; i < indices.length; i++) indices[i] = Math.floor(random() * documents);
  return indices;
}

/** The token-weighted mean, its HC3 standard error, and what each document's sum is above the mean's. */
function ratio(documents: readonly DocumentSum[]) {
  const counts = Float64Array.from(documents, ({ count }) => count);
  const tokens = counts.reduce((total, count) => total + count, 0);
  const mean = documents.reduce((total, { sum }) => total + sum, 0) / tokens;
  const residuals = Float64Array.from(documents, ({ sum, count }) => {
    const residual = sum - mean * count;
    const rounding = 2 ** -44 * (Math.abs(sum) + Math.abs(mean * count));
    return Math.abs(residual) > rounding ? residual : 0;
  });
  const variance = residuals.reduce(
    (total, residual, i) => total + (residual / (tokens - (counts[i] as number))) ** 2,
    0,
  );
  return { mean, error: Math.sqrt(variance), residuals, counts };
}

/** Each resample's mean minus the sample's, in the resample's own linearised standard errors, within ± limit. */
function studentised(residuals: Float64Array, counts: Float64Array, indices: Uint32Array, limit: number): Float64Array {
  const documents = counts.length;
  const out = new Float64Array(indices.length / documents);
  for (let b = 0; b < out.length; b++) {
    let [r, c, rr, rc, cc] = [0, 0, 0, 0, 0];
    for (let j = b * documents; j < (b + 1) * documents; j++) {
      const index = indices[j] as number;
      const residual = residuals[index] as number;
      const count = counts[index] as number;
      r += residual;
      c += count;
      rr += residual * residual;
      rc += residual * count;
      cc += count * count;
    }
    const shift = r / c;
    const squares = rr - 2 * shift * rc + shift * shift * cc; // Σ (residual − shift × count)²
    // A resample of one document again and again has no spread: as far off as the limit allows.
    const distance = squares > 0 ? r / Math.sqrt(squares) : Math.sign(r) * limit;
    out[b] = Math.min(Math.max(distance, -limit), limit);
  }
  return out;
}

/** Wilson's score interval (1927) for a share of which `successes` of `n` were seen. Nothing seen leaves 0 to 1. */
export function wilson(successes: number, n: number, level = 0.95): { low: number; high: number } {
  if (n === 0) return { low: 0, high: 1 };
  const z = normalQuantile((1 + level) / 2);
  const share = successes / n;
  const centre = share + z ** 2 / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + (z / (2 * n)) ** 2);
  const whole = 1 + z ** 2 / n;
  return { low: Math.max(0, (centre - half) / whole), high: Math.min(1, (centre + half) / whole) };
}

/** The value below which a share `p` of an ascending list lies, interpolated linearly as numpy does; NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below === above ? below : below + (at - Math.floor(at)) * (above - below);
}

/** Student's t below which a share `p` of the distribution with `freedom` (whole) degrees lies. */
export function studentQuantile(p: number, freedom: number): number {
  return inverse((t) => studentShare(t, freedom), p);
}

/** The normal deviate below which a share `p` lies. */
export function normalQuantile(p: number): number {
  return inverse(normalShare, p);
}

/** Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum in the cosine for whole degrees of freedom. */
function studentShare(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const square = Math.cos(angle) ** 2;
  const odd = freedom % 2;
  let term = odd ? Math.cos(angle) : 1;
  let sum = 0;
  for (let k = odd; k < freedom - 1; k += 2) {
    sum += term;
    term *= (square * (k + 1)) / (k + 2);
  }
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 + within) / 2;
}

/** Marsaglia's series (2004), whose terms all have one sign. */
function normalShare(z: number): number {
  let [term, sum] = [z, 0];
  for (let k = 3; sum + term !== sum; k += 2) {
    sum += term;
    term *= z ** 2 / k;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Where a rising function, ½ at 0 and odd about it, takes the value: by doubling, then halving an interval. */
function inverse(share: (x: number) => number, p: number): number {
  if (p < 0.5) return -inverse(share, 1 - p);
  let [low, high] = [0, 1];
  while (share(high) < p && high < 2 ** 40) [low, high] = [high, 2 * high];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (share(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
