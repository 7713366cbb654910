// Values of the template language, with the meaning that Python gives them: truth, equality, order, text, JSON.
import { itemAt } from '../../platform/indexing.ts';
import { trimmedEnd, whiteSpace } from './lexer.ts';

/** A list is an array, a dict a Map, an int a number. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Float
  | Undefined
  | Tuple
  | Sequence
  | Struct
  | Callable
  | readonly Value[]
  | Dict;
export type Dict = ReadonlyMap<string, Value>;

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** What has no value. It prints as nothing and is false; its attributes are an error. */
export class Undefined {
  /** Why there is none, for that error. */
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** What `range`, a dict's `items()` and filters such as `map` give. The last kind has no length and can be read once. */
export class Sequence {
  readonly kind: 'range' | 'view' | 'generator';
  readonly items: readonly Value[];
  read = false;
  constructor(kind: Sequence['kind'], items: readonly Value[]) {
    this.kind = kind;
    this.items = items;
  }
}

/** A namespace, whose attributes can be set, or the `loop` of a loop. */
export class Struct {
  readonly name: 'namespace' | 'loop';
  readonly attributes: Map<string, Value>;
  constructor(name: Struct['name'], attributes: Map<string, Value>) {
    this.name = name;
    this.attributes = attributes;
  }
}

export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], keywords: ReadonlyMap<string, Value>) => Value;
  constructor(name: string, call: Callable['call']) {
    this.name = name;
    this.call = call;
  }
}

/** Characters that any text may have, and items that any list may have, with what is in it. */
export const most = { characters: 2_000_000, items: 100_000 };

/** @throws Error for a text that would be longer than any may be */
export function requireLength(characters: number): void {
  if (!(characters <= most.characters)) throw tooLarge();
}

export function tooLarge(): Error {
  return new Error(`it makes a value of more than ${most.items} items or ${most.characters} characters`);
}

/** A value of JavaScript's own as one of the language: whole numbers are ints. */
export function fromJs(given: unknown): Value {
  if (given === undefined || given === null) return null;
  if (typeof given === 'string' || typeof given === 'boolean') return given;
  if (typeof given === 'number') return Number.isInteger(given) ? given : new Float(given);
  if (given instanceof Callable) return given;
  if (Array.isArray(given)) return given.map(fromJs);
  return new Map(Object.entries(given).map(([key, value]) => [key, fromJs(value)]));
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
export const isDict = (value: Value): value is Dict => value instanceof Map;

/** A number's value, a truth's too, which counts as 1 or 0; undefined for anything else. */
export function numeric(value: Value): number | undefined {
  if (value instanceof Float) return value.value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' ? value : undefined;
}

/** @throws Error for a whole number that JavaScript does not hold exactly */
export function int(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Error(`it computes the number ${value}, which is too large`);
  return value === 0 ? 0 : value;
}

export function typeName(value: Value): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return 'int';
  if (typeof value === 'string') return 'str';
  if (value instanceof Float) return 'float';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Sequence) return value.kind;
  if (value instanceof Struct) return value.name;
  if (value instanceof Callable) return 'function';
  if (isList(value)) return 'list';
  return value instanceof Undefined ? 'undefined' : 'dict';
}

export function isTrue(value: Value): boolean {
  const number = numeric(value);
  if (number !== undefined) return number !== 0;
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === 'string' || isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Sequence) return value.kind === 'generator' || value.items.length > 0;
  return true;
}

/** Code points of a text. */
export const characters = (text: string): string[] => Array.from(text);

/** What a loop over a value goes through. @throws Error for what cannot be looped over, and for what was read before */
export function itemsOf(value: Value): readonly Value[] {
  if (isList(value)) return value;
  if (typeof value === 'string') return characters(value);
  if (isDict(value)) return [...value.keys()];
  if (value instanceof Tuple) return value.items;
  if (value instanceof Undefined) return [];
  if (!(value instanceof Sequence)) throw new Error(`it loops over a value of type ${typeName(value)}`);
  if (value.kind === 'generator' && value.read)
    throw new Error('it reads twice what a filter gave, which is not supported: make it a list');
  value.read = true;
  return value.items;
}

/** @throws Error for what has no length */
export function lengthOf(value: Value): number {
  if (
    value instanceof Struct ||
    (value instanceof Sequence && value.kind === 'generator') ||
    numeric(value) !== undefined
  )
    throw new Error(`it asks for the length of a value of type ${typeName(value)}`);
  return itemsOf(value).length;
}

export function areEqual(a: Value, b: Value): boolean {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined || y !== undefined) return x === y;
  if (a instanceof Undefined) return b instanceof Undefined;
  if (isList(a)) return isList(b) && areAllEqual(a, b);
  if (a instanceof Tuple) return b instanceof Tuple && areAllEqual(a.items, b.items);
  if (isDict(a)) return isDict(b) && a.size === b.size && [...a].every(([key, value]) => hasEqual(b, key, value));
  if (a instanceof Sequence && b instanceof Sequence && a !== b)
    throw new Error(`it compares two values of type ${typeName(a)}, which is not supported`);
  return a === b;
}

const areAllEqual = (a: readonly Value[], b: readonly Value[]): boolean =>
  a.length === b.length && a.every((item, i) => areEqual(item, b[i] ?? null));

function hasEqual(dict: Dict, key: string, value: Value): boolean {
  const other = dict.get(key);
  return other !== undefined && areEqual(value, other);
}

/** Negative, zero or positive as `a` comes before, with or after `b`. @throws Error for types without a common order */
export function order(a: Value, b: Value): number {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a !== 'string' || typeof b !== 'string')
    throw new Error(`it compares ${typeName(a)} and ${typeName(b)}, which have no order`);
  return Buffer.compare(Buffer.from(a), Buffer.from(b)); // UTF-8 keeps the order of code points
}

/** Whether `value` is in a container, as `in` asks. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === 'string') {
    if (typeof value !== 'string') throw new Error(`it looks for a value of type ${typeName(value)} in a text`);
    return container.includes(value);
  }
  if (isDict(container)) {
    if (isList(value) || isDict(value)) throw new Error(`it looks for a value of type ${typeName(value)} in a dict`);
    return typeof value === 'string' && container.has(value);
  }
  return itemsOf(container).some((item) => areEqual(item, value));
}

/** A value's text, where it is printed or joined. @throws Error for what Python prints with its place in memory */
export function text(value: Value): string {
  if (typeof value === 'string') return value;
  return value instanceof Undefined ? '' : repr(value);
}

/** Python's `repr(…)`: a value as it is written inside a list. */
function repr(value: Value): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return quoted(value);
  if (value instanceof Float) return floatText(value.value);
  if (isList(value)) return `[${value.map(repr).join(', ')}]`;
  if (isDict(value)) return `{${[...value].map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(', ')}}`;
  if (value instanceof Tuple)
    return value.items.length === 1 ? `(${value.items.map(repr)},)` : `(${value.items.map(repr).join(', ')})`;
  if (value instanceof Undefined) return 'Undefined';
  throw new Error(`it prints a value of type ${typeName(value)}, which is not supported`);
}

/** Shortest digits that give the number back; an exponent below 1e-4 and from 1e16 on. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const [digits = '', power = '0'] = value.toExponential().split('e');
  if (value !== 0 && (Number(power) < -4 || Number(power) >= 16))
    return `${digits}e${power.startsWith('-') ? '-' : '+'}${power.slice(1).padStart(2, '0')}`;
  const plain = Object.is(value, -0) ? '-0' : String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text
    .replace(/\\/g, '\\\\')
    .replaceAll(quote, `\\${quote}`)
    .replace(unprintable, (found) => {
      const code = (found.codePointAt(0) as number).toString(16);
      const [letter, width] = code.length <= 2 ? ['x', 2] : code.length <= 4 ? ['u', 4] : ['U', 8];
      return short[found] ?? `\\${letter}${code.padStart(width, '0')}`;
    });
  return `${quote}${inside}${quote}`;
}

export interface JsonStyle {
  readonly ascii: boolean;
  readonly indent: number | undefined;
  readonly separators: readonly [item: string, key: string];
  readonly sorted: boolean;
}

/** Python's `json.dumps(…)`. @throws Error for what has no JSON */
export function json(value: Value, style: JsonStyle): string {
  let length = 0;
  const { ascii, indent, separators, sorted } = style;
  const [itemSeparator, keySeparator] = separators;
  const counted = (part: string) => {
    length += part.length;
    requireLength(length);
    return part;
  };
  const string = (text: string) =>
    counted(JSON.stringify(text)).replace(/[\x7f-\uffff]/g, (c) =>
      ascii ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c,
    );
  const wrapped = (parts: readonly string[], [open, close]: readonly [string, string], depth: number) => {
    if (parts.length === 0) return `${open}${close}`;
    if (indent === undefined) return `${open}${parts.join(itemSeparator)}${close}`;
    const line = (level: number) => counted(`\n${' '.repeat(indent * level)}`);
    const between = `${itemSeparator}${line(depth + 1)}`;
    length += between.length * parts.length;
    return `${open}${line(depth + 1)}${parts.join(between)}${line(depth)}${close}`;
  };
  const write = (one: Value, depth: number): string => {
    if (one === null) return 'null';
    if (typeof one === 'boolean' || typeof one === 'number') return counted(String(one));
    if (typeof one === 'string') return string(one);
    if (one instanceof Float) return counted(floatText(one.value).replace('inf', 'Infinity').replace('nan', 'NaN'));
    if (isList(one) || one instanceof Tuple)
      return wrapped(
        itemsOf(one).map((item) => write(item, depth + 1)),
        ['[', ']'],
        depth,
      );
    if (!isDict(one)) throw new Error(`it makes JSON of a value of type ${typeName(one)}`);
    const entries = sorted ? [...one].sort(([a], [b]) => order(a, b)) : [...one];
    return wrapped(
      entries.map(([key, item]) => `${string(key)}${keySeparator}${write(item, depth + 1)}`),
      ['{', '}'],
      depth,
    );
  };
  return write(value, 0);
}

const leadingBlanks = new RegExp(`^${whiteSpace}+`);

/** Python's `str.strip(set)`: a text without the characters of a set at its ends; white space if no set is given. */
export function stripped(text: string, set: string | null, ends: 'both' | 'left' | 'right' = 'both'): string {
  if (set === null) {
    const right = ends === 'left' ? text : trimmedEnd(text);
    return ends === 'right' ? right : right.replace(leadingBlanks, '');
  }
  const points = characters(text);
  const isOff = (at: number) => set.includes(itemAt(points, at));
  let [from, to] = [0, points.length];
  if (ends !== 'left') while (to > 0 && isOff(to - 1)) to--;
  if (ends !== 'right') while (from < to && isOff(from)) from++;
  return points.slice(from, to).join('');
}
