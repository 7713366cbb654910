// The design of a study: the cells of a sweep or of a sensitivity study, and which of them are compared.
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Projection } from '../checkpoint/names.ts';
import type { SweepPlan, SweepRequest } from '../operations/kind.ts';
import { mostFirst } from '../operations/pca/design.ts';
import { complete, matchRules, type PcaOperation, type PcaSpec, type RankBudget } from '../operations/pca/spec.ts';
import {
  type CompleteRecipe,
  completeRecipe,
  type Recipe,
  readParameters,
  requireConfig,
} from '../operations/recipe.ts';
import { type CompleteOperation, type KindName, kindNames, kindOf, type Operation } from '../operations/registry.ts';
import type { Where } from '../operations/where.ts';
import {
  type AllowedOptions,
  aFlag,
  aList,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { canonical, canonicalHash } from '../platform/canonical.ts';
import { SurgeryError } from '../platform/errors.ts';

const pairRules = ['variance', ...matchRules];

/** A sweep of one kind. What is left out of it: nothing varied, nothing fixed, no pairs, no controls. */
export type Sweep = Partial<SweepRequest<Operation>> & { readonly kind: KindName };

const sweepOptions: AllowedOptions<Sweep> = {
  kind: oneOfWords(kindNames),
  varied: { words: 'an object of lists, by field', test: isPlainObject },
  fixed: { words: 'an object of values, by field', test: isPlainObject },
  match: aList(oneOfWords(pairRules), `a list of ${pairRules.join(', ')}`),
  controls: aFlag,
};

/**
 * Plans a sweep: its cells, each once, and which of them are compared.
 * @throws SurgeryError `usage` for what the kind or the model does not allow
 */
export function planSweep(given: Sweep, config: LlamaConfig): SweepPlan<CompleteOperation> {
  requireOptions('planSweep', given, sweepOptions);
  requireArgument('planSweep: kind', given.kind, sweepOptions.kind);
  requireConfig(config);
  const { kind: name, varied = {}, fixed = {}, match = [], controls = false } = given;
  const sweep = { kind: name, varied: readVaried(name, varied), fixed: readFixed(name, fixed), match, controls };
  const kind = kindOf(sweep);
  return kind.design ? (kind.design(sweep, config) as SweepPlan<CompleteOperation>) : everyCombination(sweep, config);
}

/** @throws SurgeryError `usage` for a field that the kind does not have or vary, and for a value that it does not take */
function readVaried(kind: KindName, varied: object): Record<string, unknown[]> {
  return Object.fromEntries(
    Object.entries(varied).flatMap(([key, values]: [string, unknown]) => {
      if (values === undefined) return [];
      requireArgument(
        `planSweep: varied.${key}`,
        values,
        aList({ words: '', test: () => true }, 'a list of values, one at least', 1),
      );
      return [[key, (values as unknown[]).map((value) => readFixed(kind, { [key]: value })[key as keyof Operation])]];
    }),
  );
}

/** @throws SurgeryError `usage` for a field that the kind does not have, and for a value that it does not take */
function readFixed(kind: KindName, fixed: object): Partial<Operation> {
  const {
    operation,
    mistakes: [mistake],
  } = readParameters({ ...fixed, kind });
  if (mistake) throw new SurgeryError('usage', mistake.message);
  const { kind: _, ...fields } = operation;
  return fields;
}

/** Each combination of what is varied, and the control that does nothing. */
function everyCombination(
  { kind, varied, fixed, controls }: Required<Sweep>,
  config: LlamaConfig,
): SweepPlan<CompleteOperation> {
  let specs: Record<string, unknown>[] = [{ ...fixed, kind }];
  for (const [key, values] of Object.entries(varied))
    specs = specs.flatMap((spec) => (values as readonly unknown[]).map((value) => ({ ...spec, [key]: value })));
  const all = completeRecipe(specs as unknown as Recipe, config);
  const cells = [...new Map(all.map((operation) => [canonical(operation), operation])).values()];
  const none = controls ? completeRecipe([{ kind: 'none' }], config) : [];
  return {
    cells: [...none, ...cells],
    pairs: [],
    controls: none.map((_, cell) => ({ control: 'none', cell })),
  };
}

/** The unit of a sensitivity study: a layer, a projection in all layers, or a projection in a layer. */
export const units = ['layer', 'projection', 'both'] as const;
export type Unit = (typeof units)[number];

/** One row of a sensitivity study: some layers and projections, and their cells at each threshold. */
export interface SensitivityRow {
  readonly layers: readonly number[];
  readonly targets: readonly Projection[];
  /** By threshold, as indices into the cells. */
  readonly cells: readonly number[];
}

export interface SensitivityPlan {
  readonly cells: readonly PcaOperation[];
  /** What is kept, most first. */
  readonly kept: readonly RankBudget[];
  readonly rows: readonly SensitivityRow[];
  /** Everything at once, by threshold. */
  readonly joint: readonly number[];
}

/** Cells that operate on one part of what the operation touches at a time, and on all of it. */
export function planSensitivity(
  spec: Omit<PcaSpec, 'variance' | 'rank'>,
  kept: readonly RankBudget[],
  by: Unit,
  config: LlamaConfig,
): SensitivityPlan {
  const { layers, targets } = complete(spec, config);
  const parts = layers
    .flatMap((layer) => (by === 'projection' ? [] : [[layer]]))
    .concat(by === 'projection' ? [[...layers]] : [])
    .flatMap((some) =>
      by === 'layer' ? [{ layers: some, targets }] : targets.map((one) => ({ layers: some, targets: [one] })),
    );
  const cells: PcaOperation[] = [];
  const add = ({ layers, targets }: Where, budget: RankBudget) =>
    cells.push(complete({ ...spec, ...budget, layers, targets }, config)) - 1;
  const rows = parts.map((part) => ({ ...part, cells: [] as number[] }));
  const joint: number[] = [];
  const sorted = [...kept].sort(mostFirst);
  for (const budget of sorted) {
    joint.push(add({ layers, targets }, budget));
    for (const row of rows) row.cells.push(add(row, budget));
  }
  return { cells, kept: sorted, rows, joint };
}

/** The name of a cell: a hash of everything that decides its result. */
export function cellId(recipe: CompleteRecipe, context: unknown): string {
  return canonicalHash({ recipe, context });
}
