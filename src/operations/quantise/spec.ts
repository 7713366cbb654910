// The parameters of the kind `quantise`: bits, what shares a scale, and which weights.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Projection, projectionShape, projections } from '../../checkpoint/names.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { NotAllowed, whole } from '../../platform/option-values.ts';
import type { Fields } from '../kind.ts';
import { completeWhere, layersField, targetsField } from '../where.ts';

/** Inputs of a row that share a scale, one after the other; `row`: all of them. */
export type ScaleGroup = number | 'row';

export interface QuantiseSpec {
  readonly kind: 'quantise';
  /** Bits per weight, 2 to 8. Default: 4. */
  readonly bits?: number;
  /** Default: 32. */
  readonly group?: ScaleGroup;
  /** Default: all seven projections. */
  readonly targets?: readonly Projection[];
  /** Default: all. */
  readonly layers?: readonly number[];
}

export type QuantiseOperation = Required<QuantiseSpec>;

const [fewest, most] = [2, 8];
const leastGroup = 2;

export const quantiseFields: Fields<QuantiseSpec> = {
  bits: {
    flags: '--bits <n>',
    help: `bits of a weight, ${fewest} to ${most}`,
    default: '4',
    parse: whole('--bits', fewest, most),
    several: 'commas',
  },
  group: {
    flags: '--group <n>',
    help: 'inputs that share a scale, such as 32, 64 or 128, or row: one scale for each row',
    default: '32',
    parse: scaleGroup,
    several: 'commas',
  },
  targets: targetsField('all'),
  layers: layersField,
};

function scaleGroup(text: string): ScaleGroup {
  const size = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (text === 'row' || size >= leastGroup) return text === 'row' ? text : size;
  throw new NotAllowed('--group', text, `row, or a whole number from ${leastGroup} such as 32`);
}

/**
 * A group as wide as every row is `row`.
 * @throws SurgeryError `usage` for bits and groups out of range, and for a layer that there is not
 */
export function complete({ bits = 4, group = 32, ...where }: QuantiseSpec, config: LlamaConfig): QuantiseOperation {
  if (!(Number.isInteger(bits) && bits >= fewest && bits <= most))
    throw new SurgeryError('usage', `bits is ${bits}, allowed: a whole number from ${fewest} to ${most}`);
  if (group !== 'row' && !(Number.isInteger(group) && group >= leastGroup))
    throw new SurgeryError('usage', `group is ${group}, allowed: row, or a whole number from ${leastGroup}`);
  const { targets, layers } = completeWhere({ ...where, targets: where.targets ?? projections }, config);
  const widest = Math.max(...targets.map((projection) => projectionShape(config, projection)[1]));
  return { kind: 'quantise', bits, group: group !== 'row' && group >= widest ? 'row' : group, targets, layers };
}
