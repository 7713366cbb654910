// The kind `mean` at work: columns of o and down become 0, and their output on the mean input is added to the bias.
import { projectionName } from '../../checkpoint/names.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import type { LayerStatistics } from '../../runtime/statistics.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { hasBiasNow, rounded, weightsOf } from '../weights.ts';
import { type Columns, clearColumns, cutFootprint, cutsOf, isCut, type LayerCut } from '../zero/cuts.ts';
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
  footprint: ({ changed }) => cutFootprint(changed),
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
  for (const [i, value] of weight.entries()) {
    const [row, column] = [Math.floor(i / cols), i % cols];
    if (cut[column] === 1) added[row] = (added[row] as number) + value * (mean[column] as number);
  }
  const cleared = clearColumns(weight, cut);
  const before = await weightsOf(context, bias);
  tensors.set(name, rounded(context, name, weight));
  const after = Float32Array.from(added, (value, row) => value + itemAt(before, row));
  tensors.set(bias, rounded(context, bias, after));
  const replacedColumns = cut.reduce((sum, one) => sum + one, 0);
  return {
    layer,
    projection: reader,
    replacedColumns,
    columns: cols,
    parameters: {
      dense: rows * cols,
      reduced: rows * (cols - replacedColumns + (hasBiasNow(context, layer, reader) ? 0 : 1)),
    },
    ...cleared,
    meanNorm: Math.sqrt(added.reduce((sum, value) => sum + value * value, 0)),
  };
}
