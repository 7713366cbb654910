// Recipes as JSON: in recipe files and in result files.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { LlamaConfig } from '../checkpoint/config.ts';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { parseJsonFile } from '../platform/strict-json.ts';
import type { Recipe } from './recipe.ts';
import { type CompleteOperation, type KindName, kindNames, kindOf, kinds, type Operation } from './registry.ts';

/** Version of recipe files. */
const format = 1;

/** The text of a recipe file. */
export function recipeText(recipe: Recipe): string {
  return `${JSON.stringify({ format, operations: recipe }, null, 2)}\n`;
}

/**
 * Reads a recipe file: `{"format": 1, "operations": [{"kind": "pca", "variance": 0.3}, …]}`, or the list alone.
 * @throws SurgeryError `usage` with the place of a mistake
 */
export async function readRecipe(file: string): Promise<Recipe> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new SurgeryError('usage', `${file} cannot be read: ${systemMessage(cause)}`, cause);
  }
  const value = parseJsonFile(text, 'usage', file);
  const parsed = recipeSchema.safeParse(Array.isArray(value) ? { operations: value } : value);
  if (parsed.success) return parsed.data.operations;
  const issue = parsed.error.issues[0];
  throw new SurgeryError('usage', `${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
}

/** An operation in a file: every key a field of its kind, every value one that its option would take. */
export const operationSchema: z.ZodType<Operation> = z
  .looseObject({ kind: z.enum(kindNames as [KindName, ...KindName[]]) })
  .transform((value, context) => {
    const { fields } = kinds[value.kind] as { readonly fields: Readonly<Record<string, FieldReader>> };
    const spec: Record<string, unknown> = { kind: value.kind };
    for (const [key, given] of Object.entries(value)) {
      if (key === 'kind' || given === undefined) continue;
      try {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (!field) throw new Error(`${value.kind} has no such field, allowed: ${Object.keys(fields).join(', ')}`);
        spec[key] = field.parse(textOf(given));
      } catch (cause) {
        context.issues.push({ code: 'custom', input: given, path: [key], message: messageOf(cause) });
      }
    }
    return spec as unknown as Operation;
  });

const recipeSchema = z.strictObject({
  format: z.literal(format).optional(),
  operations: z.array(operationSchema).min(1, 'expected at least one operation'),
});

interface FieldReader {
  parse(text: string): unknown;
}

/** A JSON value as an option's text would say it. */
function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' || typeof one === 'number'))
    return value.join();
  if (typeof value === 'object' && value && 'rule' in value && 'of' in value) return `${value.rule} of ${value.of}`;
  throw new Error(`${JSON.stringify(value)} is not a value that an option takes`);
}

/** Larger than any model: an operation of a file is checked in itself, not against the model it was made for. */
const anyModel = { layers: 4096, heads: 1e6, kvHeads: 1e6, intermediateSize: 1e9 } as LlamaConfig;

/** An operation in a results file: with nothing left to default. */
export const completeOperationSchema: z.ZodType<CompleteOperation> = operationSchema.transform((operation, context) => {
  try {
    const whole: object = kindOf(operation).complete(operation, anyModel);
    const missing = Object.keys(whole).find((key) => !(key in operation));
    if (missing) context.issues.push({ code: 'custom', input: operation, path: [missing], message: 'is missing' });
  } catch (cause) {
    context.issues.push({ code: 'custom', input: operation, message: messageOf(cause) });
  }
  return operation as CompleteOperation;
});
