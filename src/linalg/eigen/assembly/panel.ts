// Householder QR of a tall panel, and the triangular factor of its reflectors. AssemblyScript.
import { axpy, dot, lanes, reflector } from './vector';

/** column −= tau (vᵀ column) v, for four columns `stride` bytes apart, so that v is loaded once for the four. */
function applyToFour(v: usize, tau: f64, column: usize, stride: usize, n: i32): void {
  const c1 = column + stride;
  const c2 = c1 + stride;
  const c3 = c2 + stride;
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  const even = (<usize>(n & ~1)) << 3;
  for (let o: usize = 0; o < even; o += 16) {
    const x = v128.load(v + o);
    s0 = f64x2.add(s0, f64x2.mul(x, v128.load(column + o)));
    s1 = f64x2.add(s1, f64x2.mul(x, v128.load(c1 + o)));
    s2 = f64x2.add(s2, f64x2.mul(x, v128.load(c2 + o)));
    s3 = f64x2.add(s3, f64x2.mul(x, v128.load(c3 + o)));
  }
  const odd = n & 1;
  const last = odd ? load<f64>(v + even) : 0;
  const t0 = tau * (lanes(s0) + (odd ? last * load<f64>(column + even) : 0));
  const t1 = tau * (lanes(s1) + (odd ? last * load<f64>(c1 + even) : 0));
  const t2 = tau * (lanes(s2) + (odd ? last * load<f64>(c2 + even) : 0));
  const t3 = tau * (lanes(s3) + (odd ? last * load<f64>(c3 + even) : 0));
  const w0 = f64x2.splat(t0);
  const w1 = f64x2.splat(t1);
  const w2 = f64x2.splat(t2);
  const w3 = f64x2.splat(t3);
  for (let o: usize = 0; o < even; o += 16) {
    const x = v128.load(v + o);
    v128.store(column + o, f64x2.sub(v128.load(column + o), f64x2.mul(w0, x)));
    v128.store(c1 + o, f64x2.sub(v128.load(c1 + o), f64x2.mul(w1, x)));
    v128.store(c2 + o, f64x2.sub(v128.load(c2 + o), f64x2.mul(w2, x)));
    v128.store(c3 + o, f64x2.sub(v128.load(c3 + o), f64x2.mul(w3, x)));
  }
  if (odd) {
    store<f64>(column + even, load<f64>(column + even) - t0 * last);
    store<f64>(c1 + even, load<f64>(c1 + even) - t1 * last);
    store<f64>(c2 + even, load<f64>(c2 + even) - t2 * last);
    store<f64>(c3 + even, load<f64>(c3 + even) - t3 * last);
  }
}

/**
 * QR of a panel of `columns` columns of `rows` contiguous entries each. On return column c holds the reflector below
 * and at its diagonal entry (which is 1), R above it; R's diagonal goes to `diagonal`, the factors to `tau`.
 * 2 rows columns² flops, in cache.
 */
export function panelQr(panel: usize, rows: i32, columns: i32, tau: usize, diagonal: usize): void {
  const stride = (<usize>rows) << 3;
  for (let c = 0; c < columns; c++) {
    const slot = (<usize>c) << 3;
    const v = panel + <usize>c * stride + slot;
    const n = rows - c;
    if (n <= 0) {
      store<f64>(tau + slot, 0);
      store<f64>(diagonal + slot, 0);
      continue;
    }
    const t = reflector(v, n, diagonal + slot);
    store<f64>(tau + slot, t);
    if (t == 0) continue;
    let j = c + 1;
    for (; j + 4 <= columns; j += 4) applyToFour(v, t, panel + <usize>j * stride + slot, stride, n);
    for (; j < columns; j++) {
      const column = panel + <usize>j * stride + slot;
      axpy(-t * dot(v, column, n), v, column, n);
    }
  }
}

/** Reflectors of a factored panel as the columns of V (rows, columns), row-major, zeros above the diagonal. */
export function panelV(panel: usize, rows: i32, columns: i32, v: usize): void {
  for (let c = 0; c < columns; c++) {
    const column = panel + (<usize>(c * rows) << 3);
    for (let i = 0; i < rows; i++) {
      store<f64>(v + (<usize>(i * columns + c) << 3), i < c ? 0 : load<f64>(column + (<usize>i << 3)));
    }
  }
}

/**
 * The upper triangular T of H₀ H₁ … = I − V T Vᵀ (LAPACK dlarft, forward), times `sign`, for `count` blocks of k
 * reflectors: in place of the Gram matrices VᵀV (k, k), whose lower triangles are cleared; tau is (count, k).
 */
export function triangularFactors(gram: usize, tau: usize, k: i32, count: i32, sign: f64): void {
  const row = (<usize>k) << 3;
  for (let block = 0; block < count; block++) {
    const g = gram + <usize>block * row * <usize>k;
    const t = tau + <usize>block * row;
    for (let c = 0; c < k; c++) {
      const factor = load<f64>(t + (<usize>c << 3));
      // Column c above the diagonal: −tau T[0:c, 0:c] G[0:c, c]; row i needs only rows ≥ i of the old column.
      for (let i = 0; i < c; i++) {
        const ti = g + <usize>i * row;
        let sum: f64 = 0;
        for (let j = i; j < c; j++) sum += load<f64>(ti + (<usize>j << 3)) * load<f64>(g + <usize>j * row + (<usize>c << 3));
        store<f64>(ti + (<usize>c << 3), -factor * sum);
      }
      store<f64>(g + <usize>c * row + (<usize>c << 3), factor);
      for (let i = c + 1; i < k; i++) store<f64>(g + <usize>i * row + (<usize>c << 3), 0);
    }
    if (sign != 1) {
      for (let i = 0; i < k * k; i++) store<f64>(g + (<usize>i << 3), sign * load<f64>(g + (<usize>i << 3)));
    }
  }
}

/** [V W] and [W V] (rows, 2b) from V and W (rows, b): the factors of the symmetric rank-2b update. */
export function interleave(v: usize, w: usize, rows: i32, b: i32, vw: usize, wv: usize): void {
  const length = <usize>b << 3;
  for (let i = 0; i < rows; i++) {
    memory.copy(vw, v, length);
    memory.copy(vw + length, w, length);
    memory.copy(wv, w, length);
    memory.copy(wv + length, v, length);
    v += length;
    w += length;
    vw += 2 * length;
    wv += 2 * length;
  }
}
