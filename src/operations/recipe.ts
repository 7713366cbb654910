// A recipe: the operations that make a variant, in order; its hash and its words.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { layerOf } from '../checkpoint/names.ts';
import { type Allowed, described, isPlainObject, requireArgument } from '../platform/arguments.ts';
import { canonicalHash } from '../platform/canonical.ts';
import { messageOf, SurgeryError, shown } from '../platform/errors.ts';
import { NotAllowed } from '../platform/option-values.ts';
import type { Field } from './kind.ts';
import { type CompleteOperation, type KindName, kindNames, kindOf, kinds, type Operation } from './registry.ts';

/** Operations that make a variant, applied in order. */
export type Recipe = readonly Operation[];
/** A recipe with every default filled in. */
export type CompleteRecipe = readonly CompleteOperation[];

/**
 * Fills in every default.
 * @throws SurgeryError `usage` for what is no recipe, and for parameters that this model does not allow
 */
export function completeRecipe(recipe: Recipe, config: LlamaConfig): CompleteRecipe {
  const operations = readOperations(recipe);
  requireConfig(config);
  return operations.map((operation) => kindOf(operation).complete(operation, config));
}

/**
 * The operations of a recipe from outside.
 * @throws SurgeryError `usage` for what is no recipe, a key that a kind does not have and a value that it does not take
 */
export function readOperations(recipe: Recipe): readonly Operation[] {
  requireArgument('the recipe', recipe, aRecipe);
  return recipe.map((given, i) => readOperation(given, recipe.length > 1 ? `operation ${i + 1}: ` : ''));
}

const aRecipe: Allowed = {
  words: 'a list of operations, such as [{"kind": "pca", "variance": 0.5}]',
  test: (value) => Array.isArray(value) && value.length > 0,
};

/** @throws SurgeryError `usage` for anything else than a checkpoint's config */
export function requireConfig(config: LlamaConfig): void {
  requireArgument('config', config, {
    words: "a checkpoint's config",
    test: (value) => isPlainObject(value) && Number.isInteger(value.layers),
  });
}

/** @throws SurgeryError `usage` */
function readOperation(given: unknown, where: string): Operation {
  requireArgument(`${where}an operation`, given, {
    words: 'an object with its kind, such as {"kind": "pca"}',
    test: isPlainObject,
  });
  const { kind, ...rest } = given as { readonly kind: KindName };
  requireArgument(`${where}kind`, kind, {
    words: kindNames.join(', '),
    test: (name) => kindNames.includes(name as KindName),
  });
  const {
    operation,
    mistakes: [mistake],
  } = readParameters({ kind, ...rest });
  if (mistake) throw new SurgeryError('usage', `${where}${mistake.message}`);
  return operation;
}

/** A key of an operation that its kind does not have, or a value that it does not take. */
export interface Mistake {
  readonly key: string;
  readonly given: unknown;
  readonly message: string;
}

/**
 * An operation from outside, its kind known: every key a field of the kind, every value one that its option would take, in
 * its own type or as the option's text.
 */
export function readParameters(given: { readonly kind: KindName }): {
  readonly operation: Operation;
  readonly mistakes: readonly Mistake[];
} {
  const { kind, ...parameters } = given;
  const fields: Readonly<Record<string, Field<unknown>>> = kinds[kind].fields;
  const spec: Record<string, unknown> = { kind };
  const mistakes: Mistake[] = [];
  for (const [key, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    try {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (!field) throw new Error(`${kind} has no field ${shown(key)}, allowed: ${Object.keys(fields).join(', ')}`);
      spec[key] = field.parse(optionText(key, value));
    } catch (cause) {
      const message =
        cause instanceof NotAllowed ? `${key} is ${described(value)}, allowed: ${cause.allowed}` : messageOf(cause);
      mistakes.push({ key, given: value, message });
    }
  }
  return { operation: spec as unknown as Operation, mistakes };
}

/** A value as an option's text would say it. */
function optionText(key: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' || typeof one === 'number'))
    return value.join();
  if (typeof value === 'object' && value && 'rule' in value && 'of' in value) return `${value.rule} of ${value.of}`;
  throw new Error(`${key} is ${described(value)}, which no option takes`);
}

/**
 * Names of the tensors that at least one of the recipes changes, each once.
 * @throws SurgeryError as {@link completeRecipe} does
 */
export function touchedBy(recipes: readonly Recipe[], config: LlamaConfig): string[] {
  requireArgument('recipes', recipes, {
    words: 'a list of recipes, which are lists of operations',
    test: Array.isArray,
  });
  const operations = recipes.flatMap((recipe) => completeRecipe(recipe, config));
  return [...new Set(operations.flatMap((operation) => kindOf(operation).touches(operation, config)))];
}

/** Whether an operation of a recipe looks at the calibration text. */
export function isCalibrated(recipe: CompleteRecipe, config: LlamaConfig): boolean {
  return recipe.some((operation) => kindOf(operation).needs?.(operation, config) !== undefined);
}

/** The first layer that a recipe changes; Infinity if it changes nothing. */
export function firstLayer(recipe: Recipe, config: LlamaConfig): number {
  return Math.min(...touchedBy([recipe], config).map(layerOf));
}

/** Larger than any model: an operation is checked in itself, not against the model that it was made for. */
const anyModel = {
  layers: 4096,
  heads: 1e6,
  kvHeads: 1e6,
  headDim: 1e3,
  hiddenSize: 1e9,
  intermediateSize: 1e9,
} as LlamaConfig;

/** A key that an operation with nothing left to default has, and this one lacks. @throws SurgeryError as its completion does */
export function missingKey(operation: Operation): string | undefined {
  const whole: object = kindOf(operation).complete(operation, anyModel);
  return Object.keys(whole).find((key) => !(key in operation));
}

/**
 * 16 hexadecimal digits of a SHA-256: equal recipes have equal hashes, whatever the order of their keys.
 * @param calibration what names the calibration text, of a recipe that looks at it: on another text it makes another variant
 * @throws SurgeryError `usage` for a recipe that leaves something to default, which is another for each model
 */
export function recipeHash(recipe: CompleteRecipe, calibration?: string): string {
  for (const operation of readOperations(recipe)) {
    const missing = missingKey(operation);
    if (missing !== undefined)
      throw new SurgeryError(
        'usage',
        `${missing} is missing, allowed: a recipe with nothing left to default, from completeRecipe`,
      );
  }
  return canonicalHash(calibration === undefined ? recipe : { recipe, calibration });
}

/** The recipe in a line. @param layers number of layers of the model */
export function describeRecipe(recipe: CompleteRecipe, layers: number): string {
  return recipe.map((operation) => kindOf(operation).describe(operation, layers)).join('; then ');
}

/** The recipe in a few words, for tables. */
export function recipeLabel(recipe: CompleteRecipe, layers: number): string {
  return recipe.map((operation) => kindOf(operation).label(operation, layers)).join(' + ');
}

/** The recipe as a part of a folder's name. */
export function recipeSlug(recipe: CompleteRecipe, layers: number): string {
  return recipe
    .map((operation) => kindOf(operation).slug(operation, layers))
    .join('-')
    .slice(0, 100);
}
