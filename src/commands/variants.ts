// The models that an analysis compares: the original and, if the options name an operation, the edited variant.
import { type Variant, variantsOf } from '../analyses/variants.ts';
import type { Replacements } from '../checkpoint/writer.ts';
import type { TapOptions } from '../graph/taps.ts';
import { type CompleteRecipe, touchedBy } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { Runtime } from '../runtime/session.ts';
import type { Model } from '../scores/model.ts';
import { type OpenModel, progressOf } from './model.ts';
import type { ModelOptions, RuntimeOptions, WeightOptions } from './options.ts';
import { equivalentsOf, namesOperation, type OperationRequest, recipeOf } from './recipes.ts';
import { makeVariant } from './run.ts';
import { openSession } from './session.ts';

export interface Variants {
  readonly runtime: Runtime;
  /** The original first. */
  readonly variants: readonly Variant[];
}

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
  options: ModelOptions & RuntimeOptions & WeightOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  progress: Progress,
): Promise<Model> {
  const { runtime, tensors } = await openRuntime(options, recipe, model, {}, progress);
  return { runtime, ...(tensors && { weights: runtime.variant(tensors) }) };
}

/** Opens one session, with taps, for both the original and the variant. */
export async function openVariants(
  options: ModelOptions & RuntimeOptions & WeightOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  { sublayers = false }: Pick<TapOptions, 'sublayers'>,
  progress: Progress,
): Promise<Variants> {
  const { runtime, tensors } = await openRuntime(options, recipe, model, { taps: true, sublayers }, progress);
  return { runtime, variants: variantsOf(runtime, tensors) };
}

/** The session of a model and, if there is a recipe, the weights that make the variant. */
async function openRuntime(
  options: ModelOptions & RuntimeOptions & WeightOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  taps: TapOptions,
  progress: Progress,
): Promise<{ readonly runtime: Runtime; readonly tensors: Replacements | undefined }> {
  const operated = recipe && (await makeVariant(options, recipe, model, progress)).value;
  const replaceable = recipe ? touchedBy([recipe], model.checkpoint.config) : [];
  const { value: runtime } = await openSession(options, model, { ...taps, replaceable }, progress);
  return { runtime, tensors: operated?.tensors };
}
