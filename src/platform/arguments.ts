// Arguments of the library's functions: what each may be, and the one line that refuses anything else. Programs in plain
// JavaScript have no compiler that would.
import { SurgeryError, shown } from './errors.ts';

/** What an argument may be. */
export interface Allowed {
  /** In words, after "allowed: ". */
  readonly words: string;
  readonly test: (value: unknown) => boolean;
}

/** What each option of a function may be; the compiler asks for every one. */
export type AllowedOptions<Options> = { readonly [Key in keyof Options]-?: Allowed };

export const aText: Allowed = { words: 'a string', test: (value) => typeof value === 'string' };
export const aFlag: Allowed = { words: 'true or false', test: (value) => typeof value === 'boolean' };
export const aFunction: Allowed = { words: 'a function', test: (value) => typeof value === 'function' };

/** A whole number. */
export function aCount(least: number, most = Number.MAX_SAFE_INTEGER): Allowed {
  return {
    words: `a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
    test: (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  };
}

/** A number, `from` itself only if not `above`. */
export function aNumber(from: number, to: number, above = false): Allowed {
  return {
    words: `a number ${above ? 'above' : 'from'} ${from} up to ${to}`,
    test: (value) => typeof value === 'number' && value >= from && value <= to && !(above && value === from),
  };
}

export function oneOfWords(words: readonly string[]): Allowed {
  return { words: words.join(', '), test: (value) => typeof value === 'string' && words.includes(value) };
}

export function optional({ words, test }: Allowed): Allowed {
  return { words, test: (value) => value === undefined || test(value) };
}

/** @param words of the whole list @param least items */
export function aList({ test }: Allowed, words: string, least = 0): Allowed {
  return { words, test: (value) => Array.isArray(value) && value.length >= least && value.every(test) };
}

/** @throws SurgeryError `usage` for a value that is not allowed */
export function requireArgument(name: string, value: unknown, { words, test }: Allowed): void {
  if (!test(value)) throw new SurgeryError('usage', `${name} is ${described(value)}, allowed: ${words}`);
}

/**
 * Checks the options that are given; those that are undefined have their defaults.
 * @param entry the function's name
 * @throws SurgeryError `usage` for a name that is no option, and for a value that is not allowed
 */
export function requireOptions<Options extends object>(
  entry: string,
  options: Options,
  allowed: AllowedOptions<Options>,
): void {
  const names = Object.keys(allowed);
  requireArgument(`${entry}: options`, options, { words: `an object with ${names.join(', ')}`, test: isPlainObject });
  for (const [name, value] of Object.entries(options)) {
    const own = Object.hasOwn(allowed, name) ? allowed[name as keyof Options] : undefined;
    if (!own) throw new SurgeryError('usage', `${entry} has no option ${shown(name)}, allowed: ${names.join(', ')}`);
    if (value !== undefined) requireArgument(`${entry}: ${name}`, value, own);
  }
}

/** Whether a value is an object and neither a list nor of a class. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A value in an error message. */
export function described(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value instanceof Promise) return 'a Promise (put await before it)';
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value))
    return `a ${value.constructor.name}`;
  return typeof value === 'number' ? String(value) : shown(value);
}
