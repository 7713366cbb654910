// Dot products and updates of float64 vectors with two-lane SIMD. AssemblyScript; addresses are bytes, lengths elements.

/** Sum of the two lanes. */
// @ts-ignore: decorator
@inline
export function lanes(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/** xᵀ y. */
export function dot(x: usize, y: usize, n: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = (<usize>i) << 3;
    a = f64x2.add(a, f64x2.mul(v128.load(x + o), v128.load(y + o)));
    b = f64x2.add(b, f64x2.mul(v128.load(x + o, 16), v128.load(y + o, 16)));
  }
  let sum = lanes(f64x2.add(a, b));
  for (; i < n; i++) {
    const o = (<usize>i) << 3;
    sum += load<f64>(x + o) * load<f64>(y + o);
  }
  return sum;
}

/** y += a x. */
export function axpy(a: f64, x: usize, y: usize, n: i32): void {
  const s = f64x2.splat(a);
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    const o = (<usize>i) << 3;
    v128.store(y + o, f64x2.add(v128.load(y + o), f64x2.mul(s, v128.load(x + o))));
  }
  if (i < n) {
    const o = (<usize>i) << 3;
    store<f64>(y + o, load<f64>(y + o) + a * load<f64>(x + o));
  }
}

/** x *= a. */
export function scale(a: f64, x: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const p = x + ((<usize>i) << 3);
    store<f64>(p, a * load<f64>(p));
  }
}

/**
 * Householder reflector I − tau v vᵀ that sends x (n) to a multiple of the first unit vector (LAPACK dlarfg).
 * x is overwritten by v with v[0] = 1; returns tau and stores the multiple at `beta`. Matrices are scaled to norm 1
 * before, so squares that would lose digits to underflow belong to entries far below rounding: those count as zero,
 * for a reflector made from them would not be orthogonal.
 */
export function reflector(x: usize, n: i32, beta: usize): f64 {
  const alpha = load<f64>(x);
  const rest = n > 1 ? dot(x + 8, x + 8, n - 1) : 0;
  store<f64>(x, 1);
  if (rest < 1e-280) {
    for (let i = 1; i < n; i++) store<f64>(x + ((<usize>i) << 3), 0);
    store<f64>(beta, alpha);
    return 0;
  }
  const norm = Math.sqrt(alpha * alpha + rest);
  const b = alpha > 0 ? -norm : norm;
  scale(1 / (alpha - b), x + 8, n - 1);
  store<f64>(beta, b);
  return (b - alpha) / b;
}
