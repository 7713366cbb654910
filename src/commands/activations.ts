// Records the residual stream of a text in the original and the edited model, for probes to be fitted to.

import { Activations } from '../analyses/recorded-residuals.ts';
import type { Variant } from '../analyses/variants.ts';
import { setProductThreads } from '../linalg/products.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { OpenModel } from './model.ts';
import type { ModelOptions, RuntimeOptions, WeightOptions } from './options.ts';
import { openVariants } from './variants.ts';

export interface Recorded {
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  readonly variants: readonly { readonly name: Variant['name']; readonly activations: Activations }[];
  close(): Promise<void>;
}

/** Runs all variants over the documents, then closes the session to free its memory for the fits. */
export async function record(
  options: ModelOptions & RuntimeOptions & WeightOptions & { readonly sublayers?: boolean },
  recipe: CompleteRecipe | undefined,
  model: OpenModel,
  { documents, bosId }: { readonly documents: readonly (readonly number[])[]; readonly bosId: number | undefined },
  progress: Progress,
): Promise<Recorded> {
  setProductThreads(options.threads ?? 0);
  const { runtime, variants } = await openVariants(options, recipe, model, options, progress);
  const points = runtime.taps.map(({ name }) => name);
  const recorded: { name: Variant['name']; activations: Activations }[] = [];
  const close = async () => {
    for (const { activations } of recorded) await activations.close();
  };
  try {
    for (const variant of variants) {
      const { value: activations } = await progress.step(
        `Reading with the ${variant.name} model`,
        'tokens',
        (advance) => Activations.record(documents, variant, bosId, advance),
      );
      recorded.push({ name: variant.name, activations });
    }
    await runtime.close();
    return { points, variants: recorded, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}
