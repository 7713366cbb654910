// The kind `mean` at work: columns of o and down become 0, and their output on the mean input is added to the bias.
import { roundTo } from '../../checkpoint/dtypes.ts';
import { projectionName } from '../../checkpoint/names.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import type { LayerStatistics } from '../../runtime/statistics.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { rounded, weightsOf } from '../weights.ts';
import { type Columns, cutsOf, isCut, type LayerCut } from '../zero/cuts.ts';
import type { MeanDetails, MeanReport } from './report.ts';
import type { MeanOperation } from './spec.ts';

/** The projections whose inputs are heads and neurons. */
const readers = ['o', 'down'] as const;
type Reader = (typeof readers)[number];

/** A layer's mean inputs of o and down, over all positions of the calibration text except each document's first. */
export type Means = ReadonlyMap<Reader, Float64Array>;

export interface MeanPlan extends OperationPlan {
  readonly cuts: readonly LayerCut[];
  readonly means: ReadonlyMap<number, Means>;
}

export const meanWork: OperationWork<MeanOperation, MeanPlan, MeanDetails, MeanReport, Means> = {
  digest: async (_, { activations }: LayerStatistics) =>
    new Map(
      readers.flatMap((reader) => {
        const found = activations.get(reader);
        return found ? [[reader, found.mean] as const] : [];
      }),
    ),
  plan: async (operation, { checkpoint }, means) => {
    const cuts = cutsOf(operation, checkpoint.config);
    return { layers: cuts.map(({ layer }) => layer), cuts, means };
  },
  apply,
  report: (_, details) => ({ kind: 'mean', changed: details.flat() }),
  footprint: ({ changed }) => {
    const sum = (of: (one: MeanDetails[number]) => number) => changed.reduce((total, one) => total + of(one), 0);
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

/** @throws SurgeryError `checkpoint` if a weight cannot be read, `numeric` for a mean that does not fit the dtype */
async function apply({ cuts, means }: MeanPlan, layer: number, context: OperationContext): Promise<Edit<MeanDetails>> {
  const tensors = new Map<string, Float32Array>();
  const details: MeanDetails[number][] = [];
  const cut = cuts.find((one) => one.layer === layer);
  for (const reader of readers) {
    const columns = cut?.[reader];
    if (columns)
      details.push(await replace(context, layer, reader, columns, entryOf(entryOf(means, layer), reader), tensors));
  }
  return { tensors, details };
}

/** W' = W without the cut columns, b' = b + W[:, cut] · mean[cut], summed in float64. */
async function replace(
  context: OperationContext,
  layer: number,
  reader: Reader,
  columns: Columns,
  mean: Float64Array,
  tensors: Map<string, Float32Array>,
): Promise<MeanDetails[number]> {
  const name = projectionName(layer, reader);
  const bias = projectionName(layer, reader, 'bias');
  const [rows = 0, cols = 0] = context.checkpoint.tensor(name).shape;
  const weight = await weightsOf(context, name);
  const cut = isCut(columns, cols);
  const added = new Float64Array(rows);
  let [squaredNorm, squaredError] = [0, 0];
  for (const [i, value] of weight.entries()) {
    squaredNorm += value * value;
    const column = i % cols;
    if (cut[column] === 0) continue;
    squaredError += value * value;
    const row = Math.floor(i / cols);
    added[row] = (added[row] as number) + value * (mean[column] as number);
    weight[i] = 0;
  }
  const hadBias = context.checkpoint.tensors.has(bias) || context.edited.has(bias);
  const before = hadBias ? await weightsOf(context, bias) : new Float32Array(rows);
  const dtype = context.dtype ?? context.checkpoint.weightDtype(name);
  tensors.set(name, rounded(context, name, weight));
  tensors.set(
    bias,
    roundTo(
      dtype,
      Float32Array.from(added, (value, row) => value + itemAt(before, row)),
      bias,
    ),
  );
  const replacedColumns = cut.reduce((sum, one) => sum + one, 0);
  return {
    layer,
    projection: reader,
    replacedColumns,
    columns: cols,
    parameters: { dense: rows * cols, reduced: rows * (cols - replacedColumns + (hadBias ? 0 : 1)) },
    squaredNorm,
    squaredError,
    meanNorm: Math.sqrt(added.reduce((sum, value) => sum + value * value, 0)),
  };
}
