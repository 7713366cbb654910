// The kind `zero` at work: columns of o and down, or all of them with their bias, become 0.
import { hasBias, type Projection, projectionName } from '../../checkpoint/names.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { rounded, weightsOf } from '../weights.ts';
import { type Columns, cutsOf, type LayerCut } from './cuts.ts';
import type { ZeroDetails, ZeroReport } from './report.ts';
import type { ZeroOperation } from './spec.ts';

export interface ZeroPlan extends OperationPlan {
  readonly cuts: readonly LayerCut[];
}

export const zeroWork: OperationWork<ZeroOperation, ZeroPlan, ZeroDetails, ZeroReport> = {
  plan: async (operation, { checkpoint }) => {
    const cuts = cutsOf(operation, checkpoint.config);
    return { layers: cuts.map(({ layer }) => layer), cuts };
  },
  apply,
  report: (_, details) => ({ kind: 'zero', changed: details.flat() }),
  footprint: ({ changed }) => {
    const sum = (of: (one: ZeroDetails[number]) => number) => changed.reduce((total, one) => total + of(one), 0);
    return {
      parameters: { dense: sum((one) => one.parameters.dense), reduced: sum((one) => one.parameters.reduced) },
      squaredNorm: sum((one) => one.squaredNorm),
      relativeError: Math.sqrt(sum((one) => one.squaredError) / (sum((one) => one.squaredNorm) || 1)),
      relativeErrorKv: null,
      rank: null,
      width: null,
    };
  },
};

/** @throws SurgeryError `checkpoint` if a weight cannot be read */
async function apply({ cuts }: ZeroPlan, layer: number, context: OperationContext): Promise<Edit<ZeroDetails>> {
  const tensors = new Map<string, Float32Array>();
  const details: ZeroDetails[number][] = [];
  const cut = cuts.find((one) => one.layer === layer);
  for (const projection of ['o', 'down'] as const) {
    const columns = cut?.[projection];
    if (!columns) continue;
    details.push(await clear(context, layer, projection, columns, tensors));
  }
  return { tensors, details };
}

async function clear(
  context: OperationContext,
  layer: number,
  projection: 'o' | 'down',
  columns: Columns,
  tensors: Map<string, Float32Array>,
): Promise<ZeroDetails[number]> {
  const name = projectionName(layer, projection);
  const [rows = 0, cols = 0] = context.checkpoint.tensor(name).shape;
  const weight = await weightsOf(context, name);
  const isCleared = new Uint8Array(cols);
  for (const [from, to] of columns === 'all' ? [[0, cols] as const] : columns) isCleared.fill(1, from, to);
  let [squaredNorm, squaredError] = [0, 0];
  for (const [i, value] of weight.entries()) {
    squaredNorm += value * value;
    if (isCleared[i % cols] === 0) continue;
    squaredError += value * value;
    weight[i] = 0;
  }
  tensors.set(name, rounded(context, name, weight));
  if (columns === 'all' && hasBias(context.checkpoint.config, projection)) {
    const bias = projectionName(layer, projection satisfies Projection, 'bias');
    tensors.set(bias, new Float32Array(rows));
  }
  const zeroedColumns = isCleared.reduce((sum, one) => sum + one, 0);
  return {
    layer,
    projection,
    zeroedColumns,
    columns: cols,
    parameters: { dense: rows * cols, reduced: rows * (cols - zeroedColumns) },
    squaredNorm,
    squaredError,
  };
}
