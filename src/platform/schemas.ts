// Fast zod schemas for long lists of numbers, and their error messages.
import { z } from 'zod';
import { shown } from './errors.ts';

/** A type that z.infer gives, for reading only. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? T extends readonly [unknown, ...unknown[]]
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

export type Path = readonly (string | number)[];
/** What is wrong, and where. */
export type Issue = z.core.$ZodRawIssue & { readonly path: (string | number)[]; readonly message: string };

/** What is wrong in a place below a value. */
export function problem(input: unknown, path: Path, message: string): Issue {
  return { code: 'custom', input, path: [...path], message };
}

const received = (expected: string, value: unknown) => `Invalid input: expected ${expected}, received ${shown(value)}`;

/** A list, checked faster than by z.array: the cells of a study hold hundreds of thousands of figures. */
function fastList<T>(isItem: (one: unknown) => one is T, name: string) {
  return z.custom<T[]>().check(({ value, issues }) => {
    const at = Array.isArray(value) ? value.findIndex((one) => !isItem(one)) : undefined;
    if (at === undefined) issues.push(problem(value, [], received('array', value)));
    else if (at >= 0) issues.push(problem(value[at], [at], received(name, value[at])));
  });
}

export const texts = fastList((one): one is string => typeof one === 'string', 'string');
export const numbers = fastList((one): one is number => Number.isFinite(one), 'number');

/** Finite numbers by name, faster than z.record for the same reason. */
export const numbersByName = z.custom<Record<string, number>>().check(({ value, issues }) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    issues.push(problem(value, [], received('record', value)));
    return;
  }
  const name = Object.keys(value).find((key) => !Number.isFinite(value[key]));
  if (name !== undefined) issues.push(problem(value[name], [name], received('number', value[name])));
});

/** Lists that belong together, item by item, and are not as long as the first of them. */
export function lengthIssues(lists: Readonly<Record<string, readonly unknown[]>>): Issue[] {
  const [[first, { length }] = ['', []], ...others] = Object.entries(lists);
  return others.flatMap(([key, own]) =>
    own.length === length ? [] : problem(own, [key], `expected ${length} items as in ${first}, received ${own.length}`),
  );
}

/** A check that the lists under these keys of an object are of one length. */
export function ofOneLength<K extends string>(...keys: readonly K[]) {
  return ({ value, issues }: z.core.ParsePayload<Readonly<Record<K, readonly unknown[]>>>): void => {
    issues.push(...lengthIssues(Object.fromEntries(keys.map((key) => [key, value[key]]))));
  };
}
