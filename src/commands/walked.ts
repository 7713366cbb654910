// A model and its variant, block by block, for commands that only read text.
import { Operator } from '../operations/operator.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { Walk } from '../runtime/walk/walk.ts';
import type { EncodedQuestion } from '../scores/tasks.ts';
import { type WalkedPredictions, walkPredictions } from '../scores/walked.ts';
import { taskTrees } from '../scores/walked-tasks.ts';
import type { OpenModel } from './model.ts';
import type { MemoryOptions, RuntimeOptions, WeightOptions } from './options.ts';

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
  { threads, memory, dtype, pcaEngine }: Pick<RuntimeOptions, 'threads'> & MemoryOptions & WeightOptions,
  recipe: CompleteRecipe | undefined,
  { checkpoint, info }: OpenModel,
  documents: readonly (readonly number[])[],
  progress: Progress,
  questions: readonly EncodedQuestion[] = [],
): Promise<WalkedModel> {
  const walk = new Walk(checkpoint, documents, { threads, memory, trees: taskTrees(questions) });
  const operator = new Operator(checkpoint, { threads, dtype, engine: pcaEngine });
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
