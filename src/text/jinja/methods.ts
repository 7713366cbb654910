// Attributes, items and methods of values, as Jinja finds them in Python's. A method that is missing here is refused by name.
import { Arguments } from './arguments.ts';
import { whiteSpace } from './lexer.ts';
import {
  Callable,
  characters,
  type Dict,
  isDict,
  isList,
  itemsOf,
  requireLength,
  Sequence,
  Struct,
  stripped,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** What a dot gives. @throws Error for an attribute of nothing, and for one that Python has and this language has not */
export function attributeOf(value: Value, name: string): Value {
  if (value instanceof Undefined) throw new Error(value.why);
  const missing = new Undefined(`a value of type ${typeName(value)} has no attribute ${name}`);
  if (value instanceof Struct) return valueAt(value.attributes, name, missing);
  const method = methodOf(value, name);
  if (method) return new Callable(name, (args, keywords) => method(new Arguments(name, args, keywords)));
  if (name.startsWith('__') || value instanceof Callable || value instanceof Sequence || refusedOf(value).has(name))
    throw new Error(`the attribute ${name} of a value of type ${typeName(value)} is not supported`);
  return isDict(value) ? valueAt(value, name, missing) : missing;
}

/** A name's value, None too; `missing` where there is none. */
function valueAt(values: Dict, name: string, missing: Value): Value {
  const found = values.get(name);
  return found === undefined ? missing : found;
}

/** What brackets give. @throws Error as {@link attributeOf} */
export function itemOf(value: Value, key: Value): Value {
  if (value instanceof Undefined) throw new Error(value.why);
  if (typeof key === 'string') {
    const item = isDict(value) ? value.get(key) : undefined;
    return item === undefined ? attributeOf(value, key) : item;
  }
  const isOrdered = typeof value === 'string' || isList(value) || value instanceof Tuple || isRange(value);
  const index = typeof key === 'boolean' ? Number(key) : key;
  const item = isOrdered && typeof index === 'number' ? itemsOf(value).at(index) : undefined;
  return item === undefined ? new Undefined(`a value of type ${typeName(value)} has no such item`) : item;
}

const isRange = (value: Value) => value instanceof Sequence && value.kind === 'range';

/** Part of a list or a text, as Python's slices. @throws Error for what has no parts */
export function sliceOf(value: Value, start: Value, stop: Value, step: Value): Value {
  const [from, to, by] = [start, stop, step].map((bound) => {
    if (bound !== null && typeof bound !== 'number') throw new Error(`it slices at a value of type ${typeName(bound)}`);
    return bound ?? undefined;
  });
  if (typeof value === 'string') return sliced(characters(value), from, to, by).join('');
  if (isList(value)) return sliced(value, from, to, by);
  if (value instanceof Tuple) return new Tuple(sliced(value.items, from, to, by));
  throw new Error(`it takes a slice of a value of type ${typeName(value)}`);
}

function sliced<T>(items: readonly T[], start?: number, stop?: number, step = 1): T[] {
  if (step === 0) throw new Error('it takes a slice in steps of 0');
  const [least, end] = step > 0 ? [0, items.length] : [-1, items.length - 1];
  const bound = (at: number) => Math.min(Math.max(at < 0 ? at + items.length : at, least), end);
  const from = start === undefined ? (step > 0 ? 0 : end) : bound(start);
  const to = stop === undefined ? (step > 0 ? end : -1) : bound(stop);
  const count = Math.max(Math.ceil((to - from) / step), 0);
  return Array.from({ length: count }, (_, i) => items[from + i * step]).filter((item) => item !== undefined);
}

type Method = (args: Arguments) => Value;

function methodOf(value: Value, name: string): Method | undefined {
  if (typeof value === 'string' && Object.hasOwn(textMethods, name))
    return (args) => textMethods[name]?.(value, args) ?? null;
  if (isDict(value) && Object.hasOwn(dictMethods, name)) return (args) => dictMethods[name]?.(value, args) ?? null;
  return undefined;
}

const dictMethods: Readonly<Record<string, (dict: Dict, args: Arguments) => Value>> = {
  get: (dict, args) => {
    const [key, fallback = null] = args.of('key', 'default');
    return typeof key === 'string' ? valueAt(dict, key, fallback) : fallback;
  },
  items: view((dict) => Array.from(dict, (pair) => new Tuple(pair))),
  keys: view((dict) => [...dict.keys()]),
  values: view((dict) => [...dict.values()]),
};

function view(itemsOf: (dict: Dict) => readonly Value[]) {
  return withoutArguments((dict: Dict) => new Sequence('view', itemsOf(dict)));
}

/** A method, or a filter, that takes no arguments. */
export function withoutArguments<T>(method: (of: T) => Value): (of: T, args: Arguments) => Value {
  return (of, args) => {
    args.of();
    return method(of);
  };
}

const strip =
  (ends: 'both' | 'left' | 'right') =>
  (text: string, args: Arguments): Value => {
    const [set = null] = args.of('chars');
    if (set !== null && typeof set !== 'string') throw new Error(`it gives ${args.to} a value that is not text`);
    return stripped(text, set, ends);
  };

/** What `startswith` and `endswith` look for: a string, or the strings of a tuple. */
function alternatives(args: Arguments): string[] {
  const [one] = args.of('affix');
  return one instanceof Tuple
    ? one.items.flatMap((item) => new Arguments(args.to, [item]).texts('affix'))
    : args.texts('affix');
}

const textMethods: Readonly<Record<string, (text: string, args: Arguments) => Value>> = {
  capitalize: withoutArguments(capitalized),
  count: (text, args) => {
    const [part = ''] = args.texts('sub');
    return part === '' ? characters(text).length + 1 : text.split(part).length - 1;
  },
  endswith: (text, args) => alternatives(args).some((end) => text.endsWith(end)),
  find: (text, args) => {
    const [part = ''] = args.texts('sub');
    const at = text.indexOf(part);
    return at < 0 ? at : characters(text.slice(0, at)).length;
  },
  join: (text, args) => {
    const [value = null] = args.of('iterable');
    const parts = itemsOf(value).flatMap((item) => new Arguments(args.to, [item]).texts('item'));
    requireLength(parts.reduce((sum, part) => sum + part.length, 0) + parts.length * text.length);
    return parts.join(text);
  },
  lower: withoutArguments((text) => text.toLowerCase()),
  lstrip: strip('left'),
  removeprefix: (text, args) => {
    const [part = ''] = args.texts('prefix');
    return text.startsWith(part) ? text.slice(part.length) : text;
  },
  removesuffix: (text, args) => {
    const [part = ''] = args.texts('suffix');
    return part !== '' && text.endsWith(part) ? text.slice(0, -part.length) : text;
  },
  replace: (text, args) => {
    const [from, to, count = null] = args.of('old', 'new', 'count');
    if (typeof from !== 'string' || typeof to !== 'string')
      throw new Error('it gives replace a value that is not text');
    return replaced(text, from, to, count);
  },
  rstrip: strip('right'),
  split: (text, args) => {
    const [separator = null, most = -1] = args.of('sep', 'maxsplit');
    if ((separator !== null && typeof separator !== 'string') || typeof most !== 'number')
      throw new Error('it gives split a value that is neither text nor a number');
    return separator === null ? words(text, most) : split(text, separator, most);
  },
  startswith: (text, args) => alternatives(args).some((begin) => text.startsWith(begin)),
  strip: strip('both'),
  title: withoutArguments((text) => text.replace(/\p{Cased}+/gu, capitalized)), // upper case after anything but a letter
  upper: withoutArguments((text) => text.toUpperCase()),
};

/** The first letter in upper case, the others in lower case. @throws Error for one of the few letters with a third form for this place */
export function capitalized(text: string): string {
  const [first = ''] = characters(text);
  const large = first.toUpperCase();
  if (characters(large).length > 1 || /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff\u1f80-\u1fff]/.test(first))
    throw new Error(`it makes ${first} large, which is not supported`);
  return `${large}${text.slice(first.length).toLowerCase()}`;
}

/** A text with the first `count` occurrences of a part replaced, or all for none. @throws Error if it gets too long */
export function replaced(text: string, from: string, to: string, count: Value): string {
  if (count !== null && typeof count !== 'number') throw new Error('it replaces a number of times that is none');
  const most = count === null || count < 0 ? Number.POSITIVE_INFINITY : count;
  const parts = from === '' ? ['', ...characters(text), ''] : text.split(from);
  const done = Math.min(most, parts.length - 1);
  requireLength(text.length + done * to.length);
  const head = parts.slice(0, done + 1).join(to);
  return [head, ...parts.slice(done + 1)].join(from);
}

function split(text: string, separator: string, most: number): string[] {
  if (separator === '') throw new Error('it splits a text at an empty text');
  const parts = text.split(separator);
  return most < 0 || parts.length <= most ? parts : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** Split at white space, of which there is none at the begin; the last of `most` keeps what is at its end. */
function words(text: string, most: number): string[] {
  const found = stripped(text, null, 'left').split(new RegExp(`(${whiteSpace}+)`));
  const parts = found.filter((part, i) => i % 2 === 0 && part !== '');
  if (most < 0 || parts.length <= most) return parts;
  return [...parts.slice(0, most), found.slice(2 * most).join('')];
}

const listed = (names: string) => new Set(names.split(' '));

/** Methods and attributes of Python's that are missing here, by the type that has them. */
const refused = {
  text: listed(
    'casefold center encode expandtabs format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans partition rfind rindex rjust rpartition rsplit splitlines swapcase translate zfill',
  ),
  dict: listed('clear copy fromkeys pop popitem setdefault update'),
  list: listed('append clear copy count extend index insert pop remove reverse sort'),
  number: listed(
    'as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes',
  ),
  none: new Set<string>(),
};

function refusedOf(value: Value): ReadonlySet<string> {
  if (typeof value === 'string') return refused.text;
  if (isDict(value)) return refused.dict;
  if (isList(value) || value instanceof Tuple) return refused.list;
  return value === null ? refused.none : refused.number;
}
