// Eigenvalues and vectors of a symmetric tridiagonal matrix by divide and conquer: Cuppen 1981, Gu and Eisenstat 1995;
// deflation as in LAPACK dlaed2. The vectors are orthogonal to rounding by construction, clusters included.
import { SurgeryError } from '../../platform/errors.ts';
import { type Matrix, multiply } from '../products.ts';
import type { Workspace } from './workspace.ts';

/** Largest matrix solved directly. */
const LEAF = 32;
/** Vectors handled together: with the rows at work on them they fit the second-level cache. */
const VECTORS_TOGETHER = 256;
const EPSILON = 2 ** -53;

/** Bytes of workspace that the solver takes at most. */
export function divideBytes(n: number): number {
  return 8 * (2 * VECTORS_TOGETHER * n + LEAF * LEAF + 2 * LEAF + 8 * n) + 8192;
}

/** All eigenvalues, ascending, and the vectors of the largest. */
export interface TridiagonalVectors {
  values: Float64Array;
  /** The vectors as columns, largest value first, in slabs (n + padding, at most VECTORS_TOGETHER), zero below row n. */
  slabs: Matrix[];
}

/**
 * Eigenvalues of the tridiagonal matrix with diagonal d (n) and subdiagonal e (n − 1), both destroyed, and the vectors
 * of as many of the largest as `count` says on seeing all values, largest first. At most n³/3 + n² count flops in
 * products, less with every deflation, and about 12 n² divisions.
 */
export async function solveTridiagonal(
  workspace: Workspace,
  d: Float64Array,
  e: Float64Array,
  count: (values: Float64Array) => number,
  padding: number,
): Promise<TridiagonalVectors> {
  const n = d.length;
  const q = new Float64Array(n * n);
  const problem = { workspace, d, e, q, n };
  const starts = leafStarts(n);
  for (const start of starts.slice(1)) {
    const size = Math.abs(e[start - 1] as number);
    d[start - 1] = (d[start - 1] as number) - size;
    d[start] = (d[start] as number) - size;
  }
  for (const [i, start] of starts.entries()) solveLeaf(problem, start, starts[i + 1] ?? n);
  let bounds = [...starts, n];
  while (bounds.length > 3) {
    const next = [0];
    for (let i = 0; i + 2 < bounds.length; i += 2) {
      const [from, middle, to] = bounds.slice(i, i + 3) as [number, number, number];
      const merge = mergeHalves(problem, from, middle, to);
      const factors = halves(merge, q); // copies: q is overwritten
      for (let c = 0; c < to - from; c += VECTORS_TOGETHER) {
        const target = { target: q, stride: n, at: from * n + from + c };
        await writeVectors(workspace, merge, factors, merge.order.slice(c, c + VECTORS_TOGETHER), target);
      }
      workspace.release(merge.mark);
      d.set(merge.values, from);
      next.push(to);
    }
    bounds = next;
  }
  const merge = bounds.length === 3 ? mergeHalves(problem, 0, bounds[1] as number, n) : undefined;
  const values = merge ? merge.values : d;
  const wanted = count(values.toReversed());
  const slabs = slabsOf(n + padding, wanted);
  if (merge) {
    const order = merge.order.toReversed();
    const factors = halves(merge, q);
    let first = 0;
    for (const { cols, data } of slabs) {
      const target = { target: data, stride: cols, at: 0 };
      await writeVectors(workspace, merge, factors, order.slice(first, first + cols), target);
      first += cols;
    }
    workspace.release(merge.mark);
  } else {
    let column = n;
    for (const { cols, data } of slabs) {
      for (let c = 0; c < cols; c++) {
        column--;
        for (let i = 0; i < n; i++) data[i * cols + c] = q[i * n + column] as number;
      }
    }
  }
  return { values, slabs };
}

/** A tridiagonal matrix while it is solved in place. */
interface Problem {
  workspace: Workspace;
  d: Float64Array;
  e: Float64Array;
  /** (n, n): the vectors of each part that is solved so far as columns, on the diagonal. */
  q: Float64Array;
  n: number;
}

function slabsOf(rows: number, count: number): Matrix[] {
  const slabs: Matrix[] = [];
  for (let first = 0; first < count; first += VECTORS_TOGETHER) {
    const cols = Math.min(VECTORS_TOGETHER, count - first);
    slabs.push({ rows, cols, data: new Float64Array(rows * cols) });
  }
  return slabs;
}

/** Starts of 2^m parts of near equal size, none larger than a leaf. */
function leafStarts(n: number): number[] {
  let parts = 1;
  while (n > parts * LEAF) parts *= 2;
  return Array.from({ length: parts }, (_, i) => Math.floor((i * n) / parts));
}

/** Solves [from, to) directly: values into d, vectors into the columns of q. */
function solveLeaf({ workspace, d, e, q, n }: Problem, from: number, to: number): void {
  const size = to - from;
  const mark = workspace.mark();
  const diagonal = workspace.floats(size);
  const below = workspace.floats(size);
  const rows = workspace.floats(size * size);
  diagonal.set(d.subarray(from, to));
  below.set(e.subarray(from, to - 1));
  if (workspace.call('smallTridiagonal', diagonal, below, size, rows) !== 0) throw noConvergence();
  d.set(diagonal, from);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) q[(from + i) * n + from + j] = rows[j * size + i] as number;
  }
  workspace.release(mark);
}

/** Two solved halves joined: values known, vectors still factors. Numbers ≥ k in `order` mean deflated columns. */
interface Merge {
  from: number;
  middle: number;
  to: number;
  /** All values, ascending, and which root (below k) or deflated column (k + its place in `deflated`) has each. */
  values: Float64Array;
  order: number[];
  /** Columns of q (counted from `from`) of the k poles, ascending, and of the deflated values. */
  columns: Int32Array;
  deflated: number[];
  /** Poles with a part in the upper half, and in the lower. */
  topIndex: Int32Array;
  bottomIndex: Int32Array;
  poles: Float64Array;
  z: Float64Array;
  origins: Int32Array;
  shifts: Float64Array;
  mark: number;
}

const TOP = 1;
const BOTTOM = 2;

/** The rank-one problem of [from, to), cut at `middle`: deflates (rotating columns of q), then finds the roots. */
function mergeHalves({ workspace, d, e, q, n: stride }: Problem, from: number, middle: number, to: number): Merge {
  const size = to - from;
  const mark = workspace.mark();
  const coupling = e[middle - 1] as number;
  const values = d.slice(from, to);
  const z = new Float64Array(size);
  const support = new Uint8Array(size); // the halves, TOP or BOTTOM or both, that each vector has entries in
  for (let j = 0; j < size; j++) {
    const top = from + j < middle;
    const row = top ? middle - 1 : middle;
    const sign = !top && coupling < 0 ? -1 : 1;
    z[j] = sign * Math.SQRT1_2 * (q[row * stride + from + j] as number);
    support[j] = top ? TOP : BOTTOM;
  }
  const rho = 2 * Math.abs(coupling);
  const sorted = Array.from(values.keys()).sort((i, j) => (values[i] as number) - (values[j] as number));
  const largest = (numbers: Float64Array) => numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const tolerance = 8 * EPSILON * Math.max(largest(values), largest(z));
  const deflated: number[] = [];
  const undeflated: number[] = [];
  let last = -1;
  for (const j of sorted) {
    if (rho * Math.abs(z[j] as number) <= tolerance) {
      deflated.push(j);
      continue;
    }
    if (last >= 0 && !rotateOut(last, j)) undeflated.push(last);
    last = j;
  }
  if (last >= 0) undeflated.push(last);

  /** If two neighbours are close, turns their columns so that the first has no part in z: then it is deflated. */
  function rotateOut(i: number, j: number): boolean {
    const zi = z[i] as number;
    const zj = z[j] as number;
    const length = Math.hypot(zi, zj);
    const [c, s] = [zj / length, -zi / length];
    const [di, dj] = [values[i] as number, values[j] as number];
    if (Math.abs((dj - di) * c * s) > tolerance) return false;
    z[j] = length;
    z[i] = 0;
    for (let row = from; row < to; row++) {
      const at = row * stride + from;
      const [x, y] = [q[at + i] as number, q[at + j] as number];
      q[at + i] = c * x + s * y;
      q[at + j] = c * y - s * x;
    }
    values[i] = di * c * c + dj * s * s;
    values[j] = di * s * s + dj * c * c;
    support[j] = (support[i] as number) | (support[j] as number);
    deflated.push(i);
    return true;
  }

  const k = undeflated.length;
  const poles = workspace.floats(k);
  const weights = workspace.floats(k);
  const shifts = workspace.floats(k);
  const roots = workspace.floats(k);
  const work = workspace.floats(k);
  const origins = workspace.integers(k);
  undeflated.forEach((j, p) => {
    poles[p] = values[j] as number;
    weights[p] = z[j] as number;
  });
  if (k > 0 && workspace.call('secularRoots', poles, weights, k, rho, origins, shifts, roots, work) < 0)
    throw noConvergence();
  const all = [...roots, ...deflated.map((j) => values[j] as number)];
  const order = all.map((_, i) => i).sort((i, j) => (all[i] as number) - (all[j] as number));
  const inHalf = (half: number) => {
    // Poles in one half alone first or last, mixed ones in between: the order only has to be the same in both factors.
    return Int32Array.from(
      undeflated.map((_, p) => p).filter((p) => ((support[undeflated[p] as number] as number) & half) !== 0),
    );
  };
  return {
    from,
    middle,
    to,
    values: Float64Array.from(order, (i) => all[i] as number),
    order,
    columns: Int32Array.from(undeflated),
    deflated,
    topIndex: inHalf(TOP),
    bottomIndex: inHalf(BOTTOM),
    poles,
    z: weights,
    origins,
    shifts,
    mark,
  };
}

/** What a merge's vectors are made of: its poles' columns of q in either half, and the deflated columns. */
interface Halves {
  upper: Matrix;
  lower: Matrix;
  deflated: Matrix;
}

function halves(merge: Merge, q: Float64Array): Halves {
  const { from, middle, to, columns } = merge;
  const stride = Math.sqrt(q.length);
  const of = (index: Int32Array) => index.map((p) => columns[p] as number);
  return {
    upper: gather(q, stride, from, from, middle, of(merge.topIndex)),
    lower: gather(q, stride, from, middle, to, of(merge.bottomIndex)),
    deflated: gather(q, stride, from, from, to, Int32Array.from(merge.deflated)),
  };
}

/** The vectors `wanted` (at most VECTORS_TOGETHER) of a merge as columns into `to`, from element `at` on. */
async function writeVectors(
  workspace: Workspace,
  merge: Merge,
  { upper, lower, deflated }: Halves,
  wanted: number[],
  to: { target: Float64Array; stride: number; at: number },
): Promise<void> {
  const { from, middle, poles, z, origins, shifts, topIndex, bottomIndex } = merge;
  const k = poles.length;
  const mark = workspace.mark();
  const integers = (list: ArrayLike<number>) => {
    const block = workspace.integers(list.length);
    block.set(list);
    return block;
  };
  const places = wanted.map((_, c) => c);
  const columns = places.filter((c) => (wanted[c] as number) < k);
  if (columns.length > 0) {
    const roots = integers(columns.map((c) => wanted[c] as number));
    const [topAt, bottomAt] = [integers(topIndex), integers(bottomIndex)];
    const work = workspace.floats(k);
    const top = { rows: roots.length, cols: upper.cols, data: workspace.floats(roots.length * upper.cols) };
    const bottom = { rows: roots.length, cols: lower.cols, data: workspace.floats(roots.length * lower.cols) };
    const [topHalf, bottomHalf] = [[topAt, top.cols, top.data] as const, [bottomAt, bottom.cols, bottom.data] as const];
    const secular = [poles, z, k, origins, shifts, roots, roots.length] as const;
    workspace.call('secularVectors', ...secular, ...topHalf, ...bottomHalf, work);
    scatter(await multiply(upper, top, { transposeB: true }), to, 0, columns);
    scatter(await multiply(lower, bottom, { transposeB: true }), to, middle - from, columns);
  }
  scatter(
    deflated,
    to,
    0,
    places.filter((c) => (wanted[c] as number) >= k),
    wanted.filter((i) => i >= k).map((i) => i - k),
  );
  workspace.release(mark);
}

/** Rows [first, end) of some columns of q, counted from column `from`. */
function gather(q: Float64Array, stride: number, from: number, first: number, end: number, columns: Int32Array) {
  const data = new Float64Array((end - first) * columns.length);
  let at = 0;
  for (let row = first; row < end; row++) {
    const start = row * stride + from;
    for (let c = 0; c < columns.length; c++) data[at++] = q[start + (columns[c] as number)] as number;
  }
  return { rows: end - first, cols: columns.length, data };
}

/** Columns of Y (all, or those in `sources`) to the given columns of the target, from row `start` on. */
function scatter(
  y: Matrix,
  to: { target: Float64Array; stride: number; at: number },
  start: number,
  columns: number[],
  sources: number[] = columns.map((_, c) => c),
): void {
  const { target, stride, at } = to;
  const { cols, data } = y;
  const [targets, origins] = [Int32Array.from(columns), Int32Array.from(sources)];
  for (let i = 0; i < y.rows; i++) {
    const row = at + (start + i) * stride;
    const from = i * cols;
    for (let c = 0; c < targets.length; c++)
      target[row + (targets[c] as number)] = data[from + (origins[c] as number)] as number;
  }
}

function noConvergence(): SurgeryError {
  return new SurgeryError(
    'numeric',
    'the eigenvalues of a tridiagonal matrix did not converge: this is a bug, please report the matrix',
  );
}
