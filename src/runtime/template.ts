// A checkpoint's chat template: text that comes with the weights, so it is interpreted on an allowance and cannot run away.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/** What rendering may take: far above what chat templates do, some thousand steps, and a second or two at most. */
const limits = {
  /** Characters of the template itself. The largest known ones have 20,000. */
  source: 100_000,
  /** White space in a row: the lexer's time grows with its square. */
  blanks: 500,
  /** Of any one value, counted as it would be printed. */
  characters: 2_000_000,
  items: 100_000,
  /** All together, at the costs below. */
  work: 1_000_000_000,
};

/** About the nanoseconds that each takes; a block is a turn of a loop, a branch, or a call. */
const cost = { step: 1000, block: 20_000, item: 2000, character: 10 };

/**
 * The text that a template makes of some variables, as transformers' `apply_chat_template` would.
 *
 * Steps and the sizes of values are counted, not seconds: a template that is refused is refused on every machine. Each
 * operand of an operation is measured before the operation gets it, so that none can be longer than the limit above.
 * @throws Error if the template is not one, fails, calls `raise_exception`, or exceeds what it may take
 */
export function renderTemplate(template: string, variables: Readonly<Record<string, unknown>>): string {
  if (template.length > limits.source)
    throw new Error(`it has ${template.length} characters, at most ${limits.source} are allowed`);
  if (new RegExp(`\\s{${limits.blanks}}`).test(template))
    throw new Error(`it has ${limits.blanks} or more blanks in a row`);
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  return String(new FrugalInterpreter(environment).run(program).value);
}

/** A value of the template language: a string, a number, a list, a Map of values … */
interface Value {
  readonly value: unknown;
}

/** The library's declarations name their files without endings, so that TypeScript does not find this one. */
const LibraryInterpreter: new (
  environment: unknown,
) => {
  run(program: unknown): Value;
  evaluate(step: unknown, environment: unknown): Value;
  evaluateBlock(steps: unknown, environment: unknown): Value;
} = Interpreter;

/** Interprets until what it may take is used up. */
class FrugalInterpreter extends LibraryInterpreter {
  #left = limits.work;

  override evaluate(step: unknown, environment: unknown): Value {
    this.#spend(cost.step);
    const value = super.evaluate(step, environment);
    this.#spend(printingCost(value));
    return value;
  }

  override evaluateBlock(steps: unknown, environment: unknown): Value {
    this.#spend(cost.block);
    return super.evaluateBlock(steps, environment);
  }

  #spend(work: number): void {
    this.#left -= work;
    if (this.#left < 0) throw new Error('it takes too many steps: it may never end');
  }
}

/** Cost of a value with all that is in it, each time it is in it. @throws Error if it is larger than any may be */
function printingCost(value: Value): number {
  let [items, characters] = [0, 0];
  const open: unknown[] = [value];
  while (open.length > 0) {
    const inner: unknown = (open.pop() as Value | undefined)?.value;
    if (typeof inner === 'string') characters += inner.length;
    else if (Array.isArray(inner)) for (const item of inner) open.push(item);
    else if (inner instanceof Map) for (const item of inner.values()) open.push(item);
    items++;
    if (items + open.length > limits.items || characters > limits.characters)
      throw new Error(`it makes a value of more than ${limits.items} items or ${limits.characters} characters`);
  }
  return (items - 1) * cost.item + characters * cost.character;
}

/** What templates expect to find beside the messages, as in transformers. */
const globals = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range,
  strftime_now: (format: unknown) => strftime(new Date(), String(format)),
};

/** Python's `range`, as a list. @throws Error for one that is longer than any value may be */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(Math.ceil((stop - start) / step), 0);
  if (!(length < limits.items))
    throw new Error(`range(${start}, ${stop}, ${step}) is not a list of fewer than ${limits.items} items`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The parts of Python's `strftime` that templates use, in English as there. */
function strftime(date: Date, format: string): string {
  const named = (month: 'long' | 'short') => date.toLocaleString('en-US', { month });
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    b: () => named('short'),
    B: () => named('long'),
    H: () => two(date.getHours()),
    M: () => two(date.getMinutes()),
    '%': () => '%',
  };
  return format.replace(/%([YmdbBHM%])/g, (_, part: string) => parts[part]?.() ?? '');
}
