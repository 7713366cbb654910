// A checkpoint's chat template: text that comes with the weights, so it is interpreted on an allowance and cannot run away.
import { parse } from '@huggingface/jinja';
import { Arguments } from './jinja/arguments.ts';
import { interpret, type Node } from './jinja/interpreter.ts';
import { tokensOf } from './jinja/lexer.ts';
import { Callable, fromJs, most, Sequence, text, typeName, type Value } from './jinja/values.ts';

/** Characters that a template may have. The largest known ones have 20,000. */
const longest = 100_000;

/**
 * The text that a template makes of some variables, as transformers' `apply_chat_template` would.
 * @param now what `strftime_now` formats
 * @throws Error if the template is not one, fails, calls `raise_exception`, has what is not supported, or exceeds what it may take
 */
export function renderTemplate(
  template: string,
  variables: Readonly<Record<string, unknown>>,
  now = new Date(),
): string {
  if (template.length > longest)
    throw new Error(`it has ${template.length} characters, at most ${longest} are allowed`);
  const given = Object.entries(variables).map(([name, value]) => [name, fromJs(value)] as const);
  const clock = new Callable('strftime_now', (args, keywords) => {
    const [format = ''] = new Arguments('strftime_now', args, keywords).texts('format');
    return strftime(now, format);
  });
  return interpret(parsed(template), [...globals, [clock.name, clock], ...given]);
}

/** The library's declarations name their files without endings, so that TypeScript does not find the tree's. */
function parsed(template: string): readonly Node[] {
  const tokens = tokensOf(template);
  try {
    return (parse(tokens) as { readonly body: readonly Node[] }).body;
  } catch (cause) {
    // The parser looks for the end of a block beyond the last token.
    if (cause instanceof TypeError) throw new Error('it ends inside a block or a tag', { cause });
    throw cause;
  }
}

/** Variables that templates expect in addition to the messages, as in transformers. */
const globals: readonly (readonly [string, Value])[] = [
  new Callable('raise_exception', (args, keywords) => {
    const [message = ''] = new Arguments('raise_exception', args, keywords).of('message');
    throw new Error(text(message));
  }),
  new Callable('range', (args) => new Sequence('range', range(args))),
  ...['cycler', 'joiner', 'lipsum'].map(
    (name) =>
      new Callable(name, () => {
        throw new Error(`the function ${name} is not supported`);
      }),
  ),
].map((one) => [one.name, one]);

/** Python's `range`. @throws Error for one that is longer than any value may be */
function range(args: readonly Value[]): number[] {
  const [first, second, step = 1] = args.map((bound) => {
    if (typeof bound !== 'number') throw new Error(`range takes whole numbers, found ${typeName(bound)}`);
    return bound;
  });
  if (first === undefined || args.length > 3 || step === 0)
    throw new Error('range takes one to three numbers, no step of 0');
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(Math.ceil((stop - start) / step), 0);
  if (!(length < most.items))
    throw new Error(`range(${start}, ${stop}, ${step}) is not a list of fewer than ${most.items} items`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** Python's `strftime`, in English as there; `%-d` and the like leave zeros out. @throws Error for a part that is not here */
export function strftime(date: Date, format: string): string {
  const named = (part: Intl.DateTimeFormatOptions) => date.toLocaleString('en-US', part);
  const parts: Readonly<Record<string, number | string>> = {
    Y: date.getFullYear(),
    m: date.getMonth() + 1,
    d: date.getDate(),
    y: date.getFullYear() % 100,
    H: date.getHours(),
    I: date.getHours() % 12 || 12,
    M: date.getMinutes(),
    S: date.getSeconds(),
    b: named({ month: 'short' }),
    B: named({ month: 'long' }),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    a: named({ weekday: 'short' }),
    A: named({ weekday: 'long' }),
    '%': '%',
  };
  return format.replace(/%(-?)(.?)/gs, (whole, bare: string, letter: string) => {
    const part = parts[letter];
    if (part === undefined) throw new Error(`strftime_now has ${whole}, allowed: %${Object.keys(parts).join(' %')}`);
    return bare || typeof part === 'string' ? String(part) : String(part).padStart(2, '0');
  });
}
