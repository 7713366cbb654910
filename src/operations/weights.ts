// A tensor as an operation finds it: as the checkpoint holds it, or as operations before it have left it.
import { roundTo } from '../checkpoint/dtypes.ts';
import { hasBias, type Projection, projectionName } from '../checkpoint/names.ts';
import type { OperationContext } from './kind.ts';

/** A copy of the values, row-major. @throws SurgeryError `checkpoint` if the file cannot be read */
export async function weightsOf({ checkpoint, edited }: OperationContext, name: string): Promise<Float32Array> {
  return edited.get(name)?.values.slice() ?? checkpoint.readOrZeros(name);
}

/** The values rounded to the dtype of the file. @throws SurgeryError `numeric` for values that do not fit it */
export function rounded({ checkpoint, dtype }: OperationContext, name: string, values: Float32Array): Float32Array {
  return roundTo(dtype ?? checkpoint.editedDtype(name), values, name);
}

/** Whether a projection has a bias, of the model or added by an operation before. */
export function hasBiasNow({ checkpoint, edited }: OperationContext, layer: number, projection: Projection): boolean {
  return hasBias(checkpoint.config, projection) || edited.has(projectionName(layer, projection, 'bias'));
}
