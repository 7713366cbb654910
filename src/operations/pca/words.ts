// A PCA in words: a line for a report, a name for a table, a name for a folder.
import { rangesText } from '../../platform/option-values.ts';
import { projections } from '../where.ts';
import type { GroupReport, LayerReport } from './report.ts';
import type { PcaOperation } from './spec.ts';

/** What is as by default is left out. @param layers of the model */
export function describe(operation: PcaOperation, layers: number): string {
  const { mode, mean, center, balance, targets, layers: chosen, allocate, match, control } = operation;
  return words(', ', [
    mode,
    match && `matched to ${match.of} in ${match.rule}`,
    keptText(operation),
    mean === 'keep' ? 'mean kept' : 'mean dropped',
    !center && 'not centred',
    balance && 'balanced',
    targets.join() !== 'q,k,v' && `only ${targets.join(', ')}`,
    chosen.length < layers && `only layers ${rangesText(chosen)}`,
    allocate === 'global' && 'ranks spread over the layers',
    control && `control ${control}`,
  ]);
}

export function label(
  { mean, layers: chosen, match, allocate, mode, variance, rank }: PcaOperation,
  layers: number,
): string {
  return words(' ', [
    mode,
    rank === undefined ? String(variance) : `rank ${rank}`,
    match && `= ${match.rule === 'parameters' ? 'size' : match.rule}`,
    mean === 'drop' && 'drop',
    allocate === 'global' && 'global',
    chosen.length < layers && `layers ${rangesText(chosen)}`,
  ]);
}

/** What is as by default is left out. @param layers of the model */
export function slug(operation: PcaOperation, layers: number): string {
  const { mode, variance, rank, mean, center, balance, targets, layers: chosen, allocate, match, control } = operation;
  return words('-', [
    mode,
    rank === undefined ? String(variance) : `rank-${rank}`,
    match && `equal-${match.rule}`,
    mean === 'drop' && 'drop',
    !center && 'uncentred',
    balance && 'balanced',
    targets.join() !== 'q,k,v' && targets.join('-'),
    chosen.length < layers && `layers-${rangesText(chosen).replaceAll(',', '_')}`,
    allocate === 'global' && 'global',
    control,
  ]);
}

/** "variance 0.3" or "rank 64". */
export function keptText({ variance, rank }: Pick<PcaOperation, 'variance' | 'rank'>): string {
  return rank === undefined ? `variance ${variance}` : `rank ${rank}`;
}

/** The groups whose components a width counts: those that hold k or v, all where none does. */
export function groupsOfWidth({ groups }: LayerReport): readonly GroupReport[] {
  const holdsKv = ({ relativeError }: GroupReport) => 'k' in relativeError || 'v' in relativeError;
  return groups.some(holdsKv) ? groups.filter(holdsKv) : groups;
}

/** What the width of these layers counts: "components of k and v per layer". */
export function widthText(layers: readonly LayerReport[]): string {
  const counted = layers.flatMap((layer) => groupsOfWidth(layer).flatMap((group) => Object.keys(group.relativeError)));
  const names = projections.filter((projection) => counted.includes(projection));
  return `components of ${names.join(', ').replace(/, (\w+)$/, ' and $1')} per layer`;
}

function words(separator: string, parts: readonly (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(separator);
}
