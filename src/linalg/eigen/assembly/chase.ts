// Band → tridiagonal by bulge chasing (Schwarz; Bischof, Lang and Sun, SBR toolbox, 2000), and its reflectors in blocks.
// AssemblyScript. The band is stored by columns of 2b entries, the diagonal first: (i, j) at j·2b + i − j, so that a
// block of it is an ordinary column-major matrix whose columns lie 2b − 1 apart.
import { dot, lanes, reflector } from './vector';

/** D ← H D H for the symmetric block (b, b) at `d`, lower triangle only. v and y carry four zeros after their end. */
function twoSided(d: usize, ld: usize, b: i32, v: usize, tau: f64, y: usize): void {
  for (let i = 0; i < b + 4; i += 2) v128.store(y + (<usize>i << 3), f64x2.splat(0));
  // y = D v; a column's tail past the block is multiplied by v's zeros, or lands in y's padding.
  for (let j = 0; j < b; j++) {
    const column = d + <usize>j * ld; // its diagonal entry
    const oj = <usize>j << 3;
    const vj = load<f64>(v + oj);
    const sj = f64x2.splat(vj);
    let sum = f64x2.splat(0);
    const end = <usize>(b - j) << 3;
    const vv = v + oj;
    const yy = y + oj;
    const head = load<f64>(column);
    for (let o: usize = 8; o < end; o += 16) {
      const x = v128.load(column + o);
      sum = f64x2.add(sum, f64x2.mul(x, v128.load(vv + o)));
      v128.store(yy + o, f64x2.add(v128.load(yy + o), f64x2.mul(x, sj)));
    }
    store<f64>(yy, load<f64>(yy) + head * vj + lanes(sum));
  }
  for (let i = b; i < b + 4; i++) store<f64>(y + (<usize>i << 3), 0);
  const alpha = -0.5 * tau * tau * dot(y, v, b);
  for (let i = 0; i < b; i++) {
    const p = y + (<usize>i << 3);
    store<f64>(p, tau * load<f64>(p) + alpha * load<f64>(v + (<usize>i << 3)));
  }
  for (let j = 0; j < b; j++) {
    const column = d + <usize>j * ld; // its diagonal entry
    const oj = <usize>j << 3;
    const vj = f64x2.splat(load<f64>(v + oj));
    const yj = f64x2.splat(load<f64>(y + oj));
    const end = <usize>(b - j) << 3;
    const vv = v + oj;
    const yy = y + oj;
    for (let o: usize = 0; o < end; o += 16) {
      const change = f64x2.add(f64x2.mul(v128.load(vv + o), yj), f64x2.mul(v128.load(yy + o), vj));
      v128.store(column + o, f64x2.sub(v128.load(column + o), change));
    }
  }
}

/** u = B v for the block (b, b) at `block`, four columns at a time; b is a multiple of 4. */
function blockTimes(block: usize, step: usize, b: i32, v: usize, u: usize): void {
  const end = <usize>b << 3;
  for (let o: usize = 0; o < end; o += 16) v128.store(u + o, f64x2.splat(0));
  for (let j = 0; j < b; j += 4) {
    const c0 = block + <usize>j * step;
    const c1 = c0 + step;
    const c2 = c1 + step;
    const c3 = c2 + step;
    const p = v + (<usize>j << 3);
    const v0 = v128.load64_splat(p);
    const v1 = v128.load64_splat(p, 8);
    const v2 = v128.load64_splat(p, 16);
    const v3 = v128.load64_splat(p, 24);
    for (let o: usize = 0; o < end; o += 16) {
      const s = f64x2.add(f64x2.mul(v128.load(c0 + o), v0), f64x2.mul(v128.load(c1 + o), v1));
      const t = f64x2.add(f64x2.mul(v128.load(c2 + o), v2), f64x2.mul(v128.load(c3 + o), v3));
      v128.store(u + o, f64x2.add(v128.load(u + o), f64x2.add(s, t)));
    }
  }
}

/** Column −= (tau v_j) u. */
// @ts-ignore: decorator
@inline
function subtract(column: usize, end: usize, factor: v128, u: usize): void {
  for (let o: usize = 0; o < end; o += 16) {
    v128.store(column + o, f64x2.sub(v128.load(column + o), f64x2.mul(factor, v128.load(u + o))));
  }
}

/** B ← H′ (B − tau u vᵀ) for two columns at `column`, with H′ = I − next w wᵀ: update and dot product in one pass. */
// @ts-ignore: decorator
@inline
function bothSides(c0: usize, c1: usize, end: usize, f0: v128, f1: v128, u: usize, w: usize, next: f64): void {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  for (let o: usize = 0; o < end; o += 16) {
    const x = v128.load(u + o);
    const y = v128.load(w + o);
    const a = f64x2.sub(v128.load(c0 + o), f64x2.mul(f0, x));
    const b = f64x2.sub(v128.load(c1 + o), f64x2.mul(f1, x));
    v128.store(c0 + o, a);
    v128.store(c1 + o, b);
    s0 = f64x2.add(s0, f64x2.mul(a, y));
    s1 = f64x2.add(s1, f64x2.mul(b, y));
  }
  const g0 = f64x2.splat(next * lanes(s0));
  const g1 = f64x2.splat(next * lanes(s1));
  for (let o: usize = 0; o < end; o += 16) {
    const y = v128.load(w + o);
    v128.store(c0 + o, f64x2.sub(v128.load(c0 + o), f64x2.mul(g0, y)));
    v128.store(c1 + o, f64x2.sub(v128.load(c1 + o), f64x2.mul(g1, y)));
  }
}

/**
 * Sweeps [from, to) of reducing the band (n columns and 2b more of zeros, semi-bandwidth b, a multiple of 4) to
 * tridiagonal form in place; after sweep n − 3 it is. Sweep s clears column s with a reflector over rows s+1 … s+b, whose bulge the reflectors over the next b rows, and
 * the next, push off the end. The reflectors (b each, zero-padded) go to `vs` one after another in that order, their
 * factors to `taus`. `work` holds 3 (b + 4) numbers. All sweeps take 6 n² b flops on a band that stays in the second-level cache.
 * Returns how many reflectors there were. To be called for a few sweeps at a time: V8 replaces its first, slow code
 * for a function only between calls.
 */
export function chaseBulges(
  band: usize, n: i32, b: i32, from: i32, to: i32, vs: usize, taus: usize, work: usize,
): i32 {
  const start = taus;
  const column = <usize>(2 * b) << 3;
  const step = column - 8;
  const length = <usize>b << 3;
  const v = work;
  const u = v + length + 32;
  const w = u + length + 32;
  for (let o: usize = 0; o < 3 * (length + 32); o += 16) v128.store(work + o, f64x2.splat(0));
  const beta = w + length; // in the padding of w, cleared again below
  for (let s = from; s < to; s++) {
    let x = band + <usize>s * column + 8;
    memory.copy(v, x, length);
    let tau = reflector(v, b, beta);
    memory.fill(x, 0, length);
    store<f64>(x, load<f64>(beta));
    memory.copy(vs, v, length);
    store<f64>(taus, tau);
    vs += length;
    taus += 8;
    for (let c = s + 1; ; c += b) {
      const d = band + <usize>c * column;
      if (tau != 0) twoSided(d, column, b, v, tau, u);
      if (c + b >= n) break;
      const block = d + length;
      if (tau != 0) blockTimes(block, step, b, v, u);
      if (c + b == n - 1) {
        // One row is left: the right-hand update, and no reflector.
        if (tau != 0) for (let j = 0; j < b; j++) subtract(block + <usize>j * step, 8, f64x2.splat(tau * load<f64>(v + (<usize>j << 3))), u);
        break;
      }
      if (tau != 0) subtract(block, length, f64x2.splat(tau * load<f64>(v)), u);
      memory.copy(w, block, length);
      const next = reflector(w, b, beta);
      memory.fill(block, 0, length);
      store<f64>(block, load<f64>(beta));
      if (tau != 0 || next != 0) {
        if (tau == 0) for (let o: usize = 0; o < length; o += 16) v128.store(u + o, f64x2.splat(0));
        let j = 1;
        for (; j + 2 <= b; j += 2) {
          const c0 = block + <usize>j * step;
          const p = v + (<usize>j << 3);
          bothSides(c0, c0 + step, length, f64x2.splat(tau * load<f64>(p)), f64x2.splat(tau * load<f64>(p, 8)), u, w, next);
        }
        const c0 = block + <usize>j * step;
        const f0 = f64x2.splat(tau * load<f64>(v + (<usize>j << 3)));
        subtract(c0, length, f0, u);
        const g = f64x2.splat(next * dot(c0, w, b));
        subtract(c0, length, g, w);
      }
      memory.copy(v, w, length);
      memory.copy(vs, w, length);
      store<f64>(taus, next);
      vs += length;
      taus += 8;
      tau = next;
    }
  }
  return <i32>((taus - start) >> 3);
}

/**
 * `count` blocks of b reflectors of the chase as dense parallelograms: block g takes step `step + 2g` of the sweeps
 * from `sweep + 2g·b`, b of them; sweep s's reflectors start at number `first[s]` and there are `steps[s]` of them.
 * Writes V (count, 2b, b), its transpose (count, b, 2b) and the factors (count, b), zero where there is no reflector.
 */
export function packBlocks(
  vs: usize, taus: usize, first: usize, steps: usize, sweeps: i32, b: i32,
  sweep: i32, step: i32, count: i32, v: usize, vt: usize, tau: usize,
): void {
  const size = <usize>(2 * b * b) << 3;
  memory.fill(v, 0, size * <usize>count);
  memory.fill(vt, 0, size * <usize>count);
  for (let g = 0; g < count; g++) {
    for (let c = 0; c < b; c++) {
      const s = sweep + 2 * g * b + c;
      const t = step + 2 * g;
      const slot = tau + (<usize>(g * b + c) << 3);
      store<f64>(slot, 0);
      if (s >= sweeps || t >= load<i32>(steps + (<usize>s << 2))) continue;
      const number = load<i32>(first + (<usize>s << 2)) + t;
      const source = vs + (<usize>(number * b) << 3);
      store<f64>(slot, load<f64>(taus + (<usize>number << 3)));
      memory.copy(vt + <usize>g * size + (<usize>(c * 2 * b + c) << 3), source, <usize>b << 3);
      let target = v + <usize>g * size + (<usize>(c * b + c) << 3);
      for (let i = 0; i < b; i++) {
        store<f64>(target, load<f64>(source + (<usize>i << 3)));
        target += <usize>b << 3;
      }
    }
  }
}

/** Copies a matrix of `rows` rows of `length` bytes between strides in bytes. */
function copyRows(to: usize, toStride: usize, from: usize, fromStride: usize, rows: i32, length: usize): void {
  for (let i = 0; i < rows; i++) {
    memory.copy(to, from, length);
    to += toStride;
    from += fromStride;
  }
}

/** Adds 1 to the diagonals of `count` matrices (n, n). */
export function addIdentity(matrices: usize, n: i32, count: i32): void {
  for (let g = 0; g < count; g++) {
    const base = matrices + (<usize>(g * n * n) << 3);
    for (let i = 0; i < n; i++) {
      const p = base + (<usize>(i * (n + 1)) << 3);
      store<f64>(p, load<f64>(p) + 1);
    }
  }
}

/**
 * First half of the product of four squares of 2b that overlap by b, U = [A in the middle] [B first, C last] [D in the
 * middle], (4b, 4b), for `count` of each: `sides` (2 count, 2b, b) takes B's right and C's left columns, by turns.
 */
export function splitSquares(b: i32, count: i32, squareB: usize, squareC: usize, sides: usize): void {
  const half = <usize>b << 3;
  const size = <usize>(4 * b * b) << 3;
  for (let g = 0; g < count; g++) {
    copyRows(sides, half, squareB + <usize>g * size + half, 2 * half, 2 * b, half);
    copyRows(sides + size / 2, half, squareC + <usize>g * size, 2 * half, 2 * b, half);
    sides += size;
  }
}

/**
 * Second half: with `middle` (count, 4b, 2b) the middle columns of [B, C] [D], writes U (count, 4b, 4b) as far as A does
 * not act, and in `rows` (count, 2b, 4b) the rows that A must still multiply.
 */
export function joinSquares(b: i32, count: i32, squareB: usize, squareC: usize, middle: usize, u: usize, rows: usize): void {
  const half = <usize>b << 3;
  const size = <usize>(4 * b * b) << 3;
  memory.fill(u, 0, 4 * size * <usize>count);
  for (let g = 0; g < count; g++) {
    const first = squareB + <usize>g * size;
    const last = squareC + <usize>g * size;
    const row = <usize>(4 * b) << 3;
    copyRows(u, row, first, 2 * half, 2 * b, half);
    copyRows(u + half, row, middle, 2 * half, 4 * b, 2 * half);
    copyRows(u + <usize>(2 * b) * row + 3 * half, row, last + half, 2 * half, 2 * b, half);
    memory.copy(rows, u + <usize>b * row, 2 * size);
    u += 4 * size;
    rows += 2 * size;
    middle += 2 * size;
  }
}

/** Last: the rows after A has multiplied them, (count, 2b, 4b), back into U. */
export function putRows(b: i32, count: i32, rows: usize, u: usize): void {
  const size = <usize>(8 * b * b) << 3;
  for (let g = 0; g < count; g++) memory.copy(u + <usize>(2 * g) * size + size / 2, rows + <usize>g * size, size);
}
