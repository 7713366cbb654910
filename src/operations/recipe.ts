// A recipe: the operations that make a variant, in order; its hash and its words.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { canonicalHash } from '../platform/canonical.ts';
import { type CompleteOperation, kindOf, type Operation } from './registry.ts';

/** Operations that make a variant, applied in order. */
export type Recipe = readonly Operation[];
/** A recipe with every default filled in. */
export type CompleteRecipe = readonly CompleteOperation[];

/**
 * Fills in every default.
 * @throws SurgeryError `usage` for parameters that this model does not allow
 */
export function completeRecipe(recipe: Recipe, config: LlamaConfig): CompleteRecipe {
  return recipe.map((operation) => kindOf(operation).complete(operation, config));
}

/** Names of the tensors that at least one of the recipes changes, each once. */
export function touchedBy(recipes: readonly CompleteRecipe[], config: LlamaConfig): string[] {
  return [...new Set(recipes.flat().flatMap((operation) => kindOf(operation).touches(operation, config)))];
}

/** 16 hexadecimal digits of a SHA-256: equal recipes have equal hashes, whatever the order of their keys. */
export function recipeHash(recipe: CompleteRecipe): string {
  return canonicalHash(recipe);
}

/** One line of text. @param layers number of layers of the model */
export function describeRecipe(recipe: CompleteRecipe, layers: number): string {
  return recipe.map((operation) => kindOf(operation).describe(operation, layers)).join('; then ');
}

/** A few words, for tables. */
export function recipeLabel(recipe: CompleteRecipe, layers: number): string {
  return recipe.map((operation) => kindOf(operation).label(operation, layers)).join(' + ');
}

/** For the name of a folder. */
export function recipeSlug(recipe: CompleteRecipe): string {
  return recipe
    .map((operation) => kindOf(operation).slug(operation))
    .join('-')
    .slice(0, 100);
}
