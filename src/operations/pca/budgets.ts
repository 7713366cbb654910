// How much of each group an operation keeps: its threshold or rank, the ranks spread over the layers, or a partner's.
import { projectionShape } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import type { Decompositions, Preprocessing } from './decompositions.ts';
import { type Group, groupsOf, type Mode, type ProjectionRows } from './grouping.ts';
import { type GroupSpectra, globalRanks, matchedRanks, uniformRanks } from './ranks.ts';
import { budgetOf, type MatchRule, type PcaOperation, type RankBudget } from './spec.ts';

export function preprocessing({ center, balance }: PcaOperation): Preprocessing {
  return { center, balance };
}

/** What each group keeps. @throws SurgeryError `numeric`, by tensor name, for weights that are not finite */
export async function budgetsOf(
  decompositions: Decompositions,
  operation: PcaOperation,
  groups: readonly Group[],
): Promise<RankBudget[]> {
  const { control, allocate, match } = operation;
  if (control === 'full-rank') return groups.map(() => ({ rank: Number.MAX_SAFE_INTEGER }));
  if (match) {
    const ranks = await partnerRanks(decompositions, operation, match, groups);
    return ranks.map((rank) => ({ rank }));
  }
  // The threshold itself, where it will do: then a matrix is looked at only once.
  if (allocate === 'uniform' && control !== 'other-layer') return groups.map(() => budgetOf(operation));
  return ranksOf(operation, await spectraOf(decompositions, operation, groups)).map((rank) => ({ rank }));
}

function ranksOf(operation: PcaOperation, groups: readonly GroupSpectra[]): number[] {
  const uniform = uniformRanks(groups, budgetOf(operation));
  return operation.allocate === 'global' ? globalRanks(groups, uniform) : uniform;
}

/** Ranks of an operation whose groups are the members of a shared one, each alone, at the same budget. */
async function partnerRanks(
  decompositions: Decompositions,
  operation: PcaOperation,
  { rule, of }: { readonly rule: MatchRule; readonly of: Mode },
  groups: readonly Group[],
): Promise<number[]> {
  const { targets, layers, mean } = operation;
  const { checkpoint } = decompositions;
  const shared = await spectraOf(decompositions, operation, sharedGroups(groups, of, targets, layers, checkpoint));
  const sharedRanks = ranksOf(operation, shared);
  const alone = await spectraOf(decompositions, { ...operation, balance: false }, groups);
  const found = new Map<Group, number>();
  for (const [i, { group, spectrum }] of shared.entries()) {
    const rank = itemAt(sharedRanks, i);
    const partners = group.members.map((member) => {
      const partner = alone.find((one) => sameRows(itemAt(one.group.members, 0), member));
      if (!partner) throw new TypeError(`${group.name} has a member that is not alone`);
      return partner;
    });
    const shapes = group.members.map((member) => shapeOf(checkpoint, member));
    const squaredError = await squaredErrorOf(decompositions, operation, group, spectrum, rank);
    const spectra = partners.map((partner) => partner.spectrum);
    const ranks = partners.length === 1 ? [rank] : matchedRanks(rule, { rank, squaredError, shapes }, spectra, mean);
    for (const [j, partner] of partners.entries()) found.set(partner.group, itemAt(ranks, j));
  }
  return groups.map((group) => entryOf(found, group));
}

/** The shared mode's groups, of the same weights as the groups that stand alone. */
function sharedGroups(
  alone: readonly Group[],
  mode: Mode,
  targets: PcaOperation['targets'],
  layers: readonly number[],
  { config }: Checkpoint,
): Group[] {
  const members = alone.flatMap((group) => group.members);
  return groupsOf(mode, targets, layers, config).map((group) => ({
    ...group,
    members: group.members.map((member) => members.find((one) => sameRows(one, member)) ?? member),
  }));
}

/** Σ ‖W − Ŵ‖² over the members of a shared group, before rounding. */
async function squaredErrorOf(
  decompositions: Decompositions,
  operation: PcaOperation,
  group: Group,
  { eigenvalues, meanSquares }: GroupSpectra['spectrum'],
  rank: number,
): Promise<number> {
  const { mean, balance } = operation;
  if (!balance) return (mean === 'drop' ? meanSquares : 0) + sumFromSmallest(eigenvalues.subarray(rank));
  // The spectrum is that of the balanced matrix, which says nothing about the error of the members.
  const rebuild = { group, rebuilding: { budget: { rank }, mean } };
  const { members } = await decompositions.rebuild(rebuild, preprocessing(operation));
  return members.reduce((sum, { squaredError }) => sum + squaredError, 0);
}

function sumFromSmallest(sorted: Float64Array): number {
  return sorted.reduceRight((sum, value) => sum + Math.max(value, 0), 0);
}

async function spectraOf(
  decompositions: Decompositions,
  operation: PcaOperation,
  groups: readonly Group[],
): Promise<GroupSpectra[]> {
  const spectra = await decompositions.spectra(groups, preprocessing(operation));
  return groups.map((group, i) => ({ group, spectrum: itemAt(spectra, i) }));
}

function shapeOf({ config }: Checkpoint, { projection, rows }: ProjectionRows): [number, number] {
  const [all, cols] = projectionShape(config, projection);
  return [rows ? rows[1] - rows[0] : all, cols];
}

function sameRows(a: ProjectionRows, b: ProjectionRows): boolean {
  return a.layer === b.layer && a.projection === b.projection && a.rows?.[0] === b.rows?.[0];
}
