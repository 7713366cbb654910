// Filters and tests of the template language, as Jinja has them; `tojson` as transformers has it. Others are refused by name.
import { Arguments, type Keywords } from './arguments.ts';
import { capitalized, itemOf, replaced, withoutArguments } from './methods.ts';
import {
  areEqual,
  Callable,
  characters,
  contains,
  Float,
  int,
  isDict,
  isList,
  isTrue,
  itemsOf,
  json,
  lengthOf,
  numeric,
  order,
  requireLength,
  Sequence,
  stripped,
  Tuple,
  text,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

type Filter = (value: Value, args: Arguments) => Value;

/** @throws Error for a filter that is not known, and as the filter does */
export function applyFilter(name: string, value: Value, args: readonly Value[], keywords: Keywords): Value {
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
  if (!filter) throw new Error(`the filter ${name} is not supported`);
  return filter(value, new Arguments(`the filter ${name}`, args, keywords));
}

/** Where Python's `splitlines` ends a line besides LF. */
const lineEnds = '\\v\\f\\r\\x1c-\\x1e\\x85\\u2028\\u2029';
const otherLineEnds = new RegExp(`[${lineEnds}]`);

const textFilter = (change: (text: string) => string): Filter => withoutArguments((value) => change(text(value)));

const filters: Readonly<Record<string, Filter>> = {
  abs: withoutArguments((value) => {
    const number = numeric(value);
    if (number === undefined) throw new Error(`it takes abs of a value of type ${typeName(value)}`);
    return value instanceof Float ? new Float(Math.abs(number)) : Math.abs(number);
  }),
  capitalize: textFilter(capitalized),
  count: withoutArguments(lengthOf),
  d: defaultFilter,
  default: defaultFilter,
  dictsort: (value, args) => {
    const [sensitive = false, by = 'key', reverse = false] = args.of('case_sensitive', 'by', 'reverse');
    if (!isDict(value) || (by !== 'key' && by !== 'value'))
      throw new Error(`it sorts ${typeName(value)} by ${text(by)}`);
    const part = ([key, item]: readonly [string, Value]) => folded(by === 'key' ? key : item, isTrue(sensitive));
    return sorted([...value], part, isTrue(reverse)).map((pair) => new Tuple(pair));
  },
  first: withoutArguments((value) => {
    const [first = new Undefined('the first of nothing is undefined')] = itemsOf(value);
    return first;
  }),
  float: (value, args) => {
    const [fallback = new Float(0)] = args.of('default');
    const number = numberOf(value, floatOf);
    return number === undefined ? fallback : new Float(number);
  },
  indent: (value, args) => {
    const [width = 4, first = false, blank = false] = args.of('width', 'first', 'blank');
    if (typeof value !== 'string') throw new Error(`it indents a value of type ${typeName(value)}`);
    const lines = value.split('\n');
    if (otherLineEnds.test(value)) throw new Error('it indents a text with odd line ends');
    if (typeof width === 'number') requireLength(width);
    const indent = typeof width === 'string' ? width : ' '.repeat(Math.max(numeric(width) ?? 0, 0));
    requireLength(lines.length * indent.length);
    return lines
      .map((line, i) => ((i === 0 ? isTrue(first) : isTrue(blank) || line !== '') ? `${indent}${line}` : line))
      .join('\n');
  },
  int: (value, args) => {
    const [fallback = 0, base = 10] = args.of('default', 'base');
    if (base !== 10) throw new Error('it gives the filter int a base, which is not supported');
    const number = numberOf(value, (text) => intOf(text) ?? floatOf(text));
    return number === undefined || !Number.isFinite(number) ? fallback : int(Math.trunc(number));
  },
  items: withoutArguments((value) => {
    if (!isDict(value) && !(value instanceof Undefined))
      throw new Error(`it takes the items of a value of type ${typeName(value)}`);
    const pairs = isDict(value) ? [...value] : [];
    return generator(pairs.map((pair) => new Tuple(pair)));
  }),
  join: (value, args) => {
    const [separator = '', attribute = null] = args.of('d', 'attribute');
    const items = itemsOf(value).map((item) => text(attributeAt(item, attribute)));
    requireLength(items.reduce((sum, item) => sum + item.length, 0) + items.length * text(separator).length);
    return items.join(text(separator));
  },
  last: withoutArguments((value) => {
    if (isGenerator(value))
      throw new Error('it takes the last of what a filter gave, which has no order: make it a list');
    const [last = new Undefined('the last of nothing is undefined')] = itemsOf(value).slice(-1);
    return last;
  }),
  length: withoutArguments(lengthOf),
  list: withoutArguments((value) => [...itemsOf(value)]),
  lower: textFilter((text) => text.toLowerCase()),
  map: (value, args) => {
    const [name, ...rest] = args.positional;
    if (name === undefined) {
      const [attribute = null, fallback] = args.of('attribute', 'default');
      if (attribute === null) throw new Error('it gives the filter map neither a filter nor an attribute');
      return mapped(value, (item) => {
        const found = attributeAt(item, attribute);
        return found instanceof Undefined && fallback !== undefined ? fallback : found;
      });
    }
    return mapped(value, (item) => applyFilter(text(name), item, rest, args.keywords));
  },
  reject: (value, args) => selected(value, args, (item) => item, false),
  rejectattr: (value, args) => selectedByAttribute(value, args, false),
  replace: (value, args) => {
    const [from, to, count = null] = args.of('old', 'new', 'count');
    if (from === undefined || to === undefined) throw new Error('it gives the filter replace too few arguments');
    return replaced(text(value), text(from), text(to), count);
  },
  reverse: withoutArguments((value) => {
    if (typeof value === 'string') return characters(value).reverse().join('');
    if (isGenerator(value)) throw new Error('it reverses what a filter gave: make it a list');
    return generator(itemsOf(value).toReversed());
  }),
  select: (value, args) => selected(value, args, (item) => item, true),
  selectattr: (value, args) => selectedByAttribute(value, args, true),
  sort: (value, args) => {
    const [reverse = false, sensitive = false, attribute = null] = args.of('reverse', 'case_sensitive', 'attribute');
    if (typeof attribute === 'string' && attribute.includes(','))
      throw new Error('it sorts by several attributes, which is not supported');
    const key = (item: Value) => folded(attributeAt(item, attribute), isTrue(sensitive));
    return sorted(itemsOf(value), key, isTrue(reverse));
  },
  string: textFilter((text) => text),
  title: textFilter((text) =>
    text
      .split(/([-\s({[<]+)/)
      .map((word) => capitalized(word))
      .join(''),
  ),
  tojson: (value, args) => {
    const [ascii = false, indent = null, separators = null, keys = false] = args.of(
      ...['ensure_ascii', 'indent', 'separators', 'sort_keys'],
    );
    if (indent !== null && !(typeof indent === 'number' && indent >= 0 && indent <= 100))
      throw new Error(`it gives the filter tojson the indent ${text(indent)}, allowed: 0 to 100`);
    const marks = separators === null ? [indent === null ? ', ' : ',', ': '] : itemsOf(separators).map(text);
    const [item = '', key = ''] = marks;
    if (marks.length !== 2) throw new Error('it gives the filter tojson other than two separators');
    return json(value, {
      ascii: isTrue(ascii),
      indent: indent ?? undefined,
      separators: [item, key],
      sorted: isTrue(keys),
    });
  },
  trim: (value, args) => {
    const [set = null] = args.of('chars');
    return stripped(text(value), set === null ? null : text(set));
  },
  unique: (value, args) => {
    const [sensitive = false, attribute = null] = args.of('case_sensitive', 'attribute');
    const seen: Value[] = [];
    const isNew = (item: Value) => {
      const key = folded(attributeAt(item, attribute), isTrue(sensitive));
      if (seen.some((one) => areEqual(one, key))) return false;
      return seen.push(key) > 0;
    };
    return generator(itemsOf(value).filter(isNew));
  },
  upper: textFilter((text) => text.toUpperCase()),
};

const generator = (items: readonly Value[]) => new Sequence('generator', items);
const isGenerator = (value: Value) => value instanceof Sequence && value.kind === 'generator';

function defaultFilter(value: Value, args: Arguments): Value {
  const [fallback = '', whenFalse = false] = args.of('default_value', 'boolean');
  return value instanceof Undefined || (isTrue(whenFalse) && !isTrue(value)) ? fallback : value;
}

/** Texts without their case, where it does not count. */
const folded = (value: Value, sensitive: boolean): Value =>
  typeof value === 'string' && !sensitive ? value.toLowerCase() : value;

/** Sorted, equal ones in their order, also when reversed. */
function sorted<T>(items: readonly T[], key: (item: T) => Value, reverse: boolean): T[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  return keyed.sort((a, b) => (reverse ? order(b.key, a.key) : order(a.key, b.key))).map(({ item }) => item);
}

/** An item's attribute by a path such as `function.name`; the item itself for none. */
function attributeAt(item: Value, path: Value): Value {
  if (path === null) return item;
  const parts: Value[] = typeof path === 'string' ? path.split('.') : [path];
  return parts.reduce<Value>((value, part) => {
    const isIndex = typeof part !== 'string' || /^\d+$/.test(part);
    return itemOf(value, isIndex ? Number(part) : part);
  }, item);
}

function mapped(value: Value, change: (item: Value) => Value): Sequence {
  let length = 0;
  const items = itemsOf(value).map((item) => {
    const changed = change(item);
    if (typeof changed === 'string') length += changed.length;
    requireLength(length);
    return changed;
  });
  return generator(items);
}

function selectedByAttribute(value: Value, args: Arguments, wanted: boolean): Sequence {
  const [attribute, ...rest] = args.positional;
  if (attribute === undefined) throw new Error('it gives no attribute to choose by');
  const others = new Arguments('the test', rest, args.keywords);
  return selected(value, others, (item) => attributeAt(item, attribute), wanted);
}

/** The items of which a test is true, or is not; without a test, whether the thing itself is. */
function selected(value: Value, args: Arguments, of: (item: Value) => Value, wanted: boolean): Sequence {
  const [name, ...rest] = args.positional;
  if (args.keywords.size > 0) throw new Error('it gives a test named arguments');
  const passes = (item: Value) => (name === undefined ? isTrue(item) : isTest(text(name), item, rest));
  return generator(itemsOf(value).filter((item) => passes(of(item)) === wanted));
}

/** The number in a text or a number; undefined for what has none. @throws Error for what is undefined */
function numberOf(value: Value, read: (text: string) => number | undefined): number | undefined {
  if (value instanceof Undefined) throw new Error(value.why);
  return typeof value === 'string' ? read(value) : numeric(value);
}

const intOf = (value: string): number | undefined => {
  const plain = stripped(value, null);
  return /^[+-]?\d+(?:_\d+)*$/.test(plain) ? Number(plain.replace(/_/g, '')) : undefined;
};

const floatOf = (value: string): number | undefined => {
  const plain = stripped(value, null).replace(/(?<=\d)_(?=\d)/g, '');
  const [, sign, word] = /^([+-]?)(inf|infinity|nan)$/i.exec(plain) ?? [];
  if (word) return /nan/i.test(word) ? Number.NaN : sign === '-' ? -Infinity : Infinity;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(plain) ? Number(plain) : undefined;
};

type Test = (value: Value, other: Value) => boolean;

const parity = (value: Value): number => {
  const number = numeric(value);
  if (number === undefined) throw new Error(`it asks whether a value of type ${typeName(value)} is odd or even`);
  return Math.abs(number % 2);
};
const equal: Test = (value, other) => areEqual(value, other);
const before: Test = (value, other) => order(value, other) < 0;
const after: Test = (value, other) => order(value, other) > 0;
const notAfter: Test = (value, other) => order(value, other) <= 0;
const notBefore: Test = (value, other) => order(value, other) >= 0;
const unequal: Test = (value, other) => !areEqual(value, other);

/** Tests of a value alone. */
const tests: Readonly<Record<string, (value: Value) => boolean>> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Callable || value instanceof Undefined,
  defined: (value) => !(value instanceof Undefined),
  even: (value) => parity(value) === 0,
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  integer: (value) => typeof value === 'number',
  iterable: (value) => isSequence(value) || value instanceof Sequence,
  lower: (value) => hasCase(text(value)) && text(value) === text(value).toLowerCase(),
  mapping: (value) => isDict(value),
  none: (value) => value === null,
  number: (value) => numeric(value) !== undefined,
  odd: (value) => parity(value) === 1,
  sequence: (value) => isSequence(value) || (value instanceof Sequence && value.kind === 'range'),
  string: (value) => typeof value === 'string',
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => hasCase(text(value)) && text(value) === text(value).toUpperCase(),
};

const isSequence = (value: Value) =>
  typeof value === 'string' || isList(value) || isDict(value) || value instanceof Tuple || value instanceof Undefined;
const hasCase = (text: string) => text.toLowerCase() !== text.toUpperCase();

/** Tests of a value and another. */
const relations: Readonly<Record<string, Test>> = {
  eq: equal,
  equalto: equal,
  '==': equal,
  ne: unequal,
  '!=': unequal,
  in: (value, other) => contains(other, value),
  lt: before,
  lessthan: before,
  '<': before,
  gt: after,
  greaterthan: after,
  '>': after,
  le: notAfter,
  '<=': notAfter,
  ge: notBefore,
  '>=': notBefore,
};

/** What an operator or a test that relates two values is; undefined for any other name. */
export function relationOf(name: string): Test | undefined {
  return Object.hasOwn(relations, name) ? relations[name] : undefined;
}

/** @throws Error for a test that is not known, or gets other arguments than it takes */
export function isTest(name: string, value: Value, args: readonly Value[]): boolean {
  const relation = relationOf(name);
  const test = relation ?? (Object.hasOwn(tests, name) ? tests[name] : undefined);
  if (!test) throw new Error(`the test ${name} is not supported`);
  if (args.length !== (relation ? 1 : 0)) throw new Error(`it gives the test ${name} ${args.length} arguments`);
  return test(value, args[0] ?? null);
}
