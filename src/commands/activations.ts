// The documents of a command that looks inside, run through the original and the edited model.
import { type LensSources, lensSources } from '../analyses/lens/source.ts';
import { type Recorded, record as recordResiduals } from '../analyses/recorded-residuals.ts';
import type { VariantOptions } from '../analyses/variants.ts';
import { setProductThreads } from '../linalg/products.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { type CalibrationInput, operatorSettings } from './calibration.ts';
import { sayInt8 } from './int8.ts';
import type { OpenModel } from './model.ts';
import type { MemoryOptions, ModelOptions, RuntimeOptions, WeightOptions } from './options.ts';

type Documents = readonly (readonly number[])[];
type InsideOptions = ModelOptions &
  RuntimeOptions &
  WeightOptions &
  MemoryOptions & {
    readonly sublayers?: boolean;
    readonly calibrated?: CalibrationInput | undefined;
  };

/** The residual stream of a text, for probes to be fitted to. The models' memory is free then. */
export async function record(
  options: InsideOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  { documents, bosId }: { readonly documents: Documents; readonly bosId: number | undefined },
  progress: Progress,
): Promise<Recorded> {
  return running(options, recipe, model, progress, (settings, onProgress) =>
    recordResiduals(model.checkpoint, { documents, bosId }, settings, onProgress),
  );
}

/** The logit lens on documents. */
export async function openLens(
  options: InsideOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  documents: Documents,
  progress: Progress,
): Promise<LensSources> {
  return running(options, recipe, model, progress, (settings, onProgress) =>
    lensSources(model.checkpoint, documents, settings, onProgress),
  );
}

async function running<T>(
  { precision, sublayers = false, ...options }: InsideOptions,
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  progress: Progress,
  run: (settings: VariantOptions, onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  setProductThreads(options.threads ?? 0);
  await sayInt8({ ...options, precision }, model, progress);
  const settings: VariantOptions = { ...operatorSettings(options), recipe, precision, sublayers };
  const { value } = await progress.step(`Running ${model.info.ref}`, 'blocks', (onProgress) =>
    run(settings, onProgress),
  );
  return value;
}
