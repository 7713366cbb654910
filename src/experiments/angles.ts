// Do k and v of a layer read the residual stream in the same directions, more than random subspaces would?

import { randomAngles } from '../operations/pca/angles.ts';
import type { Decompositions } from '../operations/pca/decompositions.ts';
import { itemAt } from '../platform/indexing.ts';
import type { AngleResult } from '../results/study.ts';

/** Number of random pairs of subspaces that each pair is compared with. */
const draws = 20;

/**
 * Principal angles between the leading row spaces of k and v of each layer, with as many components as each threshold
 * needs, and of
 * random subspaces of the same dimensions (seed 0).
 */
export async function anglesOf(
  decompositions: Decompositions,
  thresholds: readonly number[],
  onProgress?: (done: number, total: number) => void,
): Promise<AngleResult[]> {
  const { layers, hiddenSize } = decompositions.checkpoint.config;
  const chance = new Map<string, Promise<number[][]>>();
  const randomFor = (dimensions: readonly [number, number]) => {
    const key = dimensions.toSorted((a, b) => a - b).join();
    const known = chance.get(key) ?? randomAngles(dimensions, hiddenSize, draws, 0);
    chance.set(key, known);
    return known;
  };
  const results: AngleResult[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const found = await decompositions.angles(
      layer,
      thresholds.map((variance) => ({ variance })),
    );
    for (const [i, { dimensions, cosines }] of found.entries()) {
      const random = await randomFor(dimensions);
      const means = random.map(meanSquare);
      results.push({
        layer,
        variance: itemAt(thresholds, i),
        dimensions,
        meanSquaredCosine: meanSquare(cosines),
        largestCosine: cosines[0] ?? 0,
        random: {
          draws,
          meanSquaredCosine: means.reduce((sum, value) => sum + value, 0) / draws,
          mostMeanSquaredCosine: Math.max(...means),
          largestCosine: Math.max(...random.map(([largest = 0]) => largest)),
        },
      });
    }
    onProgress?.(layer + 1, layers);
  }
  return results;
}

function meanSquare(cosines: readonly number[]): number {
  return cosines.length > 0 ? cosines.reduce((sum, value) => sum + value ** 2, 0) / cosines.length : 0;
}
