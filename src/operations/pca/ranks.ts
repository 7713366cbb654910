// How many components each group of an operation gets. Pure arithmetic on spectra, in float64.

import { itemAt } from '../../platform/indexing.ts';
import { type GroupSpectrum, rankFor } from './group-pca.ts';
import { classOf, type Group } from './grouping.ts';
import type { MatchRule, MeanRule, RankBudget } from './spec.ts';

/** A group and its squared singular values. */
export interface GroupSpectra {
  readonly group: Group;
  readonly spectrum: GroupSpectrum;
}

/**
 * Rank of each group: the smallest that reaches a threshold, or a given rank up to the group's maximum. In the order of
 * the groups.
 */
export function uniformRanks(groups: readonly GroupSpectra[], budget: RankBudget): number[] {
  return groups.map(({ spectrum }) => rankFor(spectrum.explainedVarianceRatio, budget));
}

/**
 * As many components in all as `uniform` has, spread anew: those with the largest shares of their own group's variance,
 * over all groups of a class (those of one name in all layers). That is what minimises the sum of the relative squared
 * errors (reverse water-filling on the spectra). Ties go to the earlier group.
 */
export function globalRanks(groups: readonly GroupSpectra[], uniform: readonly number[]): number[] {
  const ranks = uniform.map(() => 0);
  for (const name of new Set(groups.map(({ group }) => classOf(group)))) {
    const chosen = [...groups.keys()].filter((i) => classOf(itemAt(groups, i).group) === name);
    const lists = chosen.map((i) => itemAt(groups, i).spectrum.explainedVarianceRatio);
    const total = chosen.reduce((sum, i) => sum + itemAt(uniform, i), 0);
    const taken = merged(lists).slice(0, total);
    for (const { list } of taken) {
      const i = itemAt(chosen, list);
      ranks[i] = itemAt(ranks, i) + 1;
    }
  }
  return ranks;
}

/** What a shared group costs and loses, which its members, each alone, have to match. */
export interface Matched {
  readonly rank: number;
  /** Σ ‖W − Ŵ‖² over its members. */
  readonly squaredError: number;
  /** (out_features, in_features) of each member. */
  readonly shapes: readonly (readonly [rows: number, cols: number])[];
}

/**
 * Ranks of a shared group's members, each decomposed alone, at an equal budget. All their squared singular values are
 * merged and taken from the largest on: as many as the shared group's rank (`width`), as fit its parameters
 * `rank × (in + Σ out)` (`parameters`), or as few as reach its squared error (`error`; all if they never do).
 * @param members spectra of the members, in the order of `matched.shapes`
 */
export function matchedRanks(
  rule: MatchRule,
  { rank, squaredError, shapes }: Matched,
  members: readonly Pick<GroupSpectrum, 'eigenvalues' | 'meanSquares'>[],
  mean: MeanRule,
): number[] {
  const order = merged(members.map(({ eigenvalues }) => eigenvalues));
  const taken = { width: countWidth, parameters: countParameters, error: countError }[rule]();
  const ranks = members.map(() => 0);
  for (const { list } of order.slice(0, taken)) ranks[list] = itemAt(ranks, list) + 1;
  return ranks;

  function countWidth(): number {
    return Math.min(rank, order.length);
  }

  function countParameters(): number {
    const [, cols] = itemAt(shapes, 0);
    let left = rank * (cols + shapes.reduce((sum, [rows]) => sum + rows, 0));
    const over = order.findIndex(({ list }) => {
      left -= cols + itemAt(shapes, list)[0];
      return left < 0;
    });
    return over < 0 ? order.length : over;
  }

  function countError(): number {
    // Summed from the smallest on: nothing is lost to cancellation where little is left.
    let error = mean === 'drop' ? members.reduce((sum, { meanSquares }) => sum + meanSquares, 0) : 0;
    const limit = squaredError * (1 + 1e-9);
    let count = order.length;
    while (count > 0) {
      error += itemAt(order, count - 1).value;
      if (error > limit) break;
      count--;
    }
    return count;
  }
}

/** The entries of sorted lists, largest first; among equals those of the earlier list. */
function merged(lists: readonly Float64Array[]): { list: number; value: number }[] {
  return lists
    .flatMap((values, list) => Array.from(values, (value) => ({ list, value: Math.max(value, 0) })))
    .sort((a, b) => b.value - a.value || a.list - b.list);
}
