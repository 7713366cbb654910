// The parameters of the kind `mean`: the units of `zero`, apart from single weights.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { SurgeryError } from '../../platform/errors.ts';
import type { Fields } from '../kind.ts';
import { completeUnits, type UnitLists, zeroFields } from '../zero/spec.ts';

/** At least one list. */
export interface MeanSpec extends UnitLists {
  readonly kind: 'mean';
}

/** A mean ablation with at least one list, each sorted. */
export type MeanOperation = MeanSpec;

const { weights: _, ...unitFields } = zeroFields;

export const meanFields: Fields<MeanSpec> = unitFields;

/** @throws SurgeryError `usage` for nothing to cut, and for layers, heads and neurons that the model does not have */
export function complete(spec: MeanSpec, config: LlamaConfig): MeanOperation {
  const chosen: MeanOperation = { kind: 'mean', ...completeUnits(spec, config) };
  if (Object.keys(chosen).length > 1) return chosen;
  throw new SurgeryError(
    'usage',
    'mean names nothing to cut: give --heads, --kv-heads, --neurons, --attention, --mlp or --blocks',
  );
}
