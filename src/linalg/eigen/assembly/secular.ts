// The rank-one step of divide and conquer: D + ρ z zᵀ (Cuppen; Gu and Eisenstat 1995; LAPACK dlaed3, dlaed4).
// AssemblyScript. d (k) ascends strictly, z (k) has no zero, ρ > 0; root i lies in (d[i], d[i+1]), the last one
// in (d[k−1], d[k−1] + ρ‖z‖²]. A root is kept as a pole and a distance from it, d[origin] + shift: differences from
// every pole then keep full relative accuracy, which is what makes the eigenvectors orthogonal.
import { lanes } from './vector';

let value: f64 = 0; // of the partial sum last computed
let slope: f64 = 0;

/** Σ z²/(d − pole − x) over [from, to) and its derivative in x. */
function partialSum(d: usize, z: usize, from: i32, to: i32, pole: f64, x: f64): void {
  const shift = f64x2.splat(pole);
  const at = f64x2.splat(x);
  let sum = f64x2.splat(0);
  let derivative = f64x2.splat(0);
  let j = from;
  for (; j + 2 <= to; j += 2) {
    const o = <usize>j << 3;
    const zj = v128.load(z + o);
    const t = f64x2.div(zj, f64x2.sub(f64x2.sub(v128.load(d + o), shift), at));
    sum = f64x2.add(sum, f64x2.mul(zj, t));
    derivative = f64x2.add(derivative, f64x2.mul(t, t));
  }
  let a = lanes(sum);
  let b = lanes(derivative);
  if (j < to) {
    const o = <usize>j << 3;
    const zj = load<f64>(z + o);
    const t = zj / (load<f64>(d + o) - pole - x);
    a += zj * t;
    b += t * t;
  }
  value = a;
  slope = b;
}

// @ts-ignore: decorator
@inline
function at(x: usize, i: i32): f64 {
  return load<f64>(x + (<usize>i << 3));
}

/** Root i: origin to `origins[i]`, distance to `shifts[i]`. Returns the number of evaluations, or −1. */
function root(d: usize, z: usize, k: i32, rho: f64, i: i32, origins: usize, shifts: usize): i32 {
  const inverse = 1 / rho;
  const last = i == k - 1;
  let origin = i;
  let low: f64 = 0;
  let high: f64;
  let x: f64;
  if (last) {
    let norm: f64 = 0;
    for (let j = 0; j < k; j++) norm += at(z, j) * at(z, j);
    high = rho * norm;
    x = k == 1 ? high : 0.5 * high;
  } else {
    const gap = at(d, i + 1) - at(d, i);
    const half = 0.5 * gap;
    const di = at(d, i);
    const a2 = at(z, i) * at(z, i);
    const b2 = at(z, i + 1) * at(z, i + 1);
    partialSum(d, z, 0, i, di, half);
    let c = inverse + value;
    partialSum(d, z, i + 2, k, di, half);
    c += value;
    const middle = c - a2 / half + b2 / half;
    // Two poles taken exactly and the others as the constant they are at the middle (dlaed4's first guess).
    if (middle > 0) {
      const a = c * gap + a2 + b2;
      const b = a2 * gap;
      const q = Math.sqrt(Math.abs(a * a - 4 * b * c));
      x = a > 0 ? (2 * b) / (a + q) : (a - q) / (2 * c);
      high = half;
    } else {
      origin = i + 1;
      const a = c * gap - a2 - b2;
      const b = b2 * gap;
      const q = Math.sqrt(Math.abs(a * a + 4 * b * c));
      x = a < 0 ? (2 * b) / (a - q) : -(a + q) / (2 * c);
      low = -half;
      high = 0;
    }
  }
  if (!(x > low && x < high) && !last) x = 0.5 * (low + high);
  const pole = at(d, origin);
  const left = at(d, i) - pole;
  const right = last ? 0 : at(d, i + 1) - pole;
  let count = 0;
  for (; count < 100; count++) {
    partialSum(d, z, 0, i + 1, pole, x);
    const psi = value;
    const psiSlope = slope;
    partialSum(d, z, i + 1, k, pole, x);
    const phi = value;
    const phiSlope = slope;
    const f = inverse + psi + phi;
    if (Math.abs(f) <= 1.8e-15 * (inverse + Math.abs(psi) + Math.abs(phi))) break;
    if (f < 0) low = x;
    else high = x;
    // Each half of the sum as a constant and one pole, agreeing in value and slope (Bunch, Nielsen and Sorensen 1978).
    const dl = left - x;
    let move: f64;
    if (last) {
      const c = inverse + psi - psiSlope * dl;
      move = c > 0 ? dl + (psiSlope * dl * dl) / c : NaN;
    } else {
      const dr = right - x;
      const p = psiSlope * dl * dl;
      const q = phiSlope * dr * dr;
      const c = inverse + psi - psiSlope * dl + phi - phiSlope * dr;
      const a = c * (dl + dr) + p + q;
      const b = dl * dr * f;
      const r = Math.sqrt(Math.abs(a * a - 4 * b * c));
      move = a > 0 ? (2 * b) / (a + r) : (a - r) / (2 * c);
    }
    if (!(f * move < 0)) move = -f / (psiSlope + phiSlope);
    let next = x + move;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (Math.abs(next - x) <= 1.2e-16 * Math.abs(next)) {
      x = next;
      break;
    }
    x = next;
  }
  store<i32>(origins + (<usize>i << 2), origin);
  store<f64>(shifts + (<usize>i << 3), x);
  return x == x && (x != 0) ? count + 1 : -1;
}

/**
 * All k roots, and the z that has them exactly (Löwner's formula), which replaces `z`; `values` are the roots.
 * `work` holds k numbers. Returns the evaluations of the secular function, or −1 when a root was not found.
 * About 6 k² divisions.
 */
export function secularRoots(
  d: usize, z: usize, k: i32, rho: f64, origins: usize, shifts: usize, values: usize, work: usize,
): i32 {
  let evaluations = 0;
  for (let j = 0; j < k; j++) store<f64>(work + (<usize>j << 3), 1);
  for (let i = 0; i < k; i++) {
    const n = root(d, z, k, rho, i, origins, shifts);
    if (n < 0) return -1;
    evaluations += n;
    const pole = at(d, load<i32>(origins + (<usize>i << 2)));
    const x = at(shifts, i);
    store<f64>(values + (<usize>i << 3), pole + x);
    const di = at(d, i);
    product(d, work, 0, i, pole, x, di);
    product(d, work, i + 1, k, pole, x, di);
    const o = <usize>i << 3;
    store<f64>(work + o, load<f64>(work + o) * (di - pole - x));
  }
  for (let j = 0; j < k; j++) {
    const o = <usize>j << 3;
    const size = Math.sqrt(Math.abs(load<f64>(work + o)));
    store<f64>(z + o, load<f64>(z + o) < 0 ? -size : size);
  }
  return evaluations;
}

/** work[j] *= (d[j] − root) / (d[j] − d[i]) over [from, to). */
function product(d: usize, work: usize, from: i32, to: i32, pole: f64, x: f64, di: f64): void {
  const p = f64x2.splat(pole);
  const s = f64x2.splat(x);
  const e = f64x2.splat(di);
  let j = from;
  for (; j + 2 <= to; j += 2) {
    const o = <usize>j << 3;
    const dj = v128.load(d + o);
    const ratio = f64x2.div(f64x2.sub(f64x2.sub(dj, p), s), f64x2.sub(dj, e));
    v128.store(work + o, f64x2.mul(v128.load(work + o), ratio));
  }
  if (j < to) {
    const o = <usize>j << 3;
    const dj = load<f64>(d + o);
    store<f64>(work + o, load<f64>(work + o) * ((dj - pole - x) / (dj - di)));
  }
}

/**
 * Unit eigenvectors of D + ρ z zᵀ for the roots numbered `wanted` (count): component j is z[j] / (d[j] − root).
 * Row r of `top` (count, tops) takes the components `topIndex`, row r of `bottom` the components `bottomIndex`.
 */
export function secularVectors(
  d: usize, z: usize, k: i32, origins: usize, shifts: usize, wanted: usize, count: i32,
  topIndex: usize, tops: i32, top: usize, bottomIndex: usize, bottoms: i32, bottom: usize, work: usize,
): void {
  for (let r = 0; r < count; r++) {
    const i = load<i32>(wanted + (<usize>r << 2));
    const pole = at(d, load<i32>(origins + (<usize>i << 2)));
    const x = at(shifts, i);
    let norm: f64 = 0;
    for (let j = 0; j < k; j++) {
      const o = <usize>j << 3;
      const s = load<f64>(z + o) / (load<f64>(d + o) - pole - x);
      store<f64>(work + o, s);
      norm += s * s;
    }
    const inverse = 1 / Math.sqrt(norm);
    for (let p = 0; p < tops; p++) {
      store<f64>(top, inverse * at(work, load<i32>(topIndex + (<usize>p << 2))));
      top += 8;
    }
    for (let p = 0; p < bottoms; p++) {
      store<f64>(bottom, inverse * at(work, load<i32>(bottomIndex + (<usize>p << 2))));
      bottom += 8;
    }
  }
}
