// The models that an analysis compares, the original and the edited variant, walked through together.
import type { OperatorSettings } from '../operations/kind.ts';
import { Operator, operatorOptions } from '../operations/operator.ts';
import type { Recipe } from '../operations/recipe.ts';
import { type AllowedOptions, aFlag, oneOfWords } from '../platform/arguments.ts';
import { type Precision, precisions } from '../runtime/precision.ts';
import type { Stream } from '../runtime/walk/streams.ts';
import type { WalkVisitor } from '../runtime/walk/visitor.ts';
import type { Walk } from '../runtime/walk/walk.ts';
import type { VariantName } from './shapes.ts';

/** What an analysis compares, and how the models run. */
export interface VariantOptions extends OperatorSettings {
  /** Operations of the variant. Without any, the original is analysed alone. */
  readonly recipe?: Recipe | undefined;
  /** Default: fp32. */
  readonly precision?: Precision;
  /** Whether the residual stream between attention and MLP is analysed too. Default: false. */
  readonly sublayers?: boolean;
}

export const variantOptions: AllowedOptions<VariantOptions> = {
  ...operatorOptions,
  recipe: { words: 'a list of operations', test: Array.isArray },
  precision: oneOfWords(precisions),
  sublayers: aFlag,
};

/** The original first, then the variant of a recipe, if there is one. */
export function variantNames(recipe: Recipe | undefined): VariantName[] {
  return recipe ? ['original', 'operated'] : ['original'];
}

/**
 * Takes the documents of a walk through both models.
 * @returns their streams after the last block, the original's first
 * @throws SurgeryError as the walk and the recipe's operations do
 */
export async function walkVariants(
  walk: Walk,
  { recipe, sublayers = false, threads, dtype, engine, calibration, memory }: VariantOptions,
  visit: NonNullable<WalkVisitor['visit']>,
  onBlock: (done: number, total: number) => void = () => {},
): Promise<Stream[]> {
  const operator = new Operator(walk.checkpoint, { threads, dtype, engine, calibration, memory });
  try {
    const end = await walk.run(recipe ? [await operator.layered(recipe)] : [], { visit, sublayers, onBlock });
    return [end.original, ...end.variants];
  } finally {
    await operator.close();
  }
}
