// The kind `quantise` at work: each weight becomes a small integer times the scale of its row or group.
import { projectionName } from '../../checkpoint/names.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { rounded, weightsOf } from '../weights.ts';
import type { QuantiseDetails, QuantiseReport } from './report.ts';
import type { QuantiseOperation, ScaleGroup } from './spec.ts';

export interface QuantisePlan extends OperationPlan {
  readonly operation: QuantiseOperation;
}

/** A scale is a float32. */
const bytesOfScale = 4;

export const quantiseWork: OperationWork<QuantiseOperation, QuantisePlan, QuantiseDetails, QuantiseReport> = {
  plan: async (operation) => ({ layers: operation.layers, operation }),
  apply,
  report: ({ bits }, details) => ({ kind: 'quantise', bits, changed: details.flat() }),
  footprint: ({ bits, changed }) => {
    const sum = (of: (one: QuantiseDetails[number]) => number) => changed.reduce((total, one) => total + of(one), 0);
    const ofKv = changed.filter(({ projection }) => projection === 'k' || projection === 'v');
    const weights = sum((one) => one.weights);
    return {
      parameters: { dense: weights, reduced: weights },
      storedBytes: sum((one) => storedBytes(one, bits)),
      squaredNorm: sum((one) => one.squaredNorm),
      relativeError: errorOver(changed),
      relativeErrorKv: ofKv.length > 0 ? errorOver(ofKv) : null,
      rank: null,
      width: null,
    };
  },
};

/** Bytes of a matrix of integers, filled to a whole byte at its end, and of its scales. */
function storedBytes({ weights, scales }: { readonly weights: number; readonly scales: number }, bits: number): number {
  return Math.ceil((weights * bits) / 8) + scales * bytesOfScale;
}

function errorOver(changed: QuantiseDetails): number {
  const norm = changed.reduce((sum, { squaredNorm }) => sum + squaredNorm, 0);
  return norm > 0 ? Math.sqrt(changed.reduce((sum, { squaredError }) => sum + squaredError, 0) / norm) : 0;
}

/** @throws SurgeryError `checkpoint` if a weight cannot be read, `numeric` for values that do not fit the dtype */
async function apply(
  { operation: { bits, group, targets } }: QuantisePlan,
  layer: number,
  context: OperationContext,
): Promise<Edit<QuantiseDetails>> {
  const tensors = new Map<string, Float32Array>();
  const details: QuantiseDetails[number][] = [];
  for (const projection of targets) {
    const name = projectionName(layer, projection);
    const weight = await weightsOf(context, name);
    const [rows = 0] = context.checkpoint.tensor(name).shape;
    const found = roundToBits(weight, rows, bits, group);
    tensors.set(name, rounded(context, name, weight));
    details.push({ layer, projection, weights: weight.length, ...found });
  }
  return { tensors, details };
}

/** Adding and subtracting it rounds a smaller float64 to a whole number, halves to even. */
const toWhole = 1.5 * 2 ** 52;

/**
 * Round to nearest, symmetric, in place: the scale of a row or a group is its largest magnitude / (2^(bits − 1) − 1), and a
 * weight becomes the nearest multiple of it, halves to even. The last group of a row may be narrower.
 * @param weight (rows, inputs), row-major
 * @returns the number of scales, ‖W‖² and ‖Ŵ − W‖²
 */
export function roundToBits(
  weight: Float32Array,
  rows: number,
  bits: number,
  group: ScaleGroup,
): Pick<QuantiseDetails[number], 'scales' | 'squaredNorm' | 'squaredError'> {
  const inputs = rows > 0 ? weight.length / rows : 0;
  const width = group === 'row' ? inputs : group;
  const levels = 2 ** (bits - 1) - 1;
  let [scales, squaredNorm, squaredError] = [0, 0, 0];
  for (let row = 0; row < rows; row++)
    for (let from = 0; from < inputs; from += width) {
      const some = weight.subarray(row * inputs + from, row * inputs + Math.min(from + width, inputs));
      let largest = 0;
      for (const value of some) largest = Math.max(largest, Math.abs(value));
      const scale = largest / levels;
      scales++;
      if (scale === 0) continue;
      const stored = Math.fround(scale);
      for (let i = 0; i < some.length; i++) {
        const value = some[i] as number;
        const near = (value / scale + toWhole - toWhole) * stored;
        some[i] = near;
        squaredNorm += value * value;
        squaredError += (near - value) ** 2;
      }
    }
  return { scales, squaredNorm, squaredError };
}
