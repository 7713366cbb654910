// The kind `quantise`: weights rounded to the nearest of a few evenly spaced values.
import { projections } from '../../checkpoint/names.ts';
import { rangesText } from '../../platform/option-values.ts';
import type { Finding, OperationKind } from '../kind.ts';
import { layersName, weightNames } from '../where.ts';
import type { QuantiseDetails, QuantiseReport } from './report.ts';
import { complete, type QuantiseOperation, type QuantiseSpec, quantiseFields } from './spec.ts';
import type { QuantisePlan } from './work.ts';

export const quantiseKind: OperationKind<
  QuantiseSpec,
  QuantiseOperation,
  QuantisePlan,
  QuantiseDetails,
  QuantiseReport
> = {
  name: 'quantise',
  summary: 'weights rounded to 2 to 8 bits, a scale for each row or group of inputs',
  fields: quantiseFields,
  complete,
  touches: weightNames,
  describe: (operation, layers) => {
    const { bits, group } = operation;
    const scales = group === 'row' ? 'a scale for each row' : `a scale for each ${group} inputs`;
    return [`rounded to ${bits} bits`, scales, ...whereWords(operation, layers).map((one) => `only ${one}`)].join(', ');
  },
  label: (operation, layers) =>
    [`${operation.bits} bits`, groupWords(operation), ...whereWords(operation, layers)].join(' '),
  series: (operation, layers) => ['rounded', groupWords(operation), ...whereWords(operation, layers)].join(' '),
  slug: (operation, layers) =>
    [`${operation.bits} bits`, groupWords(operation), ...whereWords(operation, layers)]
      .join(' ')
      .replaceAll(',', '_')
      .replaceAll(' ', '-'),
  stored: 'stored as integers with their scales',
  next,
  budgets: ['bits'],
  reportSchema: async () => (await import('./report.ts')).quantiseReport,
  load: async () => (await import('./work.ts')).quantiseWork,
};

const groupWords = ({ group }: QuantiseOperation) => (group === 'row' ? 'row' : `group ${group}`);

/** Names the projections and layers, if they are not all. */
function whereWords({ targets, layers: chosen }: QuantiseOperation, layers: number): string[] {
  return [
    ...(targets.length < projections.length ? [targets.join()] : []),
    ...(chosen.length < layers ? [layersName(chosen)] : []),
  ];
}

/** Suggests the layers that the model survives; else more bits after a severe loss, or fewer. */
function next(operation: QuantiseOperation, { isSevere, isSwept, sound }: Finding, layers: number): string {
  const { bits, group, targets, layers: chosen } = operation;
  const options = [
    ...(group === 32 ? [] : [`--group ${group}`]),
    ...(targets.length < projections.length ? [`--targets ${targets.join()}`] : []),
  ];
  const where = chosen.length < layers ? [`--layers ${rangesText(chosen)}`] : [];
  const kind = '--kind quantise';
  if (sound) return ['run', kind, `--bits ${bits}`, ...options, `--layers ${rangesText(sound)}`].join(' ');
  if (isSwept) return ['run', kind, `--bits ${bits}`, ...options, ...where].join(' ');
  const others = isSevere ? [8, 6, 5, 4, 3].filter((one) => one > bits) : [6, 5, 4, 3, 2].filter((one) => one < bits);
  const swept = [bits, ...others].sort((a, b) => b - a);
  return ['sweep', kind, `--bits ${swept.join()}`, ...options, ...where].join(' ');
}
