// A recipe: the operations that make a variant, in order; its hash and its words.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { canonicalHash } from '../platform/canonical.ts';
import { type CompleteOperation, kindOf, type Operation } from './registry.ts';

export type Recipe = readonly Operation[];
/** With nothing left to default. */
export type CompleteRecipe = readonly CompleteOperation[];

/** @throws SurgeryError `usage` for what an operation cannot do on this model */
export function completeRecipe(recipe: Recipe, config: LlamaConfig): CompleteRecipe {
  return recipe.map((operation) => kindOf(operation).complete(operation, config));
}

/** Names of the tensors that some recipes change. */
export function touchedBy(recipes: readonly CompleteRecipe[], config: LlamaConfig): string[] {
  return [...new Set(recipes.flat().flatMap((operation) => kindOf(operation).touches(operation, config)))];
}

/** 16 hexadecimal digits that name a recipe: equal for equal operations, however they were written down. */
export function recipeHash(recipe: CompleteRecipe): string {
  return canonicalHash(recipe);
}

/** In a line. @param layers of the model */
export function describeRecipe(recipe: CompleteRecipe, layers: number): string {
  return recipe.map((operation) => kindOf(operation).describe(operation, layers)).join('; then ');
}

/** In a few words, for tables. */
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
