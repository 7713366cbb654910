// The kind `zero`: heads, neurons, attention, MLPs or whole blocks cut out, by zeros where their output is read.
import { hasBias, projectionName } from '../../checkpoint/names.ts';
import { quoted } from '../../platform/command-line.ts';
import { rangesText } from '../../platform/option-values.ts';
import type { OperationKind } from '../kind.ts';
import { projections } from '../where.ts';
import { cutOf, cutsOf } from './cuts.ts';
import type { ZeroDetails, ZeroReport } from './report.ts';
import { complete, type ZeroOperation, type ZeroSpec, zeroFields } from './spec.ts';
import { unitsOfModel } from './units.ts';
import type { ZeroPlan } from './work.ts';

export const zeroKind: OperationKind<ZeroSpec, ZeroOperation, ZeroPlan, ZeroDetails, ZeroReport> = {
  name: 'zero',
  summary: 'zero ablation: heads, neurons, attention, MLPs, blocks or single weights add nothing',
  fields: zeroFields,
  complete,
  touches: (operation, config) =>
    cutsOf(operation, config).flatMap((cut) =>
      projections.flatMap((projection) => {
        const found = cutOf(cut, projection);
        if (!found) return [];
        const bias = found.columns === 'all' && hasBias(config, projection);
        const name = projectionName(cut.layer, projection);
        return bias ? [name, projectionName(cut.layer, projection, 'bias')] : [name];
      }),
    ),
  describe: (operation) => `zeroed: ${cutText(operation, ', ')}`,
  label: (operation) => `zero ${cutText(operation, ' ')}`,
  slug: (operation) => `zero-${cutText(operation, '-').replace(/[^\w.-]+/g, '-')}`.slice(0, 80).replace(/-$/, ''),
  stored: 'without the zeroed columns',
  next,
  units: unitsOfModel,
  reportSchema: async () => (await import('./report.ts')).zeroReport,
  load: async () => (await import('./work.ts')).zeroWork,
};

/** Each unit by itself where several of one sort are cut; else where in the model a prediction changes. */
function next({ kind, ...cut }: ZeroOperation): string {
  const chosen = Object.entries(cut).map(([key, units]) => {
    const { flags = '' } = zeroFields[key as keyof typeof zeroFields];
    return { option: flags.split(' ')[0], units: units as readonly (string | number)[] };
  });
  const [first] = chosen;
  const isSweep = first && chosen.length === 1 && first.units.length > 1 && first.units.length <= 8;
  const words = isSweep
    ? first.units.map((unit) => `${first.option} ${quoted(String(unit))}`)
    : chosen.map(({ option, units }) => `${option} ${quoted(units.join())}`);
  return `${isSweep ? 'sweep' : 'lens'} --kind ${kind} ${words.join(' ')}`;
}

/** "heads 2.5,0.0, MLP 1" */
function cutText(
  { heads, kvHeads, neurons, attention, mlp, blocks, weights }: ZeroOperation,
  separator: string,
): string {
  return [
    heads && `heads ${heads.join()}`,
    kvHeads && `KV heads ${kvHeads.join()}`,
    neurons && `neurons ${neurons.join()}`,
    attention && `attention ${rangesText(attention)}`,
    mlp && `MLP ${rangesText(mlp)}`,
    blocks && `blocks ${rangesText(blocks)}`,
    weights && `weights ${weights.join()}`,
  ]
    .filter(Boolean)
    .join(separator);
}
