// AssemblyScript: log-softmax and KL over rows of float32 logits, in float64, two numbers at a time. See ../logits.ts.
// Rows are padded to multiples of 4 with PAD, which adds nothing to any sum.

/** Largest of a row; NaN if any is NaN. */
export function largest(row: usize, count: i32): f32 {
  let most = v128.load(row);
  for (let i = 4; i < count; i += 4) most = f32x4.max(most, v128.load(row + ((<usize>i) << 2)));
  const pair = f32x4.max(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}

/** Index of the first number of a row that equals `value`, or −1. */
export function firstOf(row: usize, count: i32, value: f32): i32 {
  const wanted = f32x4.splat(value);
  for (let i = 0; i < count; i += 4) {
    const mask = i32x4.bitmask(f32x4.eq(v128.load(row + ((<usize>i) << 2)), wanted));
    if (mask) return i + ctz(mask);
  }
  return -1;
}

/** Σ exp(row − shift). */
export function sumOfExps(row: usize, count: i32, shift: f64): f64 {
  const by = f64x2.splat(shift);
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let i = 0; i < count; i += 4) {
    const x = v128.load(row + ((<usize>i) << 2));
    a = f64x2.add(a, exp(f64x2.sub(low(x), by)));
    b = f64x2.add(b, exp(f64x2.sub(high(x), by)));
  }
  const sum = f64x2.add(a, b);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Σ exp(p − pLogSum) · ((p − pLogSum) − (q − qLogSum)). */
export function divergence(p: usize, pLogSum: f64, q: usize, qLogSum: f64, count: i32): f64 {
  const ofP = f64x2.splat(pLogSum);
  const ofQ = f64x2.splat(qLogSum);
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let i = 0; i < count; i += 4) {
    const at = (<usize>i) << 2;
    const x = v128.load(p + at);
    const y = v128.load(q + at);
    const x0 = f64x2.sub(low(x), ofP);
    const x1 = f64x2.sub(high(x), ofP);
    a = f64x2.add(a, f64x2.mul(exp(x0), f64x2.sub(x0, f64x2.sub(low(y), ofQ))));
    b = f64x2.add(b, f64x2.mul(exp(x1), f64x2.sub(x1, f64x2.sub(high(y), ofQ))));
  }
  const sum = f64x2.add(a, b);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Writes exp(row − shift) to `weights`, float64, and to `sums` their sum and Σ exp(row − shift) · (row − shift). */
export function exps(row: usize, count: i32, shift: f64, weights: usize, sums: usize): void {
  const by = f64x2.splat(shift);
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let i = 0; i < count; i += 4) {
    const x = v128.load(row + ((<usize>i) << 2));
    const x0 = f64x2.sub(low(x), by);
    const x1 = f64x2.sub(high(x), by);
    const e0 = exp(x0);
    const e1 = exp(x1);
    const to = weights + ((<usize>i) << 3);
    v128.store(to, e0);
    v128.store(to, e1, 16);
    a = f64x2.add(a, f64x2.add(e0, e1));
    b = f64x2.add(b, f64x2.add(f64x2.mul(e0, x0), f64x2.mul(e1, x1)));
  }
  f64.store(sums, f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1));
  f64.store(sums, f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1), 8);
}

/** Σ weights · row, of float64 weights and a float32 row. */
export function weighted(weights: usize, row: usize, count: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let i = 0; i < count; i += 4) {
    const x = v128.load(row + ((<usize>i) << 2));
    const from = weights + ((<usize>i) << 3);
    a = f64x2.add(a, f64x2.mul(v128.load(from), low(x)));
    b = f64x2.add(b, f64x2.mul(v128.load(from, 16), high(x)));
  }
  const sum = f64x2.add(a, b);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Index of the first number of a row, from a place on that is a multiple of 4, that is larger than a value, or −1. */
export function firstAbove(row: usize, from: i32, count: i32, value: f32): i32 {
  const than = f32x4.splat(value);
  for (let i = from; i < count; i += 4) {
    const mask = i32x4.bitmask(f32x4.gt(v128.load(row + ((<usize>i) << 2)), than));
    if (mask) return i + ctz(mask);
  }
  return -1;
}

/** How many numbers of a row are larger than a value. */
export function larger(row: usize, count: i32, value: f32): i32 {
  const than = f32x4.splat(value);
  let found = i32x4.splat(0);
  // A comparison that holds gives −1.
  for (let i = 0; i < count; i += 4)
    found = i32x4.sub(found, f32x4.gt(v128.load(row + ((<usize>i) << 2)), than));
  return (
    i32x4.extract_lane(found, 0) +
    i32x4.extract_lane(found, 1) +
    i32x4.extract_lane(found, 2) +
    i32x4.extract_lane(found, 3)
  );
}

// @ts-expect-error: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

// @ts-expect-error: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3));
}

/**
 * exp of two numbers from −708 to 708, those beyond counted as at the end: x = k ln 2 + r with |r| ≤ ln 2 / 2, a Taylor
 * polynomial of degree 13 in r (its rest is below 5e-18), and k into the exponent's bits. Within 1 unit in the last place
 * of what Math.exp gives. The bounds let NaN through.
 */
// @ts-expect-error: decorator
@inline
function exp(x: v128): v128 {
  x = f64x2.pmax(f64x2.pmin(x, f64x2.splat(708)), f64x2.splat(-708));
  // Adding and taking off 1.5 · 2⁵² rounds to a whole number, which stands in the low bits of the sum.
  const magic = f64x2.splat(6755399441055744);
  const shifted = f64x2.add(f64x2.mul(x, f64x2.splat(1.4426950408889634)), magic);
  const k = f64x2.sub(shifted, magic);
  let r = f64x2.sub(x, f64x2.mul(k, f64x2.splat(6.93147180369123816490e-1))); // ln 2 in two parts, as in fdlibm
  r = f64x2.sub(r, f64x2.mul(k, f64x2.splat(1.90821492927058770002e-10)));
  // 1 + (r + r² q(r)), q in pairs of terms (Estrin's scheme), which wait for each other less than Horner's.
  const r2 = f64x2.mul(r, r);
  const r4 = f64x2.mul(r2, r2);
  const q0 = f64x2.add(f64x2.splat(0.5), f64x2.mul(f64x2.splat(1.0 / 6), r));
  const q1 = f64x2.add(f64x2.splat(1.0 / 24), f64x2.mul(f64x2.splat(1.0 / 120), r));
  const q2 = f64x2.add(f64x2.splat(1.0 / 720), f64x2.mul(f64x2.splat(1.0 / 5040), r));
  const q3 = f64x2.add(f64x2.splat(1.0 / 40320), f64x2.mul(f64x2.splat(1.0 / 362880), r));
  const q4 = f64x2.add(f64x2.splat(1.0 / 3628800), f64x2.mul(f64x2.splat(1.0 / 39916800), r));
  const q5 = f64x2.add(f64x2.splat(1.0 / 479001600), f64x2.mul(f64x2.splat(1.0 / 6227020800), r));
  const low4 = f64x2.add(q0, f64x2.mul(q1, r2));
  const mid4 = f64x2.add(q2, f64x2.mul(q3, r2));
  const high4 = f64x2.add(q4, f64x2.mul(q5, r2));
  const q = f64x2.add(low4, f64x2.mul(f64x2.add(mid4, f64x2.mul(high4, r4)), r4));
  const y = f64x2.add(f64x2.splat(1), f64x2.add(r, f64x2.mul(r2, q)));
  return f64x2.mul(y, i64x2.shl(i64x2.add(shifted, i64x2.splat(1023)), 52));
}
