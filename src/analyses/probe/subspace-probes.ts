// How much of the input token a subspace of the residual space holds: probes fitted again inside it.

import { type Matrix, multiply } from '../../linalg/products.ts';
import { rowRange } from '../../linalg/rows.ts';
import type { WorkerPool } from '../../platform/threads/pool.ts';
import { fitProbes, type Probe, type SplitSums } from './fit.ts';
import type { LabelSums, Sums } from './moments.ts';
import type { PointEvaluation } from './result.ts';
import type { Target } from './targets.ts';

/** A subspace of the residual space: neighbouring axes of an orthonormal basis of the whole. */
export interface Subspace {
  /** `leading` and `trailing` directions of the unembedding, or `random` ones. */
  readonly name: PointEvaluation['parts'][number]['part'];
  /** Orthonormal rows, (hidden, hidden). */
  readonly axes: Matrix;
  readonly from: number;
  /** The one after the last. */
  readonly to: number;
}

/**
 * The residual space cut after a quarter, a half and three quarters of an ordered orthonormal basis, and random
 * subspaces as large as each side.
 * @param ordered (hidden, hidden), orthonormal rows, the most important first
 * @param random the same in no order
 */
export function subspacesOf(ordered: Matrix, random: Matrix): Subspace[] {
  const size = ordered.rows;
  const cuts = [...new Set([1, 2, 3].map((quarters) => Math.round((quarters * size) / 4)))];
  return cuts
    .filter((cut) => cut > 0 && cut < size)
    .flatMap((cut): Subspace[] => [
      { name: 'leading', axes: ordered, from: 0, to: cut },
      { name: 'trailing', axes: ordered, from: size - cut, to: size },
      { name: 'random', axes: random, from: 0, to: cut },
    ]);
}

/**
 * A probe of the first labelling for each subspace, which sees nothing of the residual outside it; it reads whole residuals
 * all the same.
 * @param sums of a rowSplit
 * @param pool of threads for large eigenproblems
 * @param onProgress called with the share of the subspaces that are done
 */
export async function fitInSubspaces(
  { rowSplit, train, validation }: SplitSums,
  subspaces: readonly Subspace[],
  target: Target,
  pool?: WorkerPool,
  onProgress?: (share: number) => void,
): Promise<Probe[]> {
  const first = { ...rowSplit, labellings: rowSplit.labellings.slice(0, 1) };
  const insides: SplitSums[] = [];
  for (const axes of new Set(subspaces.map((one) => one.axes))) {
    const turned = { train: await turnedTo(axes, train), validation: await turnedTo(axes, validation) };
    for (const [i, subspace] of subspaces.entries()) {
      if (subspace.axes !== axes) continue;
      insides[i] = {
        rowSplit: first,
        train: within(turned.train, subspace),
        validation: within(turned.validation, subspace),
      };
    }
  }
  const found = await fitProbes(insides, { embedding: target, tokens: false }, pool, onProgress);
  const probes: Probe[] = [];
  for (const [i, { axes, from, to }] of subspaces.entries()) {
    const probe = found[i];
    if (!probe) throw new RangeError('a rowSplit without labels cannot be probed');
    const basis = rowRange(axes, from, to);
    const mean = await multiply({ rows: 1, cols: basis.rows, data: probe.mean }, basis);
    const coefficients = await multiply(basis, probe.coefficients, { transposeA: true });
    probes.push({ ...probe, mean: mean.data, coefficients });
  }
  return probes;
}

/** Sums of the rows' coordinates along other axes, for the first labelling alone. */
async function turnedTo(axes: Matrix, sums: Sums): Promise<Sums> {
  const turn = async (x: Matrix) => multiply(x, axes, { transposeB: true });
  const row = async (data: Float64Array) => (await turn({ rows: 1, cols: data.length, data })).data;
  const labels: LabelSums[] = [];
  for (const one of sums.labels.slice(0, 1)) labels.push({ ...one, sums: await turn(one.sums) });
  return {
    rows: sums.rows,
    shift: await row(sums.shift),
    sum: await row(sums.sum),
    mean: await row(sums.mean),
    gram: await turn(await multiply(axes, sums.gram)),
    labels,
  };
}

/** The same of some neighbouring coordinates. */
function within({ rows, shift, sum, mean, gram, labels }: Sums, { from, to }: Subspace): Sums {
  return {
    rows,
    shift: shift.subarray(from, to),
    sum: sum.subarray(from, to),
    mean: mean.subarray(from, to),
    gram: columnRange(rowRange(gram, from, to), from, to),
    labels: labels.map((one) => ({ ...one, sums: columnRange(one.sums, from, to) })),
  };
}

/** The columns from `from` up to `to`, as a copy. */
function columnRange({ rows, cols, data }: Matrix, from: number, to: number): Matrix {
  const out = new Float64Array(rows * (to - from));
  for (let i = 0; i < rows; i++) out.set(data.subarray(i * cols + from, i * cols + to), i * (to - from));
  return { rows, cols: to - from, data: out };
}
