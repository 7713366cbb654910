// Recipes as JSON: in recipe files and in result files.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { aText, requireArgument } from '../platform/arguments.ts';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { parseJsonFile } from '../platform/strict-json.ts';
import { missingKey, type Recipe, readOperations, readParameters } from './recipe.ts';
import { type CompleteOperation, type KindName, kindNames, type Operation } from './registry.ts';

/** Version of recipe files. */
const format = 1;

/** The text of a recipe file. @throws SurgeryError `usage` for what is no recipe */
export function recipeText(recipe: Recipe): string {
  readOperations(recipe);
  return `${JSON.stringify({ format, operations: recipe }, null, 2)}\n`;
}

/**
 * Reads a recipe file: `{"format": 1, "operations": [{"kind": "pca", "variance": 0.3}, …]}`, or the list alone.
 * @throws SurgeryError `usage` with the place of a mistake
 */
export async function readRecipe(file: string): Promise<Recipe> {
  requireArgument('file', file, aText);
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
    const { operation, mistakes } = readParameters(value);
    for (const { key, given, message } of mistakes)
      context.issues.push({ code: 'custom', input: given, path: [key], message });
    return operation;
  });

const recipeSchema = z.strictObject({
  format: z.literal(format).optional(),
  operations: z.array(operationSchema).min(1, 'expected at least one operation'),
});

/** An operation in a results file: with nothing left to default. */
export const completeOperationSchema: z.ZodType<CompleteOperation> = operationSchema.transform((operation, context) => {
  try {
    const missing = missingKey(operation);
    if (missing) context.issues.push({ code: 'custom', input: operation, path: [missing], message: 'is missing' });
  } catch (cause) {
    context.issues.push({ code: 'custom', input: operation, message: messageOf(cause) });
  }
  return operation as CompleteOperation;
});
