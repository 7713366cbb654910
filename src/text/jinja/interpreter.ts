// Runs a parsed template, with Jinja's scopes and Python's values, on an allowance that a hostile one cannot exceed.
import { Arguments, type Keywords } from './arguments.ts';
import { applyFilter, isTest, relationOf } from './filters.ts';
import type { Token } from './lexer.ts';
import { attributeOf, itemOf, sliceOf } from './methods.ts';
import {
  Callable,
  contains,
  type Dict,
  Float,
  int,
  isDict,
  isList,
  isTrue,
  itemsOf,
  most,
  numeric,
  requireLength,
  Sequence,
  Struct,
  Tuple,
  text,
  tooLarge,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** A node of the syntax tree that @huggingface/jinja makes. */
export type Node =
  | { readonly type: 'Identifier'; readonly value: string }
  | { readonly type: 'StringLiteral'; readonly value: string }
  | { readonly type: 'IntegerLiteral' | 'FloatLiteral'; readonly value: number }
  | { readonly type: 'ArrayLiteral' | 'TupleLiteral'; readonly value: readonly Node[] }
  | { readonly type: 'ObjectLiteral'; readonly value: ReadonlyMap<Node, Node> }
  | { readonly type: 'MemberExpression'; readonly object: Node; readonly property: Node; readonly computed: boolean }
  | { readonly type: 'SliceExpression'; readonly start?: Node; readonly stop?: Node; readonly step?: Node }
  | { readonly type: 'CallExpression'; readonly callee: Node; readonly args: readonly Node[] }
  | { readonly type: 'KeywordArgumentExpression'; readonly key: { readonly value: string }; readonly value: Node }
  | { readonly type: 'SpreadExpression' | 'KeywordSpreadExpression'; readonly argument: Node }
  | { readonly type: 'BinaryExpression'; readonly operator: Token; readonly left: Node; readonly right: Node }
  | { readonly type: 'UnaryExpression'; readonly operator: Token; readonly argument: Node }
  | { readonly type: 'FilterExpression'; readonly operand: Node; readonly filter: Node }
  | { readonly type: 'TestExpression'; readonly operand: Node; readonly negate: boolean; readonly test: Token }
  | { readonly type: 'SelectExpression'; readonly lhs: Node; readonly test: Node }
  | { readonly type: 'Ternary'; readonly condition: Node; readonly trueExpr: Node; readonly falseExpr: Node }
  | { readonly type: 'Set'; readonly assignee: Node; readonly value: Node | null; readonly body: readonly Node[] }
  | { readonly type: 'If'; readonly test: Node; readonly body: readonly Node[]; readonly alternate: readonly Node[] }
  | Loop
  | Macro
  | {
      readonly type: 'CallStatement';
      readonly call: Call;
      readonly callerArgs: readonly Node[] | null;
      readonly body: readonly Node[];
    }
  | { readonly type: 'FilterStatement'; readonly filter: Node; readonly body: readonly Node[] }
  | { readonly type: 'Break' | 'Continue' };

type Call = Node & { readonly type: 'CallExpression' };

interface Loop {
  readonly type: 'For';
  readonly loopvar: Node;
  readonly iterable: Node;
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}

interface Macro {
  readonly type: 'Macro';
  readonly name: { readonly value: string };
  readonly args: readonly Node[];
  readonly body: readonly Node[];
}

/** How a block completes. */
type Completion = 'end' | 'break' | 'continue';

/** About the nanoseconds that each takes; a block is a turn of a loop, a branch, or a call. */
const cost = { step: 1000, block: 20_000, item: 2000, character: 10 };
/** What a template may take in all, at these costs: a second or two. */
const allowance = 1_000_000_000;

const constants: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...['true', 'True'].map((name) => [name, true] as const),
  ...['false', 'False'].map((name) => [name, false] as const),
  ...['none', 'None'].map((name) => [name, null] as const),
]);

class Scope {
  readonly variables = new Map<string, Value>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope, variables: Iterable<readonly [string, Value]> = []) {
    this.#outer = outer;
    for (const [name, value] of variables) this.variables.set(name, value);
  }

  get(name: string): Value {
    const value = this.variables.get(name);
    if (value !== undefined) return value;
    return this.#outer ? this.#outer.get(name) : new Undefined(`${name} is undefined`);
  }
}

/** Text that a block prints. */
class Output {
  readonly #parts: string[] = [];
  #length = 0;

  add(text: string): void {
    this.#length += text.length;
    requireLength(this.#length);
    this.#parts.push(text);
  }

  get text(): string {
    return this.#parts.join('');
  }
}

/**
 * The text of a parsed template.
 *
 * Steps and the sizes of values are counted, not seconds: a template that is refused is refused on every machine. Each
 * operand of an operation is measured before the operation gets it, so that none can be longer than any value may be.
 * @throws Error if the template fails, has what is not supported, or exceeds what it may take
 */
export function interpret(program: readonly Node[], variables: Iterable<readonly [string, Value]>): string {
  const output = new Output();
  const interpreter = new Interpreter();
  const globals: [string, Value][] = [
    ['namespace', new Callable('namespace', namespace)],
    ['dict', new Callable('dict', (args, keywords) => dictOf('dict', args, keywords))],
    // What transformers makes of {% generation %}: a call block that gives back what is in it.
    ['generation', new Callable('generation', (_, keywords) => callerOf(keywords))],
  ];
  interpreter.run(program, new Scope(undefined, [...globals, ...variables]), output);
  return output.text;
}

function callerOf(keywords: Keywords): Value {
  const caller = keywords.get('caller');
  if (!(caller instanceof Callable)) throw new Error('generation is undefined');
  return caller.call([], new Map());
}

function namespace(args: readonly Value[], keywords: Keywords): Struct {
  return new Struct('namespace', new Map(dictOf('namespace', args, keywords)));
}

/** Python's `dict(…)`: a copy of a dict, or one made of pairs, with the keyword arguments added. */
function dictOf(name: string, args: readonly Value[], keywords: Keywords): Dict {
  const [from = new Map()] = new Arguments(name, args).of('mapping');
  const pairs = isDict(from) ? [...from] : itemsOf(from).map(pairOf);
  return new Map([...pairs, ...keywords]);
}

function pairOf(value: Value): [string, Value] {
  const [key, item, ...more] = itemsOf(value);
  if (typeof key !== 'string' || item === undefined || more.length > 0)
    throw new Error('it makes a dict of items that are not pairs of a text and a value');
  return [key, item];
}

class Interpreter {
  #left = allowance;

  /** Runs the statements of a block. */
  run(block: readonly Node[], scope: Scope, output: Output): Completion {
    this.#spend(cost.block);
    for (const statement of block) {
      const completion = this.#statement(statement, scope, output);
      if (completion !== 'end') return completion;
    }
    return 'end';
  }

  #spend(work: number): void {
    this.#left -= work;
    if (this.#left < 0) throw new Error('it takes too many steps: it may never end');
  }

  /** What a block prints, with a scope of its own. */
  #printed(block: readonly Node[], scope: Scope): string {
    const output = new Output();
    if (this.run(block, scope, output) !== 'end') throw new Error('it leaves a loop from a block inside it');
    return output.text;
  }

  #statement(node: Node, scope: Scope, output: Output): Completion {
    switch (node.type) {
      case 'Break':
        return 'break';
      case 'Continue':
        return 'continue';
      case 'If':
        return this.run(isTrue(this.#value(node.test, scope)) ? node.body : node.alternate, scope, output);
      case 'For':
        return this.#loop(node, scope, output);
      case 'Set': {
        const value = node.value ? this.#value(node.value, scope) : this.#printed(node.body, new Scope(scope));
        this.#assign(node.assignee, value, scope);
        return 'end';
      }
      case 'Macro':
        scope.variables.set(node.name.value, this.#macro(node.name.value, node.args, node.body, scope));
        return 'end';
      case 'CallStatement': {
        const { args, keywords } = this.#arguments(node.call.args, scope);
        const caller = this.#macro('caller', node.callerArgs ?? [], node.body, scope);
        const callee = this.#value(node.call.callee, scope);
        output.add(text(this.#call(callee, args, new Map([...keywords, ['caller', caller]]))));
        return 'end';
      }
      case 'FilterStatement': {
        const printed = this.#printed(node.body, new Scope(scope));
        output.add(text(this.#filtered(printed, node.filter, scope)));
        return 'end';
      }
      default:
        output.add(text(this.#value(withoutSafe(node), scope)));
        return 'end';
    }
  }

  #loop({ loopvar, iterable, body, defaultBlock }: Loop, scope: Scope, output: Output): Completion {
    const [over, condition] = iterable.type === 'SelectExpression' ? [iterable.lhs, iterable.test] : [iterable];
    const turn = (item: Value) => {
      const own = new Scope(scope);
      this.#assign(loopvar, item, own);
      return own;
    };
    const all = itemsOf(this.#value(over, scope));
    const items = condition ? all.filter((item) => isTrue(this.#value(condition, turn(item)))) : all;
    for (const [i, item] of items.entries()) {
      const own = turn(item);
      own.variables.set('loop', loopAt(items, i));
      if (this.run(body, own, output) === 'break') break;
    }
    return items.length > 0 ? 'end' : this.run(defaultBlock, new Scope(scope), output);
  }

  #assign(target: Node, value: Value, scope: Scope): void {
    if (target.type === 'Identifier') {
      if (constants.has(target.value)) throw new Error(`it sets ${target.value}`);
      scope.variables.set(target.value, value);
    } else if (target.type === 'TupleLiteral') {
      const items = itemsOf(value);
      if (items.length !== target.value.length)
        throw new Error(`it takes ${items.length} values apart into ${target.value.length}`);
      for (const [i, part] of target.value.entries()) this.#assign(part, items[i] ?? null, scope);
    } else if (target.type === 'MemberExpression' && !target.computed && target.property.type === 'Identifier') {
      const object = this.#value(target.object, scope);
      if (!(object instanceof Struct && object.name === 'namespace'))
        throw new Error(`it sets an attribute of a value of type ${typeName(object)}`);
      object.attributes.set(target.property.value, value);
    } else throw new Error('it sets something other than a variable');
  }

  /** Sees what surrounds its definition, not its call. */
  #macro(name: string, parameters: readonly Node[], body: readonly Node[], scope: Scope): Callable {
    const known = parameters.map(parameterOf);
    const names = known.map((parameter) => parameter.name);
    const [takesCaller, takesMore, takesKeywords] = ['caller', 'varargs', 'kwargs'].map(
      (special) => !names.includes(special) && mentions(body, special),
    );
    return new Callable(name, (args, keywords) => {
      const own = new Scope(scope);
      const others = new Map(keywords);
      const missing: (typeof known)[number][] = [];
      for (const [i, parameter] of known.entries()) {
        const isPositional = i < args.length;
        const value = isPositional ? args[i] : others.get(parameter.name);
        if (!isPositional) others.delete(parameter.name);
        if (value === undefined) missing.push(parameter);
        const nothing = new Undefined(`parameter ${parameter.name} was not provided`);
        own.variables.set(parameter.name, value === undefined ? nothing : value);
      }
      for (const { name, fallback } of missing) if (fallback) own.variables.set(name, this.#value(fallback, own));
      const caller = others.get('caller');
      if (takesCaller) {
        others.delete('caller');
        own.variables.set('caller', caller ?? new Undefined('no caller is defined'));
      }
      if (takesMore) own.variables.set('varargs', new Tuple(args.slice(known.length)));
      else if (args.length > known.length) throw new Error(`it gives ${name} ${args.length} arguments`);
      const [unknown] = others.keys();
      if (takesKeywords) own.variables.set('kwargs', others);
      else if (unknown !== undefined) throw new Error(`it gives ${name} the argument ${unknown}`);
      return this.#printed(body, own);
    });
  }

  #call(callee: Value, args: readonly Value[], keywords: Keywords): Value {
    if (callee instanceof Undefined) throw new Error(callee.why);
    if (!(callee instanceof Callable)) throw new Error(`it calls a value of type ${typeName(callee)}`);
    return callee.call(args, keywords);
  }

  #arguments(nodes: readonly Node[], scope: Scope): { args: Value[]; keywords: Map<string, Value> } {
    const args: Value[] = [];
    const keywords = new Map<string, Value>();
    const add = (name: string, value: Value) => {
      if (keywords.has(name)) throw new Error(`it gives the argument ${name} twice`);
      keywords.set(name, value);
    };
    for (const node of nodes) {
      if (node.type === 'KeywordArgumentExpression') add(node.key.value, this.#value(node.value, scope));
      else if (node.type === 'SpreadExpression') args.push(...itemsOf(this.#value(node.argument, scope)));
      else if (node.type === 'KeywordSpreadExpression') {
        const more = this.#value(node.argument, scope);
        if (!isDict(more)) throw new Error(`it spreads a value of type ${typeName(more)}`);
        for (const [name, value] of more) add(name, value);
      } else args.push(this.#value(node, scope));
    }
    return { args, keywords };
  }

  #filtered(value: Value, filter: Node, scope: Scope): Value {
    if (filter.type === 'Identifier') return applyFilter(filter.value, value, [], new Map());
    if (filter.type !== 'CallExpression' || filter.callee.type !== 'Identifier')
      throw new Error('it has a filter that is not a name');
    const { args, keywords } = this.#arguments(filter.args, scope);
    return applyFilter(filter.callee.value, value, args, keywords);
  }

  /** An expression's value, measured. */
  #value(node: Node, scope: Scope): Value {
    this.#spend(cost.step);
    const value = this.#evaluated(node, scope);
    this.#spend(sizeOf(value));
    return value;
  }

  #evaluated(node: Node, scope: Scope): Value {
    switch (node.type) {
      case 'StringLiteral':
      case 'IntegerLiteral':
        return typeof node.value === 'number' ? int(node.value) : node.value;
      case 'FloatLiteral':
        return new Float(node.value);
      case 'ArrayLiteral':
        return node.value.map((item) => this.#value(item, scope));
      case 'TupleLiteral':
        return new Tuple(node.value.map((item) => this.#value(item, scope)));
      case 'ObjectLiteral':
        return new Map([...node.value].map(([key, item]) => [this.#key(key, scope), this.#value(item, scope)]));
      case 'Identifier':
        return constants.get(node.value) ?? (constants.has(node.value) ? null : scope.get(node.value));
      case 'MemberExpression':
        return this.#member(node, scope);
      case 'CallExpression': {
        const callee = this.#value(node.callee, scope);
        const { args, keywords } = this.#arguments(node.args, scope);
        return this.#call(callee, args, keywords);
      }
      case 'FilterExpression':
        return this.#filtered(this.#value(node.operand, scope), node.filter, scope);
      case 'TestExpression':
        return isTest(node.test.value, this.#value(node.operand, scope), []) !== node.negate;
      case 'SelectExpression':
        if (isTrue(this.#value(node.test, scope))) return this.#value(node.lhs, scope);
        return new Undefined('a condition without "else" is false');
      case 'Ternary':
        return this.#value(isTrue(this.#value(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
      case 'UnaryExpression':
        return unary(node.operator.value, this.#value(node.argument, scope));
      case 'BinaryExpression':
        return this.#binary(node, scope);
      default:
        throw new Error(`it has ${node.type} where a value is expected`);
    }
  }

  #key(node: Node, scope: Scope): string {
    const key = this.#value(node, scope);
    if (typeof key !== 'string')
      throw new Error(`it has a dict with a key of type ${typeName(key)}, which is not supported`);
    return key;
  }

  #member({ object, property, computed }: Node & { type: 'MemberExpression' }, scope: Scope): Value {
    const value = this.#value(object, scope);
    if (property.type === 'SliceExpression') {
      if (value instanceof Undefined) throw new Error(value.why);
      const bound = (node: Node | undefined) => (node ? this.#value(node, scope) : null);
      return sliceOf(value, bound(property.start), bound(property.stop), bound(property.step));
    }
    if (computed) return itemOf(value, this.#value(property, scope));
    return property.type === 'Identifier'
      ? attributeOf(value, property.value)
      : itemOf(value, this.#value(property, scope));
  }

  #binary({ operator, left, right }: Node & { type: 'BinaryExpression' }, scope: Scope): Value {
    const a = this.#value(left, scope);
    if (operator.value === 'and') return isTrue(a) ? this.#value(right, scope) : a;
    if (operator.value === 'or') return isTrue(a) ? a : this.#value(right, scope);
    return binary(operator.value, a, this.#value(right, scope));
  }
}

/** `safe` changes nothing where its result is printed; elsewhere what is joined to it would be escaped. */
function withoutSafe(node: Node): Node {
  const isSafe = node.type === 'FilterExpression' && node.filter.type === 'Identifier' && node.filter.value === 'safe';
  return isSafe ? withoutSafe(node.operand) : node;
}

function parameterOf(node: Node): { name: string; fallback?: Node } {
  if (node.type === 'Identifier') return { name: node.value };
  if (node.type === 'KeywordArgumentExpression') return { name: node.key.value, fallback: node.value };
  throw new Error('it has a macro with a parameter that is not a name');
}

/** Whether a name stands anywhere in a tree. */
function mentions(tree: unknown, name: string): boolean {
  if (Array.isArray(tree)) return tree.some((one) => mentions(one, name));
  if (tree instanceof Map) return [...tree].some((pair) => mentions(pair, name));
  if (typeof tree !== 'object' || tree === null) return false;
  const { type, value } = tree as { type?: unknown; value?: unknown };
  return (type === 'Identifier' && value === name) || mentions(Object.values(tree), name);
}

function loopAt(items: readonly Value[], index: number): Struct {
  const { length } = items;
  const cycle = (args: readonly Value[]) => {
    if (args.length === 0) throw new Error('it cycles through nothing');
    return args[index % args.length] ?? null;
  };
  const [previtem = new Undefined('there is no previous item')] = items.slice(Math.max(index - 1, 0), index);
  const [nextitem = new Undefined('there is no next item')] = items.slice(index + 1, index + 2);
  const attributes: Readonly<Record<string, Value>> = {
    index: index + 1,
    index0: index,
    revindex: length - index,
    revindex0: length - index - 1,
    first: index === 0,
    last: index === length - 1,
    length,
    depth: 1,
    depth0: 0,
    previtem,
    nextitem,
    cycle: new Callable('cycle', cycle),
  };
  return new Struct('loop', new Map(Object.entries(attributes)));
}

function unary(operator: string, value: Value): Value {
  if (operator === 'not') return !isTrue(value);
  const number = numeric(value);
  if (number === undefined) throw new Error(`it has ${operator} before a value of type ${typeName(value)}`);
  const signed = operator === '-' ? -number : number;
  return value instanceof Float ? new Float(signed) : int(signed);
}

function binary(operator: string, a: Value, b: Value): Value {
  if (operator === '~') return `${text(a)}${text(b)}`;
  if (operator === 'not in') return !contains(b, a);
  const relation = relationOf(operator);
  return relation ? relation(a, b) : arithmetic(operator, a, b);
}

function arithmetic(operator: string, a: Value, b: Value): Value {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) {
    const result = computed(operator, x, y);
    const isFloat = a instanceof Float || b instanceof Float || operator === '/' || (operator === '**' && y < 0);
    return isFloat ? new Float(result) : int(result);
  }
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    if (isList(a) && isList(b)) return [...a, ...b];
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  }
  if (operator === '*' && typeof a === 'string' && typeof b === 'number') {
    requireLength(a.length * b);
    return a.repeat(Math.max(b, 0));
  }
  throw new Error(`it computes ${typeName(a)} ${operator} ${typeName(b)}, which has no meaning or is not supported`);
}

const operators: ReadonlyMap<string, (x: number, y: number) => number> = new Map([
  ['+', (x, y) => x + y],
  ['-', (x, y) => x - y],
  ['*', (x, y) => x * y],
  ['/', (x, y) => x / y],
  ['//', (x, y) => Math.floor(x / y)],
  ['%', (x, y) => x - y * Math.floor(x / y)], // has the sign of y
  ['**', (x, y) => x ** y],
]);

function computed(operator: string, x: number, y: number): number {
  if (y === 0 && ['/', '//', '%'].includes(operator)) throw new Error('it divides by zero');
  const result = operators.get(operator)?.(x, y);
  if (result === undefined) throw new Error(`the operator ${operator} is not supported`);
  if (operator === '**' && !Number.isFinite(result))
    throw new Error('it computes a power that is too large or no number');
  return result;
}

/** Cost of a value with all that is in it, each time it is in it. @throws Error if it is larger than any may be */
function sizeOf(value: Value): number {
  let [items, characters] = [0, 0];
  const open: Value[] = [value];
  while (open.length > 0) {
    const inner = open.pop() ?? null;
    if (typeof inner === 'string') characters += inner.length;
    else for (const item of childrenOf(inner)) open.push(item);
    items++;
    if (items + open.length > most.items || characters > most.characters) throw tooLarge();
  }
  return (items - 1) * cost.item + characters * cost.character;
}

/** What a value is made of. A loop's neighbours belong to what it goes through. */
function childrenOf(value: Value): Iterable<Value> {
  if (isList(value)) return value;
  if (isDict(value)) return value.values();
  if (value instanceof Tuple || value instanceof Sequence) return value.items;
  return value instanceof Struct && value.name === 'namespace' ? value.attributes.values() : [];
}
