// How much of the input parts of the residual space hold: probes refitted inside a subspace.
import { type Matrix, multiply } from '../linalg/products.ts';
import { rowRange } from '../linalg/rows.ts';
import type { LabelSums, Sums } from './moments.ts';
import { type DesignSums, fitProbes, type Probe } from './probe.ts';
import type { Target } from './targets.ts';

/** A subspace of the residual space. */
export interface Part {
  /** `leading` and `trailing` directions of the unembedding, or `random` ones. */
  readonly name: 'leading' | 'trailing' | 'random';
  /** Orthonormal rows, (dimensions, hidden). */
  readonly basis: Matrix;
}

/**
 * The residual space cut after a quarter, a half and three quarters of an ordered orthonormal basis, and random
 * subspaces as large as each side.
 * @param ordered (hidden, hidden), orthonormal rows, the most important first
 * @param random the same in no order
 */
export function partsOf(ordered: Matrix, random: Matrix): Part[] {
  const size = ordered.rows;
  const cuts = [...new Set([1, 2, 3].map((quarters) => Math.round((quarters * size) / 4)))];
  return cuts
    .filter((cut) => cut > 0 && cut < size)
    .flatMap((cut): Part[] => [
      { name: 'leading', basis: rowRange(ordered, 0, cut) },
      { name: 'trailing', basis: rowRange(ordered, size - cut, size) },
      { name: 'random', basis: rowRange(random, 0, cut) },
    ]);
}

/**
 * A probe of the first labelling that sees nothing of the residual outside a part; it reads whole residuals all the same.
 * @param moments of a design
 */
export async function probeInside(
  { design, train, validation }: DesignSums,
  { basis }: Part,
  target: Target,
): Promise<Probe> {
  const [labelling] = design.labellings;
  const inside = {
    design: { ...design, labellings: labelling ? [labelling] : [] },
    train: await projected(train, basis),
    validation: await projected(validation, basis),
  };
  const [probe] = await fitProbes([inside], { embedding: target, tokens: false });
  if (!probe) throw new RangeError('a design without labels cannot be probed');
  const row = { rows: 1, cols: basis.rows, data: probe.mean };
  return {
    ...probe,
    mean: (await multiply(row, basis)).data,
    coefficients: await multiply(basis, probe.coefficients, { transposeA: true }),
  };
}

/** Moments of the rows' coordinates in a basis, for the first labelling alone. */
async function projected(moments: Sums, basis: Matrix): Promise<Sums> {
  const turn = async (x: Matrix) => multiply(x, basis, { transposeB: true });
  const row = async (data: Float64Array) => (await turn({ rows: 1, cols: data.length, data })).data;
  const labels: LabelSums[] = [];
  for (const one of moments.labels.slice(0, 1)) labels.push({ ...one, sums: await turn(one.sums) });
  return {
    rows: moments.rows,
    shift: await row(moments.shift),
    sum: await row(moments.sum),
    mean: await row(moments.mean),
    gram: await turn(await multiply(basis, moments.gram)),
    labels,
  };
}
