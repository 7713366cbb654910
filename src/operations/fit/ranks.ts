// How many directions each group of a fit keeps. Pure arithmetic on energies, in float64.
import { explainedRatios, rankForVariance } from '../../linalg/pca.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import { classOf, type Group } from '../pca/grouping.ts';
import { budgetOf, type FitBudget, type FitOperation } from './spec.ts';

/** A group and the energy along each of its directions, largest first. */
export interface GroupEnergies {
  readonly group: Group;
  readonly eigenvalues: Float64Array;
  /** Of the stacked matrix. */
  readonly shape: readonly [outputs: number, inputs: number];
}

/** How many directions a group of m outputs and n inputs keeps. Factors of rank r have r (m + n) parameters. */
export function rankOf(
  { eigenvalues, shape: [m, n] }: Pick<GroupEnergies, 'eigenvalues' | 'shape'>,
  budget: FitBudget,
): number {
  if ('energy' in budget) return rankForVariance(explainedRatios(eigenvalues), budget.energy);
  const wanted = 'rank' in budget ? budget.rank : Math.floor((m * n * (1 - budget.ratio)) / (m + n));
  return Math.min(wanted, eigenvalues.length);
}

/** Ranks of all groups. @throws SurgeryError `numeric` where a loss is too small for `v2` */
export function spreadRanks(operation: FitOperation, groups: readonly GroupEnergies[]): number[] {
  const budget = budgetOf(operation);
  const uniform = groups.map((group) => rankOf(group, budget));
  if (operation.allocate === 'global') return filled(groups, uniform);
  if (operation.allocate === 'uniform') return uniform;
  if (!('ratio' in budget)) throw new TypeError('allocate v2 spreads a ratio');
  return byLoss(groups, uniform, budget.ratio);
}

/**
 * Spends no more parameters in total than `uniform` ranks have, on the directions with the largest share of their own
 * group's energy per parameter, which minimises the sum of the relative losses. Ties go to the earlier group.
 */
function filled(groups: readonly GroupEnergies[], uniform: readonly number[]): number[] {
  const costs = groups.map(({ shape: [m, n] }) => m + n);
  let left = uniform.reduce((sum, rank, i) => sum + rank * itemAt(costs, i), 0);
  const gains = groups.flatMap(({ eigenvalues }, i) =>
    Array.from(explainedRatios(eigenvalues), (share) => ({ i, gain: share / itemAt(costs, i) })),
  );
  const ranks = groups.map(() => 0);
  for (const { i } of gains.sort((a, b) => b.gain - a.gain || a.i - b.i)) {
    if (itemAt(costs, i) > left) continue; // one of a smaller group may still fit
    left -= itemAt(costs, i);
    ranks[i] = itemAt(ranks, i) + 1;
  }
  return ranks;
}

/** Within each class, removes shares that average `ratio` and are proportional to 1 / ln of the loss at a uniform `ratio`. */
function byLoss(groups: readonly GroupEnergies[], uniform: readonly number[], ratio: number): number[] {
  const weights = groups.map(({ group, eigenvalues }, i) => {
    const rest = eigenvalues.subarray(itemAt(uniform, i));
    const loss = Math.sqrt(rest.reduceRight((sum, value) => sum + Math.max(value, 0), 0));
    if (loss > 1) return 1 / Math.log(loss);
    throw new SurgeryError(
      'numeric',
      `allocate v2 takes 1 / log of each loss, and that of ${group.name} in layer ${group.layer} is ${loss.toPrecision(3)}, allowed: above 1: choose allocate global`,
    );
  });
  return groups.map((one, i) => {
    const same = [...groups.keys()].filter((j) => classOf(itemAt(groups, j).group) === classOf(one.group));
    const mean = same.reduce((sum, j) => sum + itemAt(weights, j), 0) / same.length;
    return Math.max(0, rankOf(one, { ratio: (ratio * itemAt(weights, i)) / mean }));
  });
}
