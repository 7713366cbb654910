// Symmetric matrix → band, the first of the eigensolver's two stages (Dongarra, Hammarling and Sorensen 1989; Bischof,
// Lang and Sun, SBR toolbox, 2000), and the reflectors of that stage applied to vectors. Nearly all of it is products.

import { type Matrix, multiply, multiplyInto } from '../products.ts';
import { rowOf, rowRange } from '../rows.ts';
import type { Workspace } from './workspace.ts';

/** Rows that are kept together: a block of them times a panel stays within the second-level cache. */
const BLOCK_ROWS = 256;
/** Panels whose reflectors are applied together: wider products read and write the vectors less often. */
const PANELS_TOGETHER = 4;

/** Bytes of workspace that the stage takes at most. */
export function bandBytes(n: number, b: number): number {
  const k = b * PANELS_TOGETHER;
  return 8 * (2 * b * (n + 2 * b) + 8 * n * b + 4 * b * b + 2 * b + k * k + k) + 4096;
}

/** A matrix reduced to a band, A = Q B Qᵀ. */
export interface Banded {
  n: number;
  /** Semi-bandwidth b. */
  width: number;
  /** (n + 2b, 2b) in the kernels' memory: column j of B's lower triangle from the diagonal down, zeros after. */
  band: Float64Array;
  /** Q as a product of block reflectors, first to last: V (n − start, cols) acts on the rows from `start`. */
  reflectors: { start: number; v: Matrix; taus: Float64Array }[];
}

/**
 * Reduces a (n, n), of which the upper triangle is read and all is overwritten, to semi-bandwidth `width`.
 * Only the upper triangle is updated: 4/3 n³ flops, of which all but n² width are matrix products.
 */
export async function reduceToBand(workspace: Workspace, a: Float64Array, n: number, width: number): Promise<Banded> {
  const b = width;
  const panels = Math.max(0, Math.ceil((n - b) / b));
  const band = workspace.floats(2 * b * (n + 2 * b));
  const mark = workspace.mark();
  const panel = workspace.floats(n * b);
  const v = workspace.floats(n * b);
  const y = workspace.floats(n * b);
  const w = workspace.floats(n * b);
  const vw = workspace.floats(2 * n * b);
  const wv = workspace.floats(2 * n * b);
  const [t, s, m] = [square(workspace, b), square(workspace, b), square(workspace, b)];
  const tau = workspace.floats(b);
  const diagonal = workspace.floats(b);
  const upper = new UpperRows(a, n);
  const reflectors: Banded['reflectors'] = [];

  for (let p = 0; p <= panels; p++) {
    const start = p * b;
    const next = start + b;
    const rows = n - next;
    for (let j = start; j < Math.min(next, n); j++) band.set(upper.row(j, j, Math.min(next, n)), 2 * b * j);
    if (rows <= 0) break;
    // Row j of the upper triangle is column j of the panel below the diagonal block.
    for (let c = 0; c < b; c++) panel.set(upper.row(start + c, next, n), c * rows);
    workspace.call('panelQr', panel, rows, b, tau, diagonal);
    for (let c = 0; c < b; c++) {
      const column = 2 * b * (start + c) + b - c; // of the band: its entry for row `next`
      band.set(panel.subarray(c * rows, c * rows + Math.min(c, rows)), column);
      if (c < rows) band.set(diagonal.subarray(c, c + 1), column + c);
    }
    if (rows === 1) continue; // one row under the panel needs no reflector

    const first = upper.blockStart(next);
    v.fill(0, first * b, next * b);
    w.fill(0, first * b, next * b);
    y.fill(0, first * b);
    workspace.call('panelV', panel, rows, b, v.subarray(next * b));
    const vRows = { rows, cols: b, data: v.subarray(next * b) };
    const yRows = { rows, cols: b, data: y.subarray(next * b) };
    const wRows = { rows, cols: b, data: w.subarray(next * b) };
    keep(reflectors, p, next, vRows, tau);
    await multiplyInto(t, vRows, vRows, { transposeA: true });
    workspace.call('triangularFactors', t.data, tau, b, 1, 1);
    // With Y = A V, X = Y T: W = X − ½ V (Tᵀ Vᵀ X), and QᵀAQ = A − V Wᵀ − W Vᵀ.
    await upper.times(v, y, next, b);
    await multiplyInto(s, vRows, yRows, { transposeA: true });
    await multiplyInto(m, s, t);
    await multiplyInto(s, t, m, { transposeA: true, alpha: -0.5 });
    await multiplyInto(wRows, vRows, s);
    await multiplyInto(wRows, yRows, t, { accumulate: true });
    const [vFrom, wFrom] = [v.subarray(first * b), w.subarray(first * b)];
    const [vwFrom, wvFrom] = [vw.subarray(2 * first * b), wv.subarray(2 * first * b)];
    workspace.call('interleave', vFrom, wFrom, n - first, b, vwFrom, wvFrom);
    await upper.update(vw, wv, next, 2 * b);
  }
  workspace.release(mark);
  return { n, width: b, band, reflectors };
}

/** Z ← Q Z for each Z of `slabs`, row-major, of n rows or more (the rest is left alone). 2 n² flops a column. */
export async function applyBandReflectors(
  workspace: Workspace,
  banded: Banded,
  slabs: readonly Matrix[],
): Promise<void> {
  const { n, width, reflectors } = banded;
  const k = width * PANELS_TOGETHER;
  const mark = workspace.mark();
  const t = { rows: k, cols: k, data: workspace.floats(k * k) };
  const tau = workspace.floats(k);
  for (const { start, v, taus } of reflectors.toReversed()) {
    tau.set(taus);
    await multiplyInto(t, v, v, { transposeA: true });
    workspace.call('triangularFactors', t.data, tau, k, 1, 1);
    for (const slab of slabs) {
      const rows = rowRange(slab, start, n);
      const vz = await multiply(v, rows, { transposeA: true });
      await multiplyInto(rows, v, await multiply(t, vz), { alpha: -1, accumulate: true });
    }
  }
  workspace.release(mark);
}

/** Appends a panel's V (rows, b) to the block it belongs to, whose rows begin at its first panel's. */
function keep(reflectors: Banded['reflectors'], p: number, start: number, v: Matrix, tau: Float64Array): void {
  const b = v.cols;
  const cols = b * PANELS_TOGETHER;
  const slot = p % PANELS_TOGETHER;
  if (slot === 0) {
    const data = new Float64Array(v.rows * cols);
    reflectors.push({ start, v: { rows: v.rows, cols, data }, taus: new Float64Array(cols) });
  }
  const block = reflectors.at(-1);
  if (!block) throw new Error('a panel without a block');
  block.taus.set(tau, slot * b);
  for (let i = 0; i < v.rows; i++) block.v.data.set(rowOf(v, i), (start - block.start + i) * cols + slot * b);
}

function square(workspace: Workspace, n: number): Matrix {
  return { rows: n, cols: n, data: workspace.floats(n * n) };
}

/**
 * The upper triangle of a symmetric matrix in blocks of whole rows: block i holds its rows from column i·BLOCK_ROWS on
 * (so a full square on the diagonal), each block one matrix that a product can take or update in place.
 */
class UpperRows {
  private readonly data: Float64Array;
  private readonly n: number;

  /** Packs the upper triangle of a (n, n) in place. */
  constructor(a: Float64Array, n: number) {
    this.data = a;
    this.n = n;
    for (let i = 0; i < n; i++) {
      const block = this.blockStart(i);
      a.copyWithin(this.address(i, block), i * n + block, (i + 1) * n);
    }
    for (let i = 0; i < n; i++) {
      for (let j = this.blockStart(i); j < i; j++) a[this.address(i, j)] = a[this.address(j, i)] as number;
    }
  }

  /** First row of the block that row i is in. */
  blockStart(i: number): number {
    return i - (i % BLOCK_ROWS);
  }

  /** Entries [from, to) of row i, where i ≤ from. */
  row(i: number, from: number, to: number): Float64Array {
    return this.data.subarray(this.address(i, from), this.address(i, to));
  }

  /** Y[from:] ← A[from:, from:] V[from:], both (n, cols), where V is zero between from's block start and from, and Y all zero. */
  async times(v: Float64Array, y: Float64Array, from: number, cols: number): Promise<void> {
    for (let start = from; start < this.n; start = this.blockStart(start) + BLOCK_ROWS) {
      const { block, base, end } = this.block(start);
      const rowsOf = (data: Float64Array, lo: number, hi: number) => rowRange({ rows: this.n, cols, data }, lo, hi);
      // The transposed product adds to all rows from `base`; the diagonal square is counted by the plain product alone.
      const before = y.slice(base * cols, end * cols);
      if (end < this.n) {
        await multiplyInto(rowsOf(y, base, this.n), block, rowsOf(v, start, end), {
          transposeA: true,
          accumulate: true,
        });
        y.set(before, base * cols);
      }
      await multiplyInto(rowsOf(y, start, end), block, rowsOf(v, base, this.n), { accumulate: true });
    }
  }

  /** A[from:, from:] −= L Rᵀ for L and R (n, cols), zero between from's block start and from. */
  async update(left: Float64Array, right: Float64Array, from: number, cols: number): Promise<void> {
    for (let start = from; start < this.n; start = this.blockStart(start) + BLOCK_ROWS) {
      const { block, base, end } = this.block(start);
      const l = rowRange({ rows: this.n, cols, data: left }, start, end);
      const r = rowRange({ rows: this.n, cols, data: right }, base, this.n);
      await multiplyInto(block, l, r, { transposeB: true, alpha: -1, accumulate: true });
    }
  }

  /** The rows from `start` to the end of its block, from the block's first column `base` on. */
  private block(start: number): { block: Matrix; base: number; end: number } {
    const base = this.blockStart(start);
    const end = Math.min(base + BLOCK_ROWS, this.n);
    const cols = this.n - base;
    const data = this.data.subarray(this.address(start, base), this.address(end - 1, base) + cols);
    return { block: { rows: end - start, cols, data }, base, end };
  }

  private address(i: number, j: number): number {
    const base = this.blockStart(i);
    const blocks = base / BLOCK_ROWS;
    const before = base * this.n - (BLOCK_ROWS * BLOCK_ROWS * blocks * (blocks - 1)) / 2;
    return before + (i - base) * (this.n - base) + (j - base);
  }
}
