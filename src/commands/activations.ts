// The residual streams of a text through the original and the operated model, recorded for what is fitted to them.

import { Activations, type Positions, positionsOf } from '../analyses/recorded-residuals.ts';
import { setProductThreads } from '../linalg/products.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { OpenModel } from './model.ts';
import type { ModelOptions, RuntimeOptions, WeightOptions } from './options.ts';
import { openVariants, type Variant } from './variants.ts';

export interface Recorded {
  /** Names of the points. */
  readonly points: readonly string[];
  readonly variants: readonly { readonly name: Variant['name']; readonly activations: Activations }[];
  close(): Promise<void>;
}

/** Positions that a probe needs at least: every tenth chooses its penalty. */
const leastPositions = 100;

/** @throws SurgeryError `text` for a text that is too short to learn anything from */
export function probedPositions(
  documents: readonly (readonly number[])[],
  text: string,
  bosId: number | undefined,
): Positions {
  const positions = positionsOf(documents, bosId);
  if (positions.rows >= leastPositions) return positions;
  throw new SurgeryError(
    'text',
    `${text}: ${positions.rows} positions to probe, ${leastPositions} are the least: give a longer --text`,
  );
}

/** Runs all variants over the documents; the session is closed before anything is fitted, which needs its memory. */
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
