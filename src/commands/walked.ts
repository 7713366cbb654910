// A model and its variant, block by block, for commands that only read text.
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { Precision } from '../runtime/precision.ts';
import { Walk } from '../runtime/walk/walk.ts';
import type { EncodedQuestion, TaskScores } from '../scores/tasks.ts';
import type { WalkedModel } from '../scores/walked.ts';
import { taskTrees, walkedTasks } from '../scores/walked-tasks.ts';
import { type OperatorOptions, openOperator } from './calibration.ts';
import type { OpenModel } from './model.ts';

/** What a model gives on documents and questions, and the variant of a recipe. */
export interface WalkedPair {
  readonly original: WalkedModel;
  readonly variant: WalkedModel | undefined;
  /** The answers of one of them. */
  answer(model: WalkedModel, onProgress: (done: number, total: number) => void): Promise<TaskScores>;
  close(): Promise<void>;
}

/**
 * Takes documents and questions through a model's blocks, each read once for the original and the variant.
 * @throws SurgeryError as {@link Walk} and the recipe's operations do
 */
export async function walkModel(
  options: OperatorOptions & { readonly precision?: Precision },
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  documents: readonly (readonly number[])[],
  progress: Progress,
  questions: readonly EncodedQuestion[] = [],
): Promise<WalkedPair> {
  const { precision = 'fp32', threads, memory } = options;
  const { checkpoint, info } = model;
  const operator = await openOperator(options, recipe, model, progress);
  const walk = new Walk(checkpoint, documents, { precision, threads, memory, trees: taskTrees(questions) });
  try {
    const { value: end } = await progress.step(`Running ${info.ref}`, 'blocks', async (onBlock) =>
      walk.run(recipe ? [await operator.layered(recipe)] : [], { onBlock }),
    );
    const unembedding = await walk.unembedding();
    const [variant] = end.variants;
    return {
      original: { stream: end.original, unembedding },
      variant: variant && { stream: variant, unembedding },
      answer: ({ stream }, onProgress) => walkedTasks(walk, stream, unembedding, questions, onProgress),
      close: () => walk.close(),
    };
  } catch (error) {
    await walk.close();
    throw error;
  } finally {
    await operator.close();
  }
}
