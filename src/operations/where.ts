// Which layers and projections an operation edits.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Projection, projectionName, projections } from '../checkpoint/names.ts';
import { SurgeryError } from '../platform/errors.ts';
import { listOf, oneOf, ranges, rangesText } from '../platform/option-values.ts';
import type { Field } from './kind.ts';

export interface Where {
  readonly targets: readonly Projection[];
  readonly layers: readonly number[];
}

/** The field `layers` of every kind that has it. */
export const layersField: Field<readonly number[]> = {
  flags: '--layers <list>',
  help: 'layers to operate on, counted from 0, such as 0,5-9',
  default: 'all',
  parse: ranges('--layers'),
  several: 'repeat',
};

/** @param byDefault the kind's default, in words */
export const targetsField = (byDefault: string): Field<readonly Projection[]> => ({
  flags: '--targets <list>',
  help: `projections to operate on, of ${projections.join(',')}`,
  default: byDefault,
  parse: listOf(oneOf('--targets', projections)),
});

/** Names of the weights there. */
export const weightNames = ({ targets, layers }: Where): string[] =>
  layers.flatMap((layer) => targets.map((projection) => projectionName(layer, projection)));

/** "layer 2", "layers 0-3,7" */
export function layersName(chosen: readonly number[]): string {
  return `layer${chosen.length === 1 ? '' : 's'} ${rangesText(chosen)}`;
}

/** Defaults filled in (q, k and v of all layers), lists in order. @throws SurgeryError `usage` for a layer that there is not */
export function completeWhere(
  { targets = ['q', 'k', 'v'], layers }: Partial<Where>,
  config: Pick<LlamaConfig, 'layers'>,
): Where {
  return {
    targets: projections.filter((projection) => targets.includes(projection)),
    layers: layers ? ordered(layers, config) : Array.from({ length: config.layers }, (_, i) => i),
  };
}

/** Each layer once, in order. @throws SurgeryError `usage` for one that the model does not have */
export function ordered(layers: readonly number[], config: Pick<LlamaConfig, 'layers'>): number[] {
  for (const layer of layers) requireLayer(layer, config);
  return [...new Set(layers)].sort((a, b) => a - b);
}

/** @throws SurgeryError `usage` */
export function requireLayer(layer: number, config: Pick<LlamaConfig, 'layers'>): void {
  if (Number.isInteger(layer) && layer >= 0 && layer < config.layers) return;
  throw new SurgeryError('usage', `layer ${layer} is not there, this model's layers are 0 to ${config.layers - 1}`);
}
