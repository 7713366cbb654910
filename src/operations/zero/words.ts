// What is cut, in words: of the kinds that cut heads, neurons, attention, MLPs and blocks.
import { quoted } from '../../platform/command-line.ts';
import { rangesText } from '../../platform/option-values.ts';
import { type ZeroSpec, zeroFields } from './spec.ts';

/** An operation that cuts such units, of whatever kind. */
type Cut = Omit<ZeroSpec, 'kind'> & { readonly kind: string };

/** Suggests each unit by itself if several of one sort are cut; else a lens, to see where in the model predictions change. */
export function nextCut({ kind, ...cut }: Cut): string {
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
export function cutText({ heads, kvHeads, neurons, attention, mlp, blocks, weights }: Cut, separator: string): string {
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

/** For the name of a folder. */
export const cutSlug = (operation: Cut) =>
  `${operation.kind}-${cutText(operation, '-').replace(/[^\w.-]+/g, '-')}`.slice(0, 80).replace(/-$/, '');
