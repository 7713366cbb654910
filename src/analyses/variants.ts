// The models that an analysis compares: the original and, where there is an operation, the edited variant.
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import type { Replacements } from '../checkpoint/writer.ts';
import type { OperatorSettings } from '../operations/kind.ts';
import { operate, operatorOptions } from '../operations/operator.ts';
import { completeRecipe, type Recipe, touchedBy } from '../operations/recipe.ts';
import { type AllowedOptions, aFlag, oneOfWords } from '../platform/arguments.ts';
import { type Precision, precisions, Runtime } from '../runtime/session.ts';
import type { Model } from '../scores/model.ts';

export interface Variant extends Model {
  readonly name: 'original' | 'operated';
}

/** What an analysis compares, and how the models run. */
export interface VariantOptions extends OperatorSettings {
  /** Operations of the variant. Without any, the original is analysed alone. */
  readonly recipe?: Recipe | undefined;
  /** Default: fp32. */
  readonly precision?: Precision;
  /** Whether the residual stream is also tapped between attention and MLP. Default: false. */
  readonly sublayers?: boolean;
}

export const variantOptions: AllowedOptions<VariantOptions> = {
  ...operatorOptions,
  recipe: { words: 'a list of operations', test: Array.isArray },
  precision: oneOfWords(precisions),
  sublayers: aFlag,
};

/** The original first, then the variant with these weights, if any. */
export function variantsOf(runtime: Runtime, replaced: Replacements | undefined): Variant[] {
  const original: Variant = { name: 'original', runtime };
  return replaced ? [original, { name: 'operated', runtime, weights: runtime.variant(replaced) }] : [original];
}

/**
 * Opens both models on one session with taps, and closes it after `use`.
 * @throws SurgeryError `usage` for a recipe that this model does not allow
 */
export async function withVariants<T>(
  checkpoint: Checkpoint,
  { recipe, precision = 'fp32', sublayers = false, ...settings }: VariantOptions,
  use: (variants: readonly Variant[], points: readonly string[]) => Promise<T>,
): Promise<T> {
  requireCheckpoint(checkpoint);
  const complete = recipe && completeRecipe(recipe, checkpoint.config);
  const operated = complete && (await operate(checkpoint, complete, settings));
  const runtime = await Runtime.open(checkpoint, {
    taps: true,
    sublayers,
    precision,
    threads: settings.threads,
    replaceable: complete ? touchedBy([complete], checkpoint.config) : [],
  });
  try {
    return await use(
      variantsOf(runtime, operated?.tensors),
      runtime.taps.map(({ name }) => name),
    );
  } finally {
    await runtime.close();
  }
}
