// What a PCA needs and loses over all its groups. Pure arithmetic on its report.
import type { Footprint } from '../kind.ts';
import type { GroupReport, LayerReport } from './report.ts';

export function footprint(layers: readonly LayerReport[]): Footprint {
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

/** The groups whose components a width counts: those that hold k or v, all where none does. */
export function groupsOfWidth({ groups }: LayerReport): readonly GroupReport[] {
  const holdsKv = ({ relativeError }: GroupReport) => 'k' in relativeError || 'v' in relativeError;
  return groups.some(holdsKv) ? groups.filter(holdsKv) : groups;
}

/** Frobenius norm of the errors of some projections together, over that of their weights. */
function errorOver(groups: readonly GroupReport[], isCounted: (projection: string) => boolean): number | null {
  let [error, norm] = [0, 0];
  for (const { relativeError, squaredNorm } of groups) {
    for (const [projection, relative] of Object.entries(relativeError)) {
      if (!isCounted(projection)) continue;
      error += relative ** 2 * (squaredNorm[projection] ?? 0);
      norm += squaredNorm[projection] ?? 0;
    }
  }
  return norm > 0 ? Math.sqrt(error / norm) : null;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
