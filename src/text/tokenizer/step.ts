// tokenizer.json describes each part as steps, `{"type": …, …}`, alone or in a Sequence: their reading, by name.
import type { z } from 'zod';
import { shown } from '../../platform/errors.ts';

/** One step and where it stands in the file, such as `pre_tokenizer.pretokenizers[1]`. */
export interface Step {
  readonly where: string;
  /**
   * Its fields.
   * @throws Error if they are not what the schema says
   */
  fields<T>(schema: z.ZodType<T>): T;
}

/** What makes a step of each type that is supported. */
export type Makers<T> = Readonly<Record<string, (step: Step) => T>>;

/**
 * What `makers` make of a part of tokenizer.json, step by step. Sequences, whose steps stand under `list`, are laid flat;
 * a part that is absent has no steps.
 * @throws Error that names the step if it is of another type, or its fields are wrong
 */
export function makeSteps<T>(part: unknown, where: string, list: string, makers: Makers<T>): T[] {
  if (part === null || part === undefined) return [];
  const type = field(part, 'type');
  const inner = field(part, list);
  if (type === 'Sequence' && Array.isArray(inner))
    return inner.flatMap((one, i) => makeSteps(one ?? 'null', `${where}.${list}[${i}]`, list, makers));
  const make = typeof type === 'string' && Object.hasOwn(makers, type) ? makers[type] : undefined;
  if (!make) throw new Error(`${where}: type ${shown(type)} is not supported (${Object.keys(makers).join(', ')} are)`);
  return [make({ where, fields: (schema) => readFields(part, where, schema) })];
}

/**
 * A part of tokenizer.json as a schema has it.
 * @throws Error that says where it is not so
 */
export function readFields<T>(part: unknown, where: string, schema: z.ZodType<T>): T {
  const read = schema.safeParse(part);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new Error([where, ...(issue?.path ?? [])].join('.').concat(`: ${issue?.message}`));
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
