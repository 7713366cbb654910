// The edited variant, if the options name an operation, for commands where there need not be one.
import { type CompleteRecipe, touchedBy } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { Model } from '../scores/model.ts';
import type { OperatorOptions } from './calibration.ts';
import { type OpenModel, progressOf } from './model.ts';
import type { ModelOptions, RuntimeOptions } from './options.ts';
import { equivalentsOf, namesOperation, type OperationRequest, recipeOf } from './recipes.ts';
import { makeVariant } from './run.ts';
import { openSession } from './session.ts';

/** The recipe, or undefined if the options name no operation. @throws SurgeryError as {@link recipeOf} does */
export async function optionalRecipe(
  { operation, quiet }: { readonly operation: OperationRequest } & Pick<ModelOptions, 'quiet'>,
  { checkpoint: { config } }: OpenModel,
): Promise<CompleteRecipe | undefined> {
  if (!namesOperation(operation)) return undefined;
  const recipe = await recipeOf(operation, config);
  for (const line of equivalentsOf(operation, config)) progressOf({ quiet }).say(line);
  return recipe;
}

/** Opens the original, or the variant if there is a recipe. */
export async function openVariant(
  options: ModelOptions & RuntimeOptions & OperatorOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  progress: Progress,
): Promise<Model> {
  const operated = recipe && (await makeVariant(options, recipe, model, progress)).value;
  const replaceable = recipe ? touchedBy([recipe], model.checkpoint.config) : [];
  const { value: runtime } = await openSession(options, model, { replaceable }, progress);
  return { runtime, ...(operated && { weights: runtime.variant(operated.tensors) }) };
}
