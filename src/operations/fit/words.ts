// A fit in words: a line for a report, a name for a table, a name for a folder.
import { rangesText } from '../../platform/option-values.ts';
import type { Finding } from '../kind.ts';
import { layersName } from '../where.ts';
import { budgetOf, type FitOperation } from './spec.ts';

/** Parameters at their defaults are left out. @param layers of the model */
export function describe(operation: FitOperation, layers: number): string {
  const { objective, mode, targets, layers: chosen, sequential, allocate, match, control } = operation;
  return words(', ', [
    objective === 'weights' ? 'plain SVD' : `fitted to ${objective === 'outputs' ? 'outputs' : 'scaled weights'}`,
    mode,
    match && `matched to ${match.of} in ${match.rule}`,
    keptText(operation),
    targets.join() !== 'q,k,v' && `only ${targets.join(', ')}`,
    chosen.length < layers && `only ${layersName(chosen)}`,
    sequential && 'layer by layer on the operated model',
    allocate !== 'uniform' && `ranks spread by ${allocate}`,
    control && `control ${control}`,
  ]);
}

const names = { outputs: 'fit', scaled: 'scaled fit', weights: 'svd' } as const;

export function label(operation: FitOperation, layers: number): string {
  const { objective, mode, layers: chosen, sequential, allocate, match } = operation;
  return words(' ', [
    names[objective],
    mode,
    keptText(operation),
    match && `= ${match.rule}`,
    sequential && 'sequential',
    allocate !== 'uniform' && allocate,
    chosen.length < layers && layersName(chosen),
  ]);
}

/** The operation without its budget. @param layers of the model */
export function series(
  { objective, mode, layers: chosen, sequential, allocate, match }: FitOperation,
  layers: number,
): string {
  return words(', ', [
    `${names[objective]} ${mode}`,
    match && `at equal ${match.rule} to ${match.of}`,
    sequential && 'sequential',
    allocate !== 'uniform' && allocate,
    chosen.length < layers && layersName(chosen),
  ]);
}

/** Parameters at their defaults are left out. @param layers of the model */
export function slug(operation: FitOperation, layers: number): string {
  const { objective, mode, targets, layers: chosen, sequential, allocate, match, control } = operation;
  return words('-', [
    'fit',
    objective !== 'outputs' && objective,
    mode,
    keptText(operation).replace(' ', '-'),
    match && `equal-${match.rule}`,
    targets.join() !== 'q,k,v' && targets.join('-'),
    chosen.length < layers && `layers-${rangesText(chosen).replaceAll(',', '_')}`,
    sequential && 'sequential',
    allocate !== 'uniform' && allocate,
    control,
  ]);
}

/** Suggests the layers that the model survives; else milder budgets after a severe loss, or harder ones. */
export function next(operation: FitOperation, { isSevere, sound }: Finding, layers: number): string {
  const { objective, mode, targets, layers: chosen, sequential, allocate } = operation;
  const budget = budgetOf(operation);
  const kept = keptText(operation).split(' ');
  const same = words(' ', [
    objective !== 'outputs' && `--objective ${objective}`,
    mode !== 'shared-kv' && `--mode ${mode}`,
    targets.join() !== 'q,k,v' && `--targets ${targets.join()}`,
    sequential && '--sequential',
    allocate !== 'uniform' && `--allocate ${allocate}`,
  ]);
  const layersText = chosen.length < layers ? `--layers ${rangesText(chosen)}` : '';
  if (sound) return words(' ', ['run fit', `--${kept.join(' ')}`, same, `--layers ${rangesText(sound)}`]);
  const factors = isSevere ? [1 / 4, 1 / 2] : [1, 1.5, 2];
  const others =
    'rank' in budget
      ? factors.map((factor) => Math.ceil(budget.rank / factor))
      : 'energy' in budget
        ? factors.map((factor) => short(1 - (1 - budget.energy) * factor)).filter((one) => one > 0)
        : factors.map((factor) => short(budget.ratio * factor)).filter((one) => one < 1);
  return words(' ', ['sweep fit', `--${kept[0]} ${[...new Set(others)].join()}`, same, layersText]);
}

const short = (value: number) => Number(value.toPrecision(3));

/** "ratio 0.2", "rank 64" or "energy 0.9". */
function keptText({ ratio, rank, energy }: Pick<FitOperation, 'ratio' | 'rank' | 'energy'>): string {
  if (rank !== undefined) return `rank ${rank}`;
  return energy === undefined ? `ratio ${ratio}` : `energy ${energy}`;
}

function words(between: string, parts: readonly (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(between);
}
