// A model and its variant, block by block, for commands that only read text.
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { Walk } from '../runtime/walk/walk.ts';
import type { EncodedQuestion } from '../scores/tasks.ts';
import { type WalkedPredictions, walkPredictions } from '../scores/walked.ts';
import { taskTrees } from '../scores/walked-tasks.ts';
import { type OperatorOptions, openOperator } from './calibration.ts';
import type { OpenModel } from './model.ts';

/** What a model gives on documents and questions, and the variant of a recipe. */
export interface WalkedModel {
  readonly original: WalkedPredictions;
  readonly variant: WalkedPredictions | undefined;
  close(): Promise<void>;
}

/**
 * Takes documents and questions through a model's blocks, each read once for the original and the variant.
 * @throws SurgeryError as {@link Walk} and the recipe's operations do
 */
export async function walkModel(
  options: OperatorOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  documents: readonly (readonly number[])[],
  progress: Progress,
  questions: readonly EncodedQuestion[] = [],
): Promise<WalkedModel> {
  const { threads, memory } = options;
  const { checkpoint, info } = model;
  const operator = await openOperator(options, recipe, model, progress);
  const walk = new Walk(checkpoint, documents, { threads, memory, trees: taskTrees(questions) });
  try {
    const { value: walked } = await progress.step(`Running ${info.ref}`, 'blocks', async (onBlock) =>
      walkPredictions(walk, recipe ? [await operator.layered(recipe)] : [], onBlock),
    );
    return { original: walked.original, variant: walked.variants[0], close: () => walk.close() };
  } catch (error) {
    await walk.close();
    throw error;
  } finally {
    await operator.close();
  }
}
