// Principal angles between the row spaces of k and v: do they read the residual stream in the same directions?
import { fitPca, rankForVariance } from '../../linalg/pca.ts';
import { type Matrix, multiply } from '../../linalg/products.ts';
import { randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { rowRange, unitRows } from '../../linalg/rows.ts';
import { principalCosines } from '../../linalg/subspaces.ts';
import type { Member } from './group-pca.ts';

/** Cosines of the principal angles of two subspaces, largest first. */
export interface Angles {
  readonly dimensions: readonly [k: number, v: number];
  readonly cosines: readonly number[];
}

/** Dimensions of the two subspaces: those that reach a variance threshold in each, or two ranks. */
export type AnglesAt = { readonly variance: number } | { readonly ranks: readonly [k: number, v: number] };

/**
 * Principal angles between the leading row spaces of k and of v, each as large as its threshold asks for
 * (Björck and Golub 1973: the singular values of the product of orthonormal bases).
 * @param members k and v of a layer, each (rows, hidden); they are centred by their own column means
 */
export async function principalAngles([k, v]: readonly Member[], kept: readonly AnglesAt[]): Promise<Angles[]> {
  if (!k || !v) throw new TypeError('principal angles are those of two matrices');
  const [a, b] = [await rightBasis(k), await rightBasis(v)];
  const results: Angles[] = [];
  for (const one of kept) {
    const count = ({ ratio, rows }: Basis, which: 0 | 1) =>
      Math.min('variance' in one ? rankForVariance(ratio, one.variance) : one.ranks[which], rows.rows);
    const [r, s] = [count(a, 0), count(b, 1)];
    results.push({
      dimensions: [r, s],
      cosines: await principalCosines(rowRange(a.rows, 0, r), rowRange(b.rows, 0, s)),
    });
  }
  return results;
}

/**
 * Cosines of the principal angles of two random subspaces, of r and s of `size` dimensions.
 * @returns for each draw the cosines, largest first
 */
export async function randomAngles(
  [r, s]: readonly [number, number],
  size: number,
  draws: number,
  seed: number,
): Promise<number[][]> {
  const random = seededRandom(seed);
  const results: number[][] = [];
  for (let draw = 0; draw < draws; draw++)
    results.push(
      await principalCosines(await randomOrthonormal(r, size, random), await randomOrthonormal(s, size, random)),
    );
  return results;
}

interface Basis {
  readonly ratio: Float64Array;
  /** Orthonormal rows, leading direction first, (components, hidden). */
  readonly rows: Matrix;
}

/** Leading right singular vectors of the centred weight. Those of no variance to speak of are left out. */
async function rightBasis({ shape: [count, width], values }: Member): Promise<Basis> {
  const x = { rows: count, cols: width, data: new Float64Array(values) };
  const { vectors, centred, transposed, explainedVarianceRatio: ratio } = await fitPca(x, (all) => all.length);
  const size = ratio.filter((share) => share > 1e-12).length;
  const kept = rowRange({ ...vectors, data: new Float64Array(vectors.data) }, 0, size);
  // Uᵀ C = S Vᵀ: rows of length s, which the vectors' float32 left orthogonal to seven digits.
  return { ratio, rows: transposed ? kept : unitRows(await multiply(kept, centred)) };
}
