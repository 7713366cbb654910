// What a PCA needs and loses over all its groups. Pure arithmetic on its report.
import type { KindFootprint } from '../kind.ts';
import type { GroupReport, LayerReport } from './report.ts';
import { groupsOfWidth } from './words.ts';

export function footprint(layers: readonly LayerReport[]): KindFootprint {
  const groups = layers.flatMap((layer) => layer.groups);
  return {
    rank: sum(groups.map(({ rank }) => rank)) / groups.length,
    width: sum(layers.map(widthOf)) / layers.length,
    parameters: {
      dense: sum(groups.map((group) => group.parameters.dense)),
      reduced: sum(groups.map((group) => group.parameters.factored)),
    },
    squaredNorm: sum(groups.flatMap((group) => Object.values(group.squaredNorm))),
    relativeError: errorOver(groups, () => true) ?? 0,
    relativeErrorKv: errorOver(groups, (projection) => projection === 'k' || projection === 'v'),
  };
}

function widthOf(layer: LayerReport): number {
  return sum(groupsOfWidth(layer).map(({ rank }) => rank));
}

/** Frobenius norm of the errors of some projections together, over that of their weights. */
function errorOver(groups: readonly GroupReport[], isCounted: (projection: string) => boolean): number | null {
  let [error, norm] = [0, 0];
  for (const { relativeError, squaredNorm } of groups) {
    for (const [projection, relative] of Object.entries(relativeError)) {
      if (!isCounted(projection)) continue;
      const own = squaredNorm[projection] as number;
      error += relative ** 2 * own;
      norm += own;
    }
  }
  return norm > 0 ? Math.sqrt(error / norm) : null;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
