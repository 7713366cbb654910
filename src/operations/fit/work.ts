// The kind `fit` at work: directions from a layer's statistics in `digest`, weights rebuilt along them in `apply`.
import { activationOf, projectionShape } from '../../checkpoint/names.ts';
import { explainedRatios } from '../../linalg/pca.ts';
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
import { type Group, groupsOf, type Mode, type ProjectionRows } from '../pca/grouping.ts';
import { matchedRanks } from '../pca/ranks.ts';
import { type GroupReport, type LayerReport, reportOf } from '../pca/report.ts';
import type { MatchRule } from '../pca/spec.ts';
import { asEdited, place } from '../pca/work.ts';
import { type Fitted, fitsOf } from './fits.ts';
import { fitOutputs, lostAlong, lostOutputs, type Metric, type Rows, symmetricFactor } from './group-fit.ts';
import { type GroupEnergies, rankOf, spreadRanks } from './ranks.ts';
import type { FitReport } from './report.ts';
import { budgetOf, type FitOperation, type Objective, partOf } from './spec.ts';

/** A layer's fits by group name. */
export type LayerFit = ReadonlyMap<string, Fitted>;

export interface FitPlan extends OperationPlan {
  readonly operation: FitOperation;
  readonly digests: ReadonlyMap<number, LayerFit>;
  /** By layer and group name; undefined if each follows from its group alone. */
  readonly ranks: ReadonlyMap<string, number> | undefined;
}

export type FitDetails = LayerReport;

export const fitWork: OperationWork<FitOperation, FitPlan, FitDetails, FitReport, LayerFit> = {
  digest,
  plan,
  apply,
  report: (_, layers) => ({ kind: 'fit', layers: [...layers] }),
  footprint: ({ layers }) => footprint(layers),
};

/** @throws SurgeryError `numeric` for weights that are not finite, and for losses that no ranks can be allocated by */
async function plan(
  operation: FitOperation,
  context: OperationContext,
  digests: ReadonlyMap<number, LayerFit>,
): Promise<FitPlan> {
  const { layers, allocate, match } = operation;
  if (allocate === 'uniform' && !match) return { layers, operation, digests, ranks: undefined };
  const energies = async (mode: Mode): Promise<GroupEnergies[]> =>
    Promise.all(
      layers
        .flatMap((layer) => groupsIn({ ...operation, mode }, layer, context))
        .map(async (group) => ({
          group,
          eigenvalues: (await fitIn(digests, operation, group, context)).eigenvalues,
          shape: shapeOf(group, context),
        })),
    );
  const own = await energies(operation.mode);
  const ranks = match ? matchedTo(match.rule, await energies(match.of), operation, own) : spreadRanks(operation, own);
  return { layers, operation, digests, ranks: new Map(own.map(({ group }, i) => [keyOf(group), itemAt(ranks, i)])) };
}

const keyOf = ({ layer, name }: Group) => `${layer} ${name}`;

/** Ranks of the separate groups at the budget of the shared ones. */
function matchedTo(
  rule: MatchRule,
  shared: readonly GroupEnergies[],
  operation: FitOperation,
  alone: readonly GroupEnergies[],
): number[] {
  const ranks = spreadRanks(operation, shared);
  const found = new Map<string, number>();
  for (const [i, { group, eigenvalues }] of shared.entries()) {
    const rank = itemAt(ranks, i);
    const partners = group.members.map((member) => {
      const own = alone.find((one) => isSame(itemAt(one.group.members, 0), member));
      if (!own) throw new TypeError(`${group.name} has a member that is not alone`);
      return own;
    });
    const squaredError = eigenvalues.subarray(rank).reduceRight((sum, value) => sum + Math.max(value, 0), 0);
    const matched = { rank, squaredError, shapes: partners.map(({ shape }) => shape) };
    const own =
      partners.length === 1
        ? [rank]
        : matchedRanks(
            rule,
            matched,
            partners.map((one) => ({ ...one, meanSquares: 0 })),
            'keep',
          );
    for (const [j, one] of partners.entries()) found.set(keyOf(one.group), itemAt(own, j));
  }
  return alone.map(({ group }) => entryOf(found, keyOf(group)));
}

const isSame = (a: ProjectionRows, b: ProjectionRows) =>
  a.layer === b.layer && a.projection === b.projection && a.rows?.[0] === b.rows?.[0];

/** Shape of a group's stacked matrix. */
function shapeOf({ members }: Group, { checkpoint }: OperationContext): [outputs: number, inputs: number] {
  let [outputs, inputs] = [0, 0];
  for (const { projection, rows } of members) {
    const [all, cols] = projectionShape(checkpoint.config, projection);
    outputs += rows ? rows[1] - rows[0] : all;
    inputs = cols;
  }
  return [outputs, inputs];
}

const groupsIn = (
  { mode, targets }: Pick<FitOperation, 'mode' | 'targets'>,
  layer: number,
  context: OperationContext,
): Group[] => groupsOf(mode, targets, [layer], context.checkpoint.config).map((group) => asEdited(group, context));

/** @throws SurgeryError `numeric` for weights that are not finite */
async function digest(
  operation: FitOperation,
  statistics: LayerStatistics,
  context: OperationContext,
): Promise<LayerFit> {
  const factors = new Map<ActivationStatistics, Promise<Matrix>>();
  const fits = new Map<string, Fitted>();
  const { mode, targets, match } = operation;
  for (const group of [mode, ...(match ? [match.of] : [])].flatMap((one) =>
    groupsIn({ mode: one, targets }, statistics.layer, context),
  )) {
    const given = entryOf(statistics.activations, activationOf(itemAt(group.members, 0).projection));
    const factor = () => getOrMake(factors, given, () => symmetricFactor(secondMomentOf(given)));
    fits.set(group.name, await fittedOf(operation, group, context, { given, factor }));
  }
  return fits;
}

/** Statistics of a group's inputs on the calibration text, and a factor of their second moment. */
interface Inputs {
  readonly given: ActivationStatistics;
  readonly factor: () => Promise<Matrix>;
}

/** A group's fit. Operations that differ only in what they keep share one fit to the original model's activations. */
function fittedOf(
  { objective, sequential, control }: FitOperation,
  group: Group,
  context: OperationContext,
  inputs?: Inputs,
): Promise<Fitted> {
  const isShared = !sequential && context.edited.size === 0;
  const key = canonical([group.members, objective, partOf({ control })]);
  const fits = context.shared(fitsOf);
  return fits.fitted(isShared ? key : undefined, async () => {
    const members = await context.shared(decompositionsOf).members(group);
    const w = stack(members);
    const { eigenvalues, directions } = await fitOutputs(
      w,
      metricOf(objective, inputs, w.cols),
      inputs?.factor ?? noFactor,
    );
    const lost =
      objective === 'scaled' && inputs
        ? await lostOutputs(w, secondMomentOf(inputs.given), directions, rowsOf(members))
        : undefined;
    return { eigenvalues, lost, directions: await fits.put(directions) };
  });
}

/** A group's fit, from the text or, for plain SVD, from the weights. */
async function fitIn(
  digests: FitPlan['digests'],
  operation: FitOperation,
  group: Group,
  context: OperationContext,
): Promise<Fitted> {
  const { layer } = itemAt(group.members, 0);
  return digests.get(layer)?.get(group.name) ?? fittedOf(operation, group, context);
}

function metricOf(objective: Objective, inputs: Inputs | undefined, cols: number): Metric {
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
  const tensors = new Map<string, Float32Array>();
  const groups: GroupReport[] = [];
  for (const group of groupsIn(plan.operation, layer, context)) {
    const { report, members } = await rebuilt(plan, group, context);
    for (const member of members) place(tensors, context.checkpoint, member);
    groups.push(report);
  }
  return { tensors, details: { layer, groups } };
}

async function rebuilt(
  plan: FitPlan,
  group: Group,
  context: OperationContext,
): Promise<{ readonly report: GroupReport; readonly members: readonly RebuiltMember[] }> {
  const { operation, digests, ranks } = plan;
  const fitted = await fitIn(digests, operation, group, context);
  const { eigenvalues } = fitted;
  const members = await context.shared(decompositionsOf).members(group);
  const { rows, cols, data } = stack(members);
  const rank = ranks?.get(keyOf(group)) ?? rankOf({ eigenvalues, shape: [rows, cols] }, budgetOf(operation));
  const directions = await fitted.directions();
  const kept = await keptDirections(plan, group, directions, rank, context);
  const along = await multiply(kept, { rows, cols, data: new Float32Array(data) });
  const projected = await multiply(kept, along, { transposeA: true });
  const placed = { mean: new Float64Array(cols), transposed: false };
  const made = rebuiltOf(members, projected, placed, { budget: { rank }, mean: 'drop' });
  const energies = await lostAlong({ eigenvalues, directions }, kept, rowsOf(members));
  const [lost, all] = [sum(energies.map((one) => one.lost)), sum(energies.map((one) => one.all))];
  const ratio = explainedRatios(eigenvalues);
  const report = reportOf(
    group,
    {
      rank,
      of: ratio.length,
      explained: all > 0 ? 1 - lost / all : 1,
      explainedVarianceRatio: ratio,
      fromCache: false,
      members: made,
    },
    itemAt(group.members, 0).layer,
  );
  return { report: { ...report, ...outputErrors(operation, group, fitted, energies, rank) }, members: made };
}

/** Leading directions, or those of a control: random ones, or those of the next chosen layer's group. */
async function keptDirections(
  { operation, digests }: FitPlan,
  group: Group,
  own: Matrix<Float32Array>,
  rank: number,
  context: OperationContext,
): Promise<Matrix<Float32Array>> {
  const { control, layers } = operation;
  const random = drawn(group, operation).control;
  if (random) {
    const { rows, cols, data } = await randomOrthonormal(rank, own.cols, seededRandom(random.seed));
    return { rows, cols, data: new Float32Array(data) };
  }
  if (control !== 'other-layer') return rowRange(own, 0, rank);
  const next = itemAt(layers, (layers.indexOf(itemAt(group.members, 0).layer) + 1) % layers.length);
  const other = groupsIn(operation, next, context).find(({ name }) => name === group.name);
  if (!other) throw new TypeError(`layer ${next} has no ${group.name}`);
  return rowRange(await (await fitIn(digests, operation, other, context)).directions(), 0, rank);
}

/** Relative errors of a group's outputs on the calibration text, by projection, where they are known. */
function outputErrors(
  { objective, control }: FitOperation,
  { members }: Group,
  { lost }: Fitted,
  energies: readonly { readonly lost: number; readonly all: number }[],
  rank: number,
): Pick<GroupReport, 'outputError'> {
  const isKept = control === undefined || partOf({ control }) !== undefined;
  // A scaled fit knows the loss of its own directions only.
  if (objective === 'weights' || (objective === 'scaled' && !isKept)) return {};
  const errors = members.map(({ projection }, i) => {
    const curve = lost?.[i];
    const [left, all] = curve
      ? [itemAt(curve, rank), itemAt(curve, 0)]
      : [itemAt(energies, i).lost, itemAt(energies, i).all];
    return [projection, all > 0 ? Math.sqrt(left / all) : 0] as const;
  });
  return { outputError: Object.fromEntries(errors) };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
