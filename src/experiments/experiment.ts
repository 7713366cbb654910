// Several recipes on one checkpoint, measured on the same documents: the whole of a study but for its folder.
import { join } from 'node:path';
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import { completeGeneration, type GenerationSettings } from '../generate/generate.ts';
import type { OperatorSettings } from '../operations/kind.ts';
import { Operator, operatorOptions } from '../operations/operator.ts';
import { completeRecipe, type Recipe, recipeHash, touchedBy } from '../operations/recipe.ts';
import {
  type AllowedOptions,
  aFunction,
  aList,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { makeFolders, removeAtExit } from '../platform/atomic-files.ts';
import { cacheFolder } from '../platform/cache.ts';
import { temporaryName } from '../platform/temp-files.ts';
import type { CellResult, OriginalResult } from '../results/study.ts';
import { type Precision, precisions, Runtime } from '../runtime/session.ts';
import { Recording } from '../scores/recording.ts';
import type { EncodedQuestion } from '../scores/tasks.ts';
import { type Documents, encodeDocuments } from '../text/encode-documents.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { cellsTogether, type Measurement, measureCells, measureOriginal, VariantQueue } from './run-cells.ts';

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

const experimentOptions: AllowedOptions<ExperimentOptions> = {
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
  /** One cell for each recipe, in the order of the recipes. Its `id` is the recipe's hash. */
  readonly cells: readonly CellResult[];
}

/**
 * Applies each recipe to the checkpoint, and scores all variants and the original on the same documents. This is what
 * `surgery sweep` does for its cells. One session serves them all, and the original is read once. Its logits lie in a
 * temporary file meanwhile: 4 bytes × scored tokens × vocabulary.
 * @param given documents: texts, or token ids with BOS first where the model has one, as `Tokenizer.encode` gives them; texts are cut
 * to the model's context
 * @returns nll and KL in nats per token, with 95 % bootstrap-t intervals over documents; `byDocument` holds sums over the
 * tokens of each document, from which paired differences of two cells follow
 * @throws SurgeryError `usage` for a recipe that this model does not allow, `text` for a document longer than the context,
 * `numeric` for values that are not finite, `output` if the temporary file cannot be written
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
  const planned = recipes.map((recipe) => {
    const complete = completeRecipe(recipe, config);
    return { id: recipeHash(complete), recipe: complete };
  });
  const replaceable = touchedBy(
    planned.map(({ recipe }) => recipe),
    config,
  );
  const bytes = replaceable.reduce(
    (sum, name) => sum + 4 * checkpoint.tensor(name).shape.reduce((a, b) => a * b, 1),
    0,
  );
  const variantsTogether = prompts.length > 0 ? Math.min(cellsTogether(bytes), Math.max(planned.length, 1)) : 1;
  const measurement: Measurement = {
    documents,
    tasks: questions,
    prompts,
    generation: completeGeneration(generation, config),
  };
  const tokenizer = await Tokenizer.open(checkpoint);
  const operator = new Operator(checkpoint, settings);
  try {
    const runtime = await Runtime.open(checkpoint, {
      ...(precision ? { precision } : {}),
      threads: settings.threads,
      replaceable,
      variantsTogether,
    });
    try {
      return await withLogits(documents, runtime, async (recording) => {
        const variants = new VariantQueue(
          operator,
          planned.map(({ recipe }) => recipe),
        );
        const experiment = { variants, runtime, tokenizer, recording, measurement };
        const seconds = { decompose: 0, score: 0, generate: 0, answer: 0 };
        const original = await measureOriginal(experiment, seconds);
        const cells: CellResult[] = [];
        for (let at = 0; at < planned.length; at += variantsTogether) {
          for (const cell of await measureCells(
            experiment,
            original,
            planned.slice(at, at + variantsTogether),
            seconds,
            () => {},
          )) {
            cells.push(cell);
            onCell?.(cells.length, planned.length, cell);
          }
        }
        return { original, cells };
      });
    } finally {
      await runtime.close();
    }
  } finally {
    await operator.close();
  }
}

/** Keeps the original's logits in a temporary file while `use` runs. */
async function withLogits<T>(
  documents: readonly (readonly number[])[],
  runtime: Runtime,
  use: (recording: Recording) => Promise<T>,
): Promise<T> {
  const folder = cacheFolder('logits');
  makeFolders(folder);
  const file = temporaryName(join(folder, 'original'));
  const forget = removeAtExit(file);
  try {
    const recording = await Recording.make(file, documents, { runtime });
    try {
      return await use(recording);
    } finally {
      await recording.close();
    }
  } finally {
    forget();
  }
}
