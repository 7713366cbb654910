// Small tridiagonal eigenproblems by implicit QL with Wilkinson's shift (EISPACK tql2). AssemblyScript.

// @ts-ignore: decorator
@inline
function at(x: usize, i: i32): f64 {
  return load<f64>(x + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline
function put(x: usize, i: i32, value: f64): void {
  store<f64>(x + (<usize>i << 3), value);
}

/** √(a² + b²) with neither square computed: in what a low rank leaves, entries fall to 1e-170 and their squares to 0. */
function hypotenuse(a: f64, b: f64): f64 {
  const x = Math.abs(a);
  const y = Math.abs(b);
  const large = x > y ? x : y;
  if (large == 0) return 0;
  const ratio = (x > y ? y : x) / large;
  return large * Math.sqrt(1 + ratio * ratio);
}

/**
 * Eigenvalues of the tridiagonal matrix d (n), e (n − 1, one more slot) into d, ascending, and its eigenvectors as the
 * rows of q (n, n). e is destroyed. Returns 0, or −1 if an eigenvalue took more than 50 steps. About 3 n³ flops.
 */
export function smallTridiagonal(d: usize, e: usize, n: i32, q: usize): i32 {
  for (let i = 0; i < n * n; i++) put(q, i, 0);
  for (let i = 0; i < n; i++) put(q, i * n + i, 1);
  put(e, n - 1, 0);
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      for (; m < n - 1; m++) {
        const scale = Math.abs(at(d, m)) + Math.abs(at(d, m + 1));
        if (Math.abs(at(e, m)) <= 1.1e-16 * scale + 1e-290) break;
      }
      if (m == l) break;
      if (step == 50) return -1;
      let g = (at(d, l + 1) - at(d, l)) / (2 * at(e, l));
      let r = hypotenuse(g, 1);
      g = at(d, m) - at(d, l) + at(e, l) / (g + (g >= 0 ? r : -r));
      let s: f64 = 1;
      let c: f64 = 1;
      let p: f64 = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * at(e, i);
        const b = c * at(e, i);
        r = hypotenuse(f, g);
        put(e, i + 1, r);
        if (r == 0) {
          put(d, i + 1, at(d, i + 1) - p);
          put(e, m, 0);
          break;
        }
        s = f / r;
        c = g / r;
        g = at(d, i + 1) - p;
        r = (at(d, i) - g) * s + 2 * c * b;
        p = s * r;
        put(d, i + 1, g + p);
        g = c * r - b;
        const x = q + (<usize>(i * n) << 3);
        const y = x + (<usize>n << 3);
        for (let o: usize = 0; o < <usize>n << 3; o += 8) {
          const t = load<f64>(y + o);
          const w = load<f64>(x + o);
          store<f64>(y + o, s * w + c * t);
          store<f64>(x + o, c * w - s * t);
        }
      }
      if (r == 0 && i >= l) continue;
      put(d, l, at(d, l) - p);
      put(e, l, g);
      put(e, m, 0);
    }
  }
  for (let i = 0; i < n - 1; i++) {
    let least = i;
    for (let j = i + 1; j < n; j++) if (at(d, j) < at(d, least)) least = j;
    if (least == i) continue;
    const t = at(d, i);
    put(d, i, at(d, least));
    put(d, least, t);
    for (let j = 0; j < n; j++) {
      const x = at(q, i * n + j);
      put(q, i * n + j, at(q, least * n + j));
      put(q, least * n + j, x);
    }
  }
  return 0;
}
