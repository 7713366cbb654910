// Several recipes on one checkpoint, measured on the same documents: the whole of a study but for its folder.
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import { completeGeneration, type GenerationSettings } from '../generate/generate.ts';
import type { OperatorSettings } from '../operations/kind.ts';
import { Operator, operatorOptions } from '../operations/operator.ts';
import {
  type CompleteRecipe,
  completeRecipe,
  isCalibrated,
  type Recipe,
  recipeHash,
  touchedBy,
} from '../operations/recipe.ts';
import {
  type AllowedOptions,
  aFunction,
  aList,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import type { CellResult, OriginalResult } from '../results/study.ts';
import { type Precision, precisions } from '../runtime/precision.ts';
import { Runtime, type RuntimeOptions } from '../runtime/session.ts';
import type { EncodedQuestion } from '../scores/tasks.ts';
import { type Documents, encodeDocuments } from '../text/encode-documents.ts';
import { documentsHash } from '../text/token-ids.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import {
  type Experiment,
  fitsInMemory,
  groupingOf,
  type Measurement,
  measureCells,
  noSeconds,
  type PlannedCell,
  type Seconds,
  VariantQueue,
} from './run-cells.ts';

export interface ExperimentOptions extends OperatorSettings {
  /** Default: fp32. */
  readonly precision?: Precision;
  /** Multiple-choice questions to answer, from {@link encodeTasks}. */
  readonly questions?: readonly EncodedQuestion[];
  /** Prompts to continue with every variant. Without any, nothing is generated. */
  readonly prompts?: Measurement['prompts'];
  /** How prompts are continued. Default: as the commands do, see {@link generate}. */
  readonly generation?: GenerationSettings;
  /** Called after each cell, with the cells measured so far and in all. */
  readonly onCell?: (done: number, total: number, cell: CellResult) => void;
}

export const experimentOptions: AllowedOptions<ExperimentOptions> = {
  ...operatorOptions,
  precision: oneOfWords(precisions),
  questions: aList(
    { words: '', test: (one) => isPlainObject(one) && 'shared' in one },
    'a list of questions, from encodeTasks',
  ),
  prompts: aList(
    { words: '', test: (one) => isPlainObject(one) && typeof one.text === 'string' && Array.isArray(one.ids) },
    'a list of {text, ids}',
  ),
  generation: { words: 'an object, as generate takes it', test: isPlainObject },
  onCell: aFunction,
};

/** What an experiment measured. */
export interface ExperimentResult {
  readonly original: OriginalResult;
  /**
   * One cell for each recipe, in the order of the recipes. Its `id` is the recipe's hash, with the calibration text's where
   * the recipe looks at it.
   */
  readonly cells: readonly CellResult[];
}

/**
 * Applies each recipe to the checkpoint, and scores all variants and the original on the same documents. This is what
 * `surgery sweep` does for its cells. Each block of the model is read once for a group of them; a session is opened where
 * there are prompts.
 * @param given documents: texts, or token ids with BOS first where the model has one, as `Tokenizer.encode` gives them; texts are cut
 * to the model's context
 * @returns nll and KL in nats per token, with 95 % bootstrap-t intervals over documents; `byDocument` holds sums over the
 * tokens of each document, from which paired differences of two cells follow
 * @throws SurgeryError `usage` for a recipe that this model does not allow, `text` for a document longer than the context,
 * `numeric` for values that are not finite, `output` if residual streams have to go to a disk that has no room
 */
export async function runExperiment(
  checkpoint: Checkpoint,
  recipes: readonly Recipe[],
  given: Documents,
  options: ExperimentOptions = {},
): Promise<ExperimentResult> {
  requireCheckpoint(checkpoint);
  requireArgument('recipes', recipes, {
    words: 'a list of recipes, which are lists of operations',
    test: Array.isArray,
  });
  requireOptions('runExperiment', options, experimentOptions);
  const { precision, questions = [], prompts = [], generation = {}, onCell, ...settings } = options;
  const documents = await encodeDocuments(given, checkpoint);
  const { config } = checkpoint;
  const { calibration: givenCalibration } = settings;
  const calibration = givenCalibration && (await encodeDocuments(givenCalibration, checkpoint));
  const calibrationHash = calibration && documentsHash(calibration);
  const planned = recipes.map((recipe) => {
    const complete = completeRecipe(recipe, config);
    const id = recipeHash(complete, isCalibrated(complete, config) ? calibrationHash : undefined);
    return { id, recipe: complete };
  });
  const measurement: Measurement = {
    documents,
    tasks: questions,
    prompts,
    generation: completeGeneration(generation, config),
  };
  const setup: Setup = {
    checkpoint,
    measurement,
    replaceable: touchedBy(
      planned.map(({ recipe }) => recipe),
      config,
    ),
    tokenizer: await Tokenizer.open(checkpoint),
    precision,
    ...settings,
    calibration,
    calibrate: (operator, recipes) => operator.calibrate(recipes),
    open: (session) => Runtime.open(checkpoint, { ...session, precision, threads: settings.threads }),
  };
  return withExperiment(setup, planned, async ({ measure }) => {
    const cells: CellResult[] = [];
    const original = await measure(noSeconds(), async (measured) => {
      for (const cell of measured) {
        cells.push(cell);
        onCell?.(cells.length, planned.length, cell);
      }
    });
    return { original, cells };
  });
}

/** What the cells of an experiment are made and measured with. */
export interface Setup extends Omit<Experiment, 'variants' | 'runtime'>, OperatorSettings {
  /** Tensors that a cell replaces, cells measured earlier included: the last digits of all scores depend on this list. */
  readonly replaceable: readonly string[];
  /** Reads the calibration text for all cells, where there is one. */
  readonly calibrate: (operator: Operator, recipes: readonly CompleteRecipe[]) => Promise<void>;
  /** Loads the model, where text is written. */
  readonly open: (session: Pick<RuntimeOptions, 'replaceable' | 'variantsTogether'>) => Promise<Runtime>;
}

/** An experiment whose cells can be measured, once. */
interface ReadyExperiment {
  readonly operator: Operator;
  /** As {@link measureCells} does. */
  readonly measure: (
    seconds: Seconds,
    use: (cells: readonly CellResult[]) => Promise<void>,
    advance?: (done: number, total: number) => void,
  ) => Promise<OriginalResult>;
}

/** Opens what an experiment on these cells takes, and closes it when it has been used. */
export async function withExperiment<T>(
  setup: Setup,
  cells: readonly PlannedCell[],
  use: (experiment: ReadyExperiment) => Promise<T>,
): Promise<T> {
  const { checkpoint, measurement, replaceable, dtype, threads, memory, engine, calibration } = setup;
  const { needsSession, most, together } = groupingOf(checkpoint, measurement, replaceable, cells.length);
  const recipes = cells.map(({ recipe }) => recipe);
  const bytes = 4 * checkpoint.numbersIn(replaceable);
  const upcoming = fitsInMemory(3 * bytes, memory) ? recipes.flat() : undefined;
  const operator = new Operator(checkpoint, { dtype, threads, memory, engine, calibration, upcoming });
  try {
    await setup.calibrate(operator, recipes);
    const variants = new VariantQueue(operator, recipes, needsSession);
    const runtime = needsSession ? await setup.open({ replaceable, variantsTogether: together }) : undefined;
    try {
      const experiment: Experiment = { ...setup, variants, runtime };
      return await use({
        operator,
        measure: (seconds, take, advance) => measureCells(experiment, cells, most, seconds, take, advance),
      });
    } finally {
      await runtime?.close();
    }
  } finally {
    await operator.close();
  }
}
