// A sensitivity study in one call: an operation on one unit of a model at a time, and on all at once.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { requireCheckpoint } from '../checkpoint/reader.ts';
import { recipeHash } from '../operations/recipe.ts';
import type { Operation } from '../operations/registry.ts';
import { aCount, aList, aNumber, isPlainObject, oneOfWords, requireOptions } from '../platform/arguments.ts';
import { itemAt } from '../platform/indexing.ts';
import type { SensitivityResult } from '../results/study.ts';
import type { Documents } from '../text/encode-documents.ts';
import { planSensitivity, type SensitivityPlan, type Unit, units } from './design.ts';
import { type ExperimentOptions, type ExperimentResult, experimentOptions, runExperiment } from './experiment.ts';
import { withAdditivity } from './summary.ts';

export interface SensitivityOptions extends ExperimentOptions {
  /** What is operated on at a time. Default: layer. */
  readonly by?: Unit;
  /** Shares of the variance to keep. Default: 0.9, unless there are ranks. */
  readonly variance?: readonly number[];
  readonly rank?: readonly number[];
  /**
   * The operation, of the kind pca unless it names another. Default: shared-kv of q, k and v in all layers. Of a kind that
   * cuts units, such as zero, the kind alone: `by` names the units.
   */
  readonly operation?: Partial<Operation>;
}

/** Each cell once, and which cells are whose: rows by unit, all at once, and how the effects add up. */
export type SensitivityOfCheckpoint = ExperimentResult & { readonly sensitivity: SensitivityResult };

/**
 * Applies an operation to one layer, projection or other unit at a time and to all at once, as `surgery sensitivity` does, and scores each on the
 * same documents.
 * @param given documents, as of {@link runExperiment}
 * @throws SurgeryError as {@link runExperiment}, `usage` for an option that is not allowed
 */
export async function sensitivity(
  checkpoint: Checkpoint,
  given: Documents,
  options: SensitivityOptions = {},
): Promise<SensitivityOfCheckpoint> {
  requireCheckpoint(checkpoint);
  requireOptions('sensitivity', options, {
    ...experimentOptions,
    by: oneOfWords(units),
    variance: aList(aNumber(0, 1, true), 'a list of numbers above 0 up to 1, one at least', 1),
    rank: aList(aCount(0), 'a list of whole numbers from 0, one at least', 1),
    operation: { words: 'an object of fields of an operation', test: isPlainObject },
  });
  const { by = 'layer', variance, rank, operation = {}, ...settings } = options;
  const { config } = checkpoint;
  const { kind = 'pca', ...fields } = operation;
  const kept = { ...(variance ? { variance } : {}), ...(rank ? { rank } : {}) };
  const plan = planSensitivity({ ...fields, ...kept, kind }, by, config);
  const recipes = plan.cells.map((cell) => [cell]);
  const ids = recipes.map((recipe) => recipeHash(recipe));
  const once = new Map(ids.map((id, i) => [id, itemAt(recipes, i)]));
  const { original, cells } = await runExperiment(checkpoint, [...once.values()], given, settings);
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  return { original, cells, sensitivity: withAdditivity(namedUnits(plan, by, ids), byId, original) };
}

/** A plan whose cells have names. @param ids of the plan's cells */
export function namedUnits(
  { kept, rows, joint }: SensitivityPlan,
  by: Unit,
  ids: readonly string[],
): Omit<SensitivityResult, 'additivity'> {
  const named = (cells: readonly number[]) => cells.map((cell) => itemAt(ids, cell));
  return { by, kept, rows: rows.map((row) => ({ ...row, cells: named(row.cells) })), joint: named(joint) };
}
