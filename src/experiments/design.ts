// The design of a study: the cells of a sweep or of a sensitivity study, and which of them are compared.
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Projection } from '../checkpoint/names.ts';
import { type ModelUnit, modelUnits, type SweepPlan, type SweepRequest } from '../operations/kind.ts';
import { matchRules } from '../operations/pca/spec.ts';
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

/** The unit of a sensitivity study: a layer, a projection in all layers, a projection in a layer, or a unit that a kind cuts. */
export const units = ['layer', 'projection', 'both', ...modelUnits] as const;
export type Unit = (typeof units)[number];

/** How much a cell keeps: one field of its kind, or none where there is nothing to choose. */
export type Budget = Readonly<Partial<Record<string, number>>>;

/** One row of a sensitivity study: some layers and projections or a unit, and their cells at each budget. */
export interface SensitivityRow {
  readonly layers: readonly number[];
  readonly targets: readonly Projection[];
  /** As options name it. */
  readonly unit?: string;
  /** By budget, as indices into the cells. */
  readonly cells: readonly number[];
}

export interface SensitivityPlan {
  readonly cells: readonly CompleteOperation[];
  /** Most kept first. */
  readonly kept: readonly Budget[];
  readonly rows: readonly SensitivityRow[];
  /** Everything at once, by budget. */
  readonly joint: readonly number[];
}

/** A kind and its fields, those that say how much is kept as lists. */
export type SensitivityRequest = { readonly kind: KindName } & Readonly<Record<string, unknown>>;

/**
 * Cells that operate on one part of what the operation touches at a time, and on all of it.
 * @throws SurgeryError `usage` for units that the kind does not have, and as an operation's completion does
 */
export function planSensitivity(
  { kind, ...fields }: SensitivityRequest,
  by: Unit,
  config: LlamaConfig,
): SensitivityPlan {
  const { budgets = [], units: unitsOf } = kindOf({ kind });
  const keys: readonly string[] = budgets;
  const spec = Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
  const completed = (more: object): CompleteOperation => {
    const [operation] = completeRecipe([{ ...spec, ...more, kind } as unknown as Operation], config);
    if (!operation) throw new RangeError('a recipe of one operation has one');
    return operation;
  };
  const { parts, all } = unitsOf
    ? cutParts(kind, by, (unit) => unitsOf(unit, config))
    : weightParts(kind, by, completed({}) as unknown as Where);
  const kept = keptOf(keys, fields, () => completed(all));
  const cells: CompleteOperation[] = [];
  const add = (part: object, budget: Budget) => cells.push(completed({ ...budget, ...part })) - 1;
  const rows = parts.map(({ row }) => ({ ...row, cells: [] as number[] }));
  const joint: number[] = [];
  for (const budget of kept) {
    joint.push(add(all, budget));
    for (const [i, part] of parts.entries()) rows[i]?.cells.push(add(part.spec, budget));
  }
  return { cells, kept, rows, joint };
}

interface Part {
  readonly row: Omit<SensitivityRow, 'cells'>;
  /** What makes an operation touch this part alone. */
  readonly spec: object;
}

/** The parts of a study, and what makes an operation touch all of them. */
interface Parts {
  readonly parts: readonly Part[];
  readonly all: object;
}

/** @throws SurgeryError `usage` for a unit that is cut, not rewritten */
function weightParts(kind: KindName, by: Unit, { layers, targets }: Where): Parts {
  if (by !== 'layer' && by !== 'projection' && by !== 'both')
    throw new SurgeryError(
      'usage',
      `--by ${by} is of kinds that cut units, such as zero: ${kind} takes layer, projection or both`,
    );
  const places = by === 'projection' ? [layers] : layers.map((layer) => [layer]);
  const wheres: readonly Where[] = places.flatMap((some) =>
    by === 'layer' ? [{ layers: some, targets }] : targets.map((one) => ({ layers: some, targets: [one] })),
  );
  return { parts: wheres.map((where) => ({ row: where, spec: where })), all: { layers, targets } };
}

/** A layer that is cut is its block. @throws SurgeryError `usage` for a projection, which is no unit to cut */
function cutParts(
  kind: KindName,
  by: Unit,
  unitsOf: (unit: ModelUnit) => readonly { readonly layer: number; readonly name: string; readonly spec: object }[],
): Parts {
  if (by === 'projection' || by === 'both')
    throw new SurgeryError(
      'usage',
      `--by ${by} is of kinds that rewrite projections: ${kind} takes layer, ${modelUnits.join(', ')}`,
    );
  const found = unitsOf(by === 'layer' ? 'block' : by);
  const all: Record<string, unknown[]> = {};
  for (const { spec } of found)
    for (const [key, list] of Object.entries(spec)) all[key] = [...(all[key] ?? []), ...(list as unknown[])];
  return {
    parts: found.map(({ layer, name, spec }) => ({ row: { layers: [layer], targets: [], unit: name }, spec })),
    all,
  };
}

/** The given budgets, most kept first; without any the kind's own, and nothing to choose where it has none. */
function keptOf(
  keys: readonly string[],
  fields: Readonly<Record<string, unknown>>,
  completed: () => object,
): readonly Budget[] {
  const given = keys.flatMap((key) => {
    const values = [...new Set([fields[key] ?? []].flat() as number[])].sort((a, b) => b - a);
    // A ratio is what goes.
    return (key === 'ratio' ? values.reverse() : values).map((value) => ({ [key]: value }));
  });
  if (given.length > 0 || keys.length === 0) return given.length > 0 ? given : [{}];
  const own = completed() as Readonly<Record<string, number | undefined>>;
  return keys.flatMap((key) => (own[key] === undefined ? [] : [{ [key]: own[key] }])).slice(0, 1);
}

/** The name of a cell: a hash of everything that decides its result. */
export function cellId(recipe: CompleteRecipe, context: unknown): string {
  return canonicalHash({ recipe, context });
}
