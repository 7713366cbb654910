// A PCA in words: a line for a report, a name for a table, a name for a folder.
import { projections } from '../../checkpoint/names.ts';
import { rangesText } from '../../platform/option-values.ts';
import type { Finding } from '../kind.ts';
import { layersName } from '../where.ts';
import type { GroupReport, LayerReport } from './report.ts';
import type { PcaOperation } from './spec.ts';

/** Parameters at their defaults are left out. @param layers of the model */
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
    chosen.length < layers && `only ${layersName(chosen)}`,
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
    match && `= ${match.rule}`,
    mean === 'drop' && 'drop',
    allocate === 'global' && 'global',
    chosen.length < layers && layersName(chosen),
  ]);
}

/** The operation without its budget. @param layers of the model */
export function series({ mode, mean, match, layers: chosen, allocate }: PcaOperation, layers: number): string {
  return words(', ', [
    mode,
    match && `at equal ${match.rule} to ${match.of}`,
    mean === 'drop' && 'mean dropped',
    allocate === 'global' && 'spread over the layers',
    chosen.length < layers && layersName(chosen),
  ]);
}

/** Parameters at their defaults are left out. @param layers of the model */
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

/** Thresholds of the sweeps that {@link next} names, most kept first. */
const thresholds = [0.999, 0.995, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.2, 0.1];

/** Suggests the layers that the model survives; after a sweep, its parts; else milder budgets after a severe loss, or harder ones. */
export function next(operation: PcaOperation, { isSevere, isSwept, sound }: Finding, layers: number): string {
  const { variance = 1, rank } = operation;
  const rest = restText(operation, layers);
  const parts = `sensitivity ${optionsText(operation)}${layersText(operation, layers)} --by both`;
  if (sound) return `run ${optionsText(operation)} --layers ${rangesText(sound)}`;
  if (isSwept) return parts;
  if (rank !== undefined) {
    const ranks = isSevere ? [4 * rank, 2 * rank] : [rank, rank / 2, rank / 4].map(Math.ceil);
    return `sweep --mode ${operation.mode} --rank ${[...new Set(ranks)].filter((one) => one > 0).join()} --controls${rest}`;
  }
  const milder = thresholds.filter((one) => one > variance).slice(-3);
  // Two modes are the sweep's default.
  const mode = ['shared-kv', 'separate'].includes(operation.mode) ? '' : ` --mode ${operation.mode}`;
  if (isSevere) return milder.length > 0 ? `sweep${mode} --variance ${milder.join()}${rest}` : parts;
  const harder = thresholds.filter((one) => one < variance).slice(0, 2);
  return `sweep${mode} --variance ${[variance, ...harder].join()} --controls${rest}`;
}

/** The options that make the operation, layers apart. */
function optionsText(operation: PcaOperation): string {
  const { mode, variance, rank } = operation;
  const kept = rank === undefined ? `--variance ${variance}` : `--rank ${rank}`;
  return `${words(' ', [mode !== 'shared-kv' && `--mode ${mode}`, kept])}${fitText(operation)}`;
}

/** The options of a sweep of it: all but the mode and what is kept. */
const restText = (operation: PcaOperation, layers: number) => `${fitText(operation)}${layersText(operation, layers)}`;

function fitText({ mean, center, balance, targets, allocate }: PcaOperation): string {
  const options = words(' ', [
    mean === 'drop' && '--mean drop',
    !center && '--center off',
    balance && '--balance',
    targets.join() !== 'q,k,v' && `--targets ${targets.join()}`,
    allocate === 'global' && '--allocate global',
  ]);
  return options && ` ${options}`;
}

function layersText({ layers: chosen }: PcaOperation, layers: number): string {
  return chosen.length < layers ? ` --layers ${rangesText(chosen)}` : '';
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
