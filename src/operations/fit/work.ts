// The kind `fit` at work: directions from a layer's statistics in `digest`, weights rebuilt along them in `apply`.
import { activationOf } from '../../checkpoint/names.ts';
import { explainedBy, explainedRatios, rankForVariance } from '../../linalg/pca.ts';
import { type Matrix, multiply } from '../../linalg/products.ts';
import { randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { rowRange } from '../../linalg/rows.ts';
import { canonical } from '../../platform/canonical.ts';
import { entryOf, getOrMake, itemAt } from '../../platform/indexing.ts';
import type { ActivationStatistics, LayerStatistics } from '../../runtime/statistics.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { drawn } from '../pca/controls.ts';
import { decompositionsOf } from '../pca/decompositions.ts';
import { footprint } from '../pca/footprint.ts';
import { type Member, type RebuiltMember, rebuiltOf, stack } from '../pca/group-pca.ts';
import { type Group, groupsOf } from '../pca/grouping.ts';
import { type GroupReport, type LayerReport, reportOf } from '../pca/report.ts';
import { asEdited, place } from '../pca/work.ts';
import { type Fitted, fitsOf } from './fits.ts';
import { fitOutputs, lostOutputs, lostOwnOutputs, type Metric, type Rows, symmetricFactor } from './group-fit.ts';
import type { FitReport } from './report.ts';
import { budgetOf, type FitBudget, type FitOperation } from './spec.ts';

/** A layer's fits, by the groups' names. */
export type LayerFit = ReadonlyMap<string, Fitted>;

export interface FitPlan extends OperationPlan {
  readonly operation: FitOperation;
  readonly digests: ReadonlyMap<number, LayerFit>;
}

export type FitDetails = LayerReport;

export const fitWork: OperationWork<FitOperation, FitPlan, FitDetails, FitReport, LayerFit> = {
  digest,
  plan: async (operation, _, digests) => ({ layers: operation.layers, operation, digests }),
  apply,
  report: (_, layers) => ({ kind: 'fit', layers: [...layers] }),
  footprint: ({ layers }) => footprint(layers),
};

const groupsIn = ({ mode, targets }: FitOperation, layer: number, context: OperationContext): Group[] =>
  groupsOf(mode, targets, [layer], context.checkpoint.config).map((group) => asEdited(group, context));

/** @throws SurgeryError `numeric` for weights that are not finite */
async function digest(
  operation: FitOperation,
  statistics: LayerStatistics,
  context: OperationContext,
): Promise<LayerFit> {
  const factors = new Map<ActivationStatistics, Promise<Matrix>>();
  const fits = new Map<string, Fitted>();
  for (const group of groupsIn(operation, statistics.layer, context)) {
    const given = entryOf(statistics.activations, activationOf(itemAt(group.members, 0).projection));
    const factor = () => getOrMake(factors, given, () => symmetricFactor(secondMomentOf(given)));
    fits.set(group.name, await fittedOf(operation, group, context, { given, factor }));
  }
  return fits;
}

/** What a group reads on the calibration text, and a factor of its second moment. */
interface Inputs {
  readonly given: ActivationStatistics;
  readonly factor: () => Promise<Matrix>;
}

/** A group's fit. One to the original model's text is shared by all operations that differ only in what they keep. */
function fittedOf(operation: FitOperation, group: Group, context: OperationContext, inputs?: Inputs): Promise<Fitted> {
  const { objective, sequential, control } = operation;
  const { control: draw } = drawn(group, operation);
  const isRandom = draw?.kind === 'random-subspace';
  const isShared = !sequential && group.members.every(({ edited }) => !edited) && context.edited.size === 0;
  const key = canonical([group.layer, group.members, objective, control === 'other-layer' ? undefined : control, draw]);
  const fits = context.shared(fitsOf);
  return fits.fitted(isShared ? key : undefined, async () => {
    const members = await context.shared(decompositionsOf).members(group);
    const w = stack(members);
    const own = await fitOutputs(w, metricOf(operation, inputs, w.cols), inputs?.factor ?? noFactor);
    const directions = isRandom ? await randomDirections(own.directions, draw.seed) : own.directions;
    const isOwn = objective === 'outputs' && !isRandom;
    const rows = rowsOf(members);
    const lost = isOwn
      ? lostOwnOutputs(own, rows)
      : inputs && (await lostOutputs(w, secondMomentOf(inputs.given), directions, rows));
    return { eigenvalues: own.eigenvalues, lost, directions: await fits.put(directions) };
  });
}

function metricOf({ objective }: FitOperation, inputs: Inputs | undefined, cols: number): Metric {
  if (objective === 'weights' || !inputs) return { diagonal: new Float64Array(cols).fill(1) };
  return objective === 'outputs' ? { full: secondMomentOf(inputs.given) } : { diagonal: inputs.given.meanAbsolute };
}

function secondMomentOf({ secondMoment }: ActivationStatistics): Matrix {
  if (!secondMoment) throw new RangeError('the walk gave no second moment');
  return secondMoment;
}

const noFactor = () => {
  throw new RangeError('a diagonal metric needs no factor');
};

const randomDirections = ({ rows, cols }: Matrix, seed: number) => randomOrthonormal(rows, cols, seededRandom(seed));

/** Rows of each member in the stacked matrix. */
function rowsOf(members: readonly Member[]): Rows[] {
  let from = 0;
  return members.map(({ shape: [count] }) => {
    from += count;
    return [from - count, from];
  });
}

/** @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype */
async function apply(plan: FitPlan, layer: number, context: OperationContext): Promise<Edit<FitDetails>> {
  const { operation, digests } = plan;
  const tensors = new Map<string, Float32Array>();
  const groups: GroupReport[] = [];
  for (const group of groupsIn(operation, layer, context)) {
    const fitted = digests.get(layer)?.get(group.name) ?? (await fittedOf(operation, group, context));
    const { report, members } = await rebuilt(plan, group, fitted, context);
    for (const member of members) place(tensors, context.checkpoint, member);
    groups.push(report);
  }
  return { tensors, details: { layer, groups } };
}

async function rebuilt(
  { operation }: FitPlan,
  group: Group,
  { eigenvalues, lost, directions }: Fitted,
  context: OperationContext,
): Promise<{ readonly report: GroupReport; readonly members: readonly RebuiltMember[] }> {
  const members = await context.shared(decompositionsOf).members(group);
  const { rows, cols, data } = stack(members);
  const rank = rankOf(eigenvalues, budgetOf(operation), [rows, cols]);
  const kept = rowRange(await directions(), 0, rank);
  const along = await multiply(kept, { rows, cols, data: new Float32Array(data) });
  const projected = await multiply(kept, along, { transposeA: true });
  const placed = { mean: new Float64Array(cols), transposed: false };
  const made = rebuiltOf(members, projected, placed, { budget: { rank }, mean: 'drop', ...drawn(group, operation) });
  const ratio = explainedRatios(eigenvalues);
  const report = reportOf(
    group,
    {
      rank,
      of: ratio.length,
      explained: explainedBy(ratio, rank),
      explainedVarianceRatio: ratio,
      fromCache: false,
      members: made,
    },
    itemAt(group.members, 0).layer,
  );
  return { report: { ...report, ...outputErrors(group, lost, rank) }, members: made };
}

/** Relative errors of a group's outputs on the calibration text, by projection. */
function outputErrors({ members }: Group, lost: Fitted['lost'], rank: number): Pick<GroupReport, 'outputError'> {
  if (!lost) return {};
  return {
    outputError: Object.fromEntries(
      members.map(({ projection }, i) => {
        const energies = itemAt(lost, i);
        const all = itemAt(energies, 0);
        return [projection, all > 0 ? Math.sqrt(itemAt(energies, rank) / all) : 0];
      }),
    ),
  };
}

/** Directions to keep of a group of m outputs and n inputs. Factors of rank r have r (m + n) parameters. */
export function rankOf(
  eigenvalues: Float64Array,
  budget: FitBudget,
  [m, n]: readonly [outputs: number, inputs: number],
): number {
  if ('energy' in budget) return rankForVariance(explainedRatios(eigenvalues), budget.energy);
  const wanted = 'rank' in budget ? budget.rank : Math.floor((m * n * (1 - budget.ratio)) / (m + n));
  return Math.min(wanted, eigenvalues.length);
}
