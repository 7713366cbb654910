// Which layers and projections an operation is about.
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Projection } from '../checkpoint/names.ts';
import { SurgeryError } from '../platform/errors.ts';

export const projections = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const satisfies Projection[];

export interface Where {
  readonly targets: readonly Projection[];
  readonly layers: readonly number[];
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
