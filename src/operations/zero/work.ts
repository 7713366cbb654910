// The kind `zero` at work: columns of o and down, or all of them with their bias, and single weights become 0.
import { type Projection, projectionName, projections } from '../../checkpoint/names.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { hasBiasNow, rounded, weightsOf } from '../weights.ts';
import { clearColumns, cutFootprint, cutOf, cutsOf, isCut, type LayerCut } from './cuts.ts';
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
  footprint: ({ changed }) => cutFootprint(changed),
};

/** @throws SurgeryError `checkpoint` if a weight cannot be read */
async function apply({ cuts }: ZeroPlan, layer: number, context: OperationContext): Promise<Edit<ZeroDetails>> {
  const tensors = new Map<string, Float32Array>();
  const details: ZeroDetails[number][] = [];
  const cut = cuts.find((one) => one.layer === layer);
  for (const projection of projections) {
    const found = cut && cutOf(cut, projection);
    if (found) details.push(await clear(context, layer, projection, found, tensors));
  }
  return { tensors, details };
}

async function clear(
  context: OperationContext,
  layer: number,
  projection: Projection,
  { columns, weights }: NonNullable<ReturnType<typeof cutOf>>,
  tensors: Map<string, Float32Array>,
): Promise<ZeroDetails[number]> {
  const name = projectionName(layer, projection);
  const [rows = 0, cols = 0] = context.checkpoint.tensor(name).shape;
  const weight = await weightsOf(context, name);
  const isCleared = isCut(columns, cols);
  const { squaredNorm, ...cleared } = clearColumns(weight, isCleared);
  let { squaredError } = cleared;
  const others = weights.filter(({ column }) => isCleared[column] === 0);
  for (const { row, column } of others) {
    squaredError += (weight[row * cols + column] as number) ** 2;
    weight[row * cols + column] = 0;
  }
  tensors.set(name, rounded(context, name, weight));
  if (columns === 'all' && hasBiasNow(context, layer, projection)) {
    const bias = projectionName(layer, projection, 'bias');
    tensors.set(bias, new Float32Array(rows));
  }
  const zeroedColumns = isCleared.reduce((sum, one) => sum + one, 0);
  return {
    layer,
    projection,
    zeroedColumns,
    columns: cols,
    ...(others.length > 0 ? { zeroedWeights: others.length } : {}),
    parameters: { dense: rows * cols, reduced: rows * (cols - zeroedColumns) },
    squaredNorm,
    squaredError,
  };
}
