// Band → tridiagonal, the second of the eigensolver's two stages, and its reflectors applied to vectors.
// Bischof, Lang and Sun, SBR toolbox, 2000; the blocks of reflectors as in Haidar, Ltaief and Dongarra, SC 2011.

import { type Matrix, multiplyEach } from '../products.ts';
import type { Banded } from './band.ts';
import type { Workspace } from './workspace.ts';

/** Blocks of 2b sweeps whose reflectors are applied together. */
const BLOCKS_TOGETHER = 4;

/** Few enough that compiling the kernel better pays within the first matrix, enough that a call costs nothing. */
const SWEEPS_A_CALL = 16;

/** A band reduced to tridiagonal form, B = Q T Qᵀ. */
export interface Tridiagonal {
  n: number;
  /** Diagonal (n) and subdiagonal (n − 1) of T. */
  d: Float64Array;
  e: Float64Array;
  /** Q: reflectors (b numbers each) and their factors, sweep after sweep, in the workspace. */
  width: number;
  vs: Float64Array;
  taus: Float64Array;
  /** For each of the n − 2 sweeps, the number of its first reflector and how many it has. */
  first: Int32Array;
  steps: Int32Array;
}

/** Bytes of workspace that the stage takes at most, Q included. */
export function chaseBytes(n: number, b: number): number {
  const reflectors = n * (n / (2 * b) + 1);
  return 8 * (reflectors * (b + 1) + n + 3 * (b + 4) + BLOCKS_TOGETHER * (100 * b * b + 4 * b)) + 8192;
}

/** Reduces a band, which it destroys. 6 n² b flops in cache. */
export function reduceToTridiagonal(workspace: Workspace, banded: Banded): Tridiagonal {
  const { n, width: b, band } = banded;
  const sweeps = Math.max(0, n - 2);
  const first = workspace.integers(sweeps);
  const steps = workspace.integers(sweeps);
  let total = 0;
  for (let s = 0; s < sweeps; s++) {
    first[s] = total;
    // Step t acts on the rows from s + 1 + t b, of which there must be two.
    steps[s] = Math.floor((n - 3 - s) / b) + 1;
    total += Math.floor((n - 3 - s) / b) + 1;
  }
  const vs = workspace.floats(total * b);
  const taus = workspace.floats(total);
  const mark = workspace.mark();
  const work = workspace.floats(3 * (b + 4));
  let done = 0;
  for (let from = 0; from < sweeps; from += SWEEPS_A_CALL) {
    const to = Math.min(from + SWEEPS_A_CALL, sweeps);
    done += workspace.call('chaseBulges', band, n, b, from, to, vs.subarray(done * b), taus.subarray(done), work);
  }
  workspace.release(mark);
  const d = Float64Array.from({ length: n }, (_, j) => band[2 * b * j] as number);
  const e = Float64Array.from({ length: n - 1 }, (_, j) => band[2 * b * j + 1] as number);
  return { n, d, e, width: b, vs, taus, first, steps };
}

/**
 * Z ← Q Z for each Z (n + 4b, cols), row-major, of `slabs`, zero below row n. 4 n² flops a column.
 *
 * Steps 2t and 2t + 1 of the 2b sweeps from 2b J make one orthogonal block. Each reflector in it is shifted by a row
 * from that of the sweep before, so it acts on the 4b rows from 2b (J + t) + 1. It comes after block t − 1 of the same
 * sweeps and after the blocks t − 2 … t of the next. Blocks of equal t − J are therefore independent, and their rows
 * follow one another: one batched product applies such a wave. A few J are done at a time, so that
 * the rows a wave shares with the next stay in the second-level cache.
 */
export async function applyChaseReflectors(
  workspace: Workspace,
  tridiagonal: Tridiagonal,
  slabs: readonly Matrix[],
): Promise<void> {
  const { n, width } = tridiagonal;
  const side = 4 * width;
  const blocks = Math.ceil(Math.max(0, n - 2) / (2 * width));
  const product = new Float64Array(BLOCKS_TOGETHER * side * Math.max(0, ...slabs.map((z) => z.cols)));
  for (let end = blocks; end > 0; end -= BLOCKS_TOGETHER) {
    const waves = await wavesOf(workspace, tridiagonal, Math.max(0, end - BLOCKS_TOGETHER), end);
    for (const { cols, data } of slabs) {
      for (const { start, count, u } of waves) {
        const rows = data.subarray(start * cols, (start + count * side) * cols);
        await multiplyEach(product, u, rows, { count, rows: side, inner: side, cols });
        rows.set(product.subarray(0, rows.length));
      }
    }
  }
}

/** `count` independent blocks, on 4b rows each from row `start`, as orthogonal matrices U (count, 4b, 4b). */
interface Wave {
  start: number;
  count: number;
  u: Float64Array;
}

/** The first of `count` blocks: the number of its b sweeps, in units of b, and of its reflectors' step. */
interface Place {
  block: number;
  step: number;
  count: number;
}

/** The waves of the blocks of 2b sweeps [from, to), in the order in which they act on vectors. */
async function wavesOf(workspace: Workspace, tridiagonal: Tridiagonal, from: number, to: number): Promise<Wave[]> {
  const { n, width } = tridiagonal;
  const shift = 2 * width;
  const steps = Math.floor((n - 3) / shift) + 1;
  const waves: Wave[] = [];
  for (let wave = 0; wave < to - from + steps; wave++) {
    const step = Math.max(0, wave - (to - 1 - from));
    const block = to - 1 - wave + step;
    const start = (block + step) * shift + 1;
    if (start > n - 2) continue;
    const count = Math.min(to - 1 - block, Math.floor((n - 2 - start) / (2 * shift))) + 1;
    const place = { block: 2 * block, step: 2 * step, count };
    waves.push({ start, count, u: await orthogonalBlocks(workspace, tridiagonal, place) });
  }
  return waves;
}

/**
 * For each g < count, the reflectors of steps s and s + 1 (s = step + 2g) of the b sweeps number r = block + 2g and of
 * the b sweeps after them, as one orthogonal matrix (4b, 4b). Each of the four parts is a square of 2b that begins b rows
 * later than the one before it: (r, s + 1) · (r, s) · (r + 1, s + 1) · (r + 1, s), the outer two in the middle rows.
 */
async function orthogonalBlocks(workspace: Workspace, tridiagonal: Tridiagonal, place: Place): Promise<Float64Array> {
  const { count } = place;
  const b = tridiagonal.width;
  const mark = workspace.mark();
  const squares = await orthogonalSquares(workspace, tridiagonal, place);
  const part = (i: number) => squares.subarray(i * count * 4 * b * b, (i + 1) * count * 4 * b * b);
  const [middleFirst, first, last, middleLast] = [part(0), part(1), part(2), part(3)];
  const sides = workspace.floats(count * 4 * b * b);
  const middle = workspace.floats(count * 8 * b * b);
  const rows = workspace.floats(count * 8 * b * b);
  const turned = workspace.floats(count * 8 * b * b);
  const u = workspace.floats(count * 16 * b * b);
  workspace.call('splitSquares', b, count, first, last, sides);
  await multiplyEach(middle, sides, middleLast, { count: 2 * count, rows: 2 * b, inner: b, cols: 2 * b });
  workspace.call('joinSquares', b, count, first, last, middle, u, rows);
  await multiplyEach(turned, middleFirst, rows, { count, rows: 2 * b, inner: 2 * b, cols: 4 * b });
  workspace.call('putRows', b, count, turned, u);
  workspace.release(mark);
  return u.slice();
}

/** The four parts of `orthogonalBlocks`, (4, count, 2b, 2b), in its order: each is I − V T Vᵀ. */
async function orthogonalSquares(workspace: Workspace, tridiagonal: Tridiagonal, place: Place): Promise<Float64Array> {
  const { block, step, count } = place;
  const { n, width: b, vs, taus, first, steps } = tridiagonal;
  const all = 4 * count;
  const squares = workspace.floats(all * 4 * b * b);
  const v = workspace.floats(all * 2 * b * b);
  const vt = workspace.floats(all * 2 * b * b);
  const vtProduct = workspace.floats(all * 2 * b * b);
  const tau = workspace.floats(all * b);
  const t = workspace.floats(all * b * b);
  const places = [
    [0, 1],
    [0, 0],
    [1, 1],
    [1, 0],
  ] as const;
  for (const [i, [later, next]] of places.entries()) {
    const part = (x: Float64Array) => x.subarray((i * x.length) / 4);
    const [sweep, from] = [(block + later) * b, step + next];
    workspace.call('packBlocks', vs, taus, first, steps, n - 2, b, sweep, from, count, part(v), part(vt), part(tau));
  }
  await multiplyEach(t, vt, v, { count: all, rows: b, inner: 2 * b, cols: b });
  workspace.call('triangularFactors', t, tau, b, all, -1);
  await multiplyEach(vtProduct, v, t, { count: all, rows: 2 * b, inner: b, cols: b });
  await multiplyEach(squares, vtProduct, vt, { count: all, rows: 2 * b, inner: b, cols: 2 * b });
  workspace.call('addIdentity', squares, 2 * b, all);
  return squares;
}
