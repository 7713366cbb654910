// PCA of projections' weights: groups and ranks in `plan`, rebuilt weights layer by layer in `apply`.
import { projectionName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { Edit, OperationContext, OperationPlan, OperationWork } from '../kind.ts';
import { budgetsOf, preprocessing } from './budgets.ts';
import { drawn, withOtherLayers } from './controls.ts';
import { curveOf, type SpectrumCurve } from './curves.ts';
import { type Decompositions, decompositionsOf, type Preprocessing, type Rebuild } from './decompositions.ts';
import { footprint } from './footprint.ts';
import type { RebuiltGroup } from './group-pca.ts';
import { type Group, groupsOf } from './grouping.ts';
import { type LayerReport, type PcaReport, reportOf } from './report.ts';
import type { PcaOperation } from './spec.ts';

/** What is rebuilt, at which ranks. */
export interface PcaPlan extends OperationPlan {
  readonly rebuilds: readonly Rebuild[];
  readonly how: Preprocessing;
  readonly decompositions: Decompositions;
  /** Groups over several layers that have been rebuilt for one of them, and how many others still need them. */
  readonly shared: Map<Rebuild, { readonly rebuilt: Promise<RebuiltGroup>; waiting: number }>;
}

/** What was done to a layer, with the spectrum of each group that is reported there. */
export interface PcaDetails {
  readonly report: LayerReport;
  readonly curves: readonly SpectrumCurve[];
  readonly fromCache: number;
}

export const pcaWork: OperationWork<PcaOperation, PcaPlan, PcaDetails, PcaReport> = {
  plan,
  apply,
  report: (_, details) => ({
    kind: 'pca',
    layers: details.map(({ report }) => report),
    curves: details.flatMap(({ curves }) => curves),
    fromCache: details.reduce((sum, { fromCache }) => sum + fromCache, 0),
  }),
  footprint: ({ layers }) => footprint(layers),
};

/** Groups with their ranks. @throws SurgeryError `usage` for a control that the mode does not have, `numeric` for weights that are not finite */
async function plan(operation: PcaOperation, context: OperationContext): Promise<PcaPlan> {
  const { mode, targets, layers, mean } = operation;
  const decompositions = context.shared(decompositionsOf);
  decompositions.nextOperation();
  const groups = groupsOf(mode, targets, layers, context.checkpoint.config).map((group) => asEdited(group, context));
  const budgets = await budgetsOf(decompositions, operation, groups);
  const rebuilds = withOtherLayers(groups, operation).map((group, i) => ({
    group,
    rebuilding: { budget: itemAt(budgets, i), mean, ...drawn(group, operation) },
  }));
  return { layers, rebuilds, how: preprocessing(operation), decompositions, shared: new Map() };
}

/**
 * The rebuilt projections of a layer; a projection's bias stays as it is.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype
 */
async function apply(plan: PcaPlan, layer: number, { checkpoint }: OperationContext): Promise<Edit<PcaDetails>> {
  const own = plan.rebuilds.filter(({ group }) => group.members.some((member) => member.layer === layer));
  const rebuilt = await Promise.all(own.map((one) => rebuiltFor(plan, one)));
  const tensors = new Map<string, Float32Array>();
  for (const [i, { group }] of own.entries())
    for (const [j, member] of group.members.entries())
      if (member.layer === layer) place(tensors, checkpoint, itemAt(itemAt(rebuilt, i).members, j));
  // A group over all layers has a member in each report, one that takes v from another layer is its own layer's.
  const reported = own.flatMap(({ group }, i) =>
    (group.layer ?? layer) === layer ? [{ group, rebuilt: itemAt(rebuilt, i) }] : [],
  );
  const listed = reported.filter(({ group }) => (group.layer ?? plan.layers.at(-1)) === layer);
  return {
    tensors,
    details: {
      report: { layer, groups: reported.map(({ group, rebuilt: one }) => reportOf(group, one, layer)) },
      curves: listed.map(({ group, rebuilt: one }) => curveOf(group, one.explainedVarianceRatio)),
      fromCache: listed.filter(({ rebuilt: one }) => one.fromCache).length,
    },
  };
}

/** A group over several layers is rebuilt once for all of them, and kept no longer than needed. */
async function rebuiltFor({ decompositions, how, shared, layers }: PcaPlan, rebuild: Rebuild): Promise<RebuiltGroup> {
  const needing = new Set(rebuild.group.members.map(({ layer }) => layer)).size;
  if (needing === 1) return decompositions.rebuild(rebuild, how);
  const known = shared.get(rebuild) ?? {
    rebuilt: decompositions.rebuild(rebuild, how),
    waiting: Math.min(needing, layers.length),
  };
  if (--known.waiting > 0) shared.set(rebuild, known);
  else shared.delete(rebuild);
  return known.rebuilt;
}

/** Puts rebuilt rows into their tensor. */
export function place(
  tensors: Map<string, Float32Array>,
  checkpoint: Checkpoint,
  { name, row, cols, values }: RebuiltGroup['members'][number],
): void {
  const size = checkpoint.tensor(name).shape.reduce((product, n) => product * n, 1);
  if (values.length === size) tensors.set(name, values);
  else {
    const tensor = tensors.get(name) ?? new Float32Array(size);
    tensor.set(values, row * cols);
    tensors.set(name, tensor);
  }
}

/** The group with the weights that earlier operations have changed. */
export function asEdited(group: Group, { edited }: OperationContext): Group {
  const members = group.members.map((member) => {
    const before = edited.get(projectionName(member.layer, member.projection));
    return before ? { ...member, edited: before } : member;
  });
  return { ...group, members };
}
