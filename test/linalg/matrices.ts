// Seeded matrices with chosen eigenvalues, and how far a decomposition is from one.

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` numbers in [−0.5, 0.5). */
export function numbers(length: number, next: () => number): Float64Array {
  return Float64Array.from({ length }, () => next() - 0.5);
}

/** A symmetric matrix (n, n) with entries in [−0.5, 0.5). */
export function symmetric(n: number, seed: number): Float64Array {
  const next = random(seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = next() - 0.5;
  }
  return a;
}

/** diag(values) turned by `turns` random Householder reflections: a dense matrix with these eigenvalues. */
export function withEigenvalues(values: ArrayLike<number>, seed: number, turns = 3): Float64Array {
  const n = values.length;
  const next = random(seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) a[i * n + i] = values[i] ?? 0;
  for (let turn = 0; turn < turns; turn++) {
    const v = numbers(n, next);
    const length = Math.hypot(...v);
    v.forEach((x, i) => {
      v[i] = x / length;
    });
    // H A H = A − 2 v wᵀ − 2 w vᵀ with w = A v − (vᵀ A v) v.
    const w = times(a, v);
    const alpha = dot(v, w);
    for (let i = 0; i < n; i++) w[i] = at(w, i) - alpha * at(v, i);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) a[i * n + j] = at(a, i * n + j) - 2 * (at(v, i) * at(w, j) + at(w, i) * at(v, j));
    }
  }
  return a;
}

function times(a: Float64Array, v: Float64Array): Float64Array {
  const n = v.length;
  return v.map((_, i) => dot(a.subarray(i * n, (i + 1) * n), v));
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += at(x, i) * at(y, i);
  return sum;
}

/** Largest entry of A V − V Λ over the largest |λ|, and of VᵀV − I; vectors (count, n) are rows. */
export function errors(
  a: Float64Array,
  values: Float64Array,
  vectors: Float64Array,
): { residual: number; overlap: number } {
  const n = values.length;
  const size = Math.max(Number.MIN_VALUE, ...values.map(Math.abs));
  let residual = 0;
  let overlap = 0;
  for (let k = 0; k * n < vectors.length; k++) {
    const v = vectors.subarray(k * n, (k + 1) * n);
    times(a, v).forEach((x, i) => {
      residual = Math.max(residual, Math.abs(x - at(values, k) * at(v, i)) / size);
    });
    for (let l = 0; l <= k; l++) {
      overlap = Math.max(overlap, Math.abs(dot(v, vectors.subarray(l * n, (l + 1) * n)) - Number(k === l)));
    }
  }
  return { residual, overlap };
}

function at(x: Float64Array, i: number): number {
  return x[i] as number;
}
