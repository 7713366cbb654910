// Eigenvalues and leading eigenvectors of a dense symmetric matrix: full → band → tridiagonal, divide and conquer,
// and the two reductions' reflectors applied to the vectors that are wanted.
import { aFunction, requireArgument, requireOptions } from '../../platform/arguments.ts';
import { SurgeryError } from '../../platform/errors.ts';
import type { Matrix } from '../products.ts';
import { rowRange, transpose } from '../rows.ts';
import { applyBandReflectors, bandBytes, reduceToBand } from './band.ts';
import { applyChaseReflectors, chaseBytes, reduceToTridiagonal } from './chase.ts';
import { divideBytes, solveTridiagonal } from './divide.ts';
import { withWorkspace } from './workspace.ts';

/** Semi-bandwidth between the stages: wide enough for products, narrow enough for the chase (measured 16 … 64). */
const WIDTH = 32;

export interface EigenOptions {
  /** How many of the leading eigenvectors are wanted, given all n values, largest first. By default all. */
  count?: (values: Float64Array) => number;
}

export interface Eigen {
  /** All n eigenvalues, largest first. */
  values: Float64Array;
  /** (count, n), row-major: one unit eigenvector a row, in the order of the values, each of arbitrary sign. */
  vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix `a` (n, n), row-major, of which the upper triangle is read and
 * **all is overwritten**. Values are exact to a few n · 2⁻⁵³ ‖A‖ and vectors orthogonal to rounding, in clusters too.
 *
 * About (4/3 n + 7 count) n² flops, nearly all in products. Memory in addition to `a`: some 3 n² + 3 n count numbers.
 * Throws SurgeryError('numeric') for a NaN or infinity, for a size that does not fit, and for a count outside 0 … n.
 *
 *     const { values } = await symmetricEigen(Float64Array.of(2, 1, 1, 2), 2); // values: 3, 1
 */
export async function symmetricEigen(a: Float64Array, n: number, options: EigenOptions = {}): Promise<Eigen> {
  requireArgument('the matrix', a, { words: 'a Float64Array', test: (value) => value instanceof Float64Array });
  requireOptions('symmetricEigen', options, { count: aFunction });
  if (!Number.isInteger(n) || n < 0 || a.length !== n * n) {
    throw new SurgeryError('numeric', `a symmetric matrix of ${n} rows needs ${n}² numbers, here are ${a.length}`);
  }
  if (n === 0) return { values: new Float64Array(), vectors: new Float64Array() };
  const scale = normalise(a, n);
  const count = (values: Float64Array) => checked(options.count?.(values.map((x) => x * scale)) ?? n, n);

  return withWorkspace(bandBytes(n, WIDTH) + chaseBytes(n, WIDTH) + divideBytes(n), async (workspace) => {
    const banded = await reduceToBand(workspace, a, n, WIDTH);
    const tridiagonal = reduceToTridiagonal(workspace, banded);
    const { d, e } = tridiagonal;
    const solved = await solveTridiagonal(workspace, d, e, count, 4 * WIDTH);
    await applyChaseReflectors(workspace, tridiagonal, solved.slabs);
    await applyBandReflectors(workspace, banded, solved.slabs);
    return {
      values: solved.values.toReversed().map((x) => x * scale),
      vectors: rowsOf(solved.slabs, n),
    };
  });
}

/** Divides a by the power of two next to its largest entry, exactly, so that no square over- or underflows. */
function normalise(a: Float64Array, n: number): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const size = Math.abs(a[i] as number);
    if (!Number.isFinite(size)) {
      const entry = `entry (${Math.floor(i / n)}, ${i % n}) of a symmetric matrix is ${a[i]}`;
      throw new SurgeryError('numeric', `${entry}: it has no eigenvalues`);
    }
    if (size > largest) largest = size;
  }
  if (largest === 0) return 1;
  const scale = 2 ** Math.max(-1000, Math.min(1000, Math.round(Math.log2(largest))));
  for (let i = 0; i < a.length; i++) a[i] = (a[i] as number) / scale;
  return scale;
}

function checked(count: number, n: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= n) return count;
  throw new SurgeryError('numeric', `${count} eigenvectors were asked for, a matrix of ${n} rows has 0 to ${n}`);
}

/** The columns of all slabs, cut to n numbers, as rows. */
function rowsOf(slabs: readonly Matrix[], n: number): Float64Array {
  const out = new Float64Array(slabs.reduce((sum, { cols }) => sum + cols, 0) * n);
  let first = 0;
  for (const slab of slabs) {
    out.set(transpose(rowRange(slab, 0, n)).data, first * n);
    first += slab.cols;
  }
  return out;
}
