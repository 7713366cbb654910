// Texts of options → their values. Each parser names its option in the one line that it refuses a text with.
import { SurgeryError } from './errors.ts';

/** Facts about a parser's values, for config files and completions. */
interface Tags {
  readonly allowed?: readonly string[];
  /** Whether a file may be named instead of an allowed word. */
  readonly files?: boolean;
  readonly list?: boolean;
  readonly repeatable?: boolean;
}

const tags = new WeakMap<object, Tags>();

function tagged<F extends object>(parser: F, own: Tags): F {
  tags.set(parser, own);
  return parser;
}

const tagsOf = (parser: object | undefined): Tags => (parser && tags.get(parser)) ?? {};

/** The refusal of an option's text. */
export class NotAllowed extends SurgeryError {
  /** What is allowed, in words. */
  readonly allowed: string;

  constructor(option: string, text: string, allowed: string) {
    super('usage', `${option} is ${JSON.stringify(text)}, allowed: ${allowed}`);
    this.allowed = allowed;
  }
}

/** An option or an argument, as Commander holds it. */
interface Parsed {
  readonly parseArg?: object | undefined;
}

/** The words that an option's value may be made of; none where it is free. */
export const allowedOf = ({ parseArg }: Parsed): readonly string[] => tagsOf(parseArg).allowed ?? [];

/** Whether the value may be a file's name. */
export const takesFiles = ({ parseArg }: Parsed): boolean => tagsOf(parseArg).files ?? false;

/** Whether the value is a list between commas. */
export const isList = ({ parseArg }: Parsed): boolean => tagsOf(parseArg).list ?? false;

/** Whether an option may be given several times. */
export const isRepeatable = ({ parseArg }: Parsed): boolean => tagsOf(parseArg).repeatable ?? false;

/**
 * A parser for several of something, between commas outside brackets. A comma at the end is no mistake: a shell cuts
 * `0.9, 0.5` there.
 */
export function listOf<T>(one: (text: string) => T): (text: string) => T[] {
  const parser = (text: string) =>
    text
      .replace(/(?<=\S),\s*$/, '')
      .split(/,(?![^[]*\])/)
      .map((part) => one(part.trim()));
  return tagged(parser, { ...tagsOf(one), list: true });
}

/** A parser for an argument that these words are known for; whoever takes it says what else it may be. */
export function suggested(words: readonly string[]): (text: string) => string {
  return tagged((text: string) => text, { allowed: words });
}

/**
 * A parser for the name of something, such as a file: any text but a blank one, which an empty variable leaves.
 * @param words that are names too
 */
export function nameOf(option: string, what: string, words: readonly string[] = []): (text: string) => string {
  const parser = (text: string) => {
    if (text.trim() !== '') return text;
    throw new SurgeryError('usage', `${option} is ${JSON.stringify(text)}: name ${what}, or leave it out`);
  };
  return tagged(parser, { allowed: words, files: true });
}

/** A parser for a single value of an option that elsewhere takes several. @param elsewhere who takes them */
export function single<T>(option: string, one: (text: string) => T, elsewhere: string): (text: string) => T {
  const parser = (text: string) => {
    if (text.includes(',')) throw new NotAllowed(option, text, `one value (${elsewhere} takes several)`);
    return one(text);
  };
  return tagged(parser, tagsOf(one));
}

/** A parser for an option that may be given several times. */
export function repeatable<T>(one: (text: string) => T): (text: string, all?: T[]) => T[] {
  return tagged((text: string, all?: T[]) => [...(all ?? []), one(text)], { ...tagsOf(one), repeatable: true });
}

/** A parser for a list of whole numbers and ranges of them: "0,5-9" → 0, 5, 6, 7, 8, 9. */
export function ranges(option: string): (text: string) => number[] {
  return (text) =>
    text.split(',').flatMap((part) => {
      const range = rangeOf(part);
      if (!range) throw new NotAllowed(option, text, 'numbers and ranges such as 0,5-9');
      const [from, to] = range;
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
}

/** "5-9" → 5 and 9, "5" → 5 and 5; undefined for anything else. */
export function rangeOf(text: string): [from: number, to: number] | undefined {
  const [, from, to = from] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(text) ?? [];
  return from !== undefined && Number(to) >= Number(from) ? [Number(from), Number(to)] : undefined;
}

/** A parser for a size: KB, MB, GB, TB are powers of 1000, as Hugging Face has them, KiB and so on of 1024. */
export function bytes(option: string): (text: string) => number {
  return (text) => {
    const [, amount, prefix = '', binary] = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B)?\s*$/i.exec(text) ?? [];
    const power = ' KMGT'.indexOf(prefix.toUpperCase() || ' ');
    const size = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** power);
    if (size >= 1 && Number.isSafeInteger(size)) return size;
    throw new NotAllowed(option, text, 'a size such as 1GB, 500MB, 2GiB or a number of bytes');
  };
}

/** A parser for one of a few words. */
export function oneOf<const T extends string>(option: string, allowed: readonly T[]): (text: string) => T {
  const parser = (text: string) => {
    const found = allowed.find((word) => word === text);
    if (found === undefined) throw new NotAllowed(option, text, allowed.join(', '));
    return found;
  };
  return tagged(parser, { allowed });
}

/** A parser for `on` and `off`. */
export function onOrOff(option: string): (text: string) => boolean {
  const word = oneOf(option, ['on', 'off']);
  return tagged((text: string) => word(text) === 'on', tagsOf(word));
}

/** A parser for numbers from `from` to `to`, `from` itself only if not `above`. */
export function number(option: string, from: number, to: number, above = false): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= from && value <= to && !(above && value === from)) return value;
    throw new NotAllowed(option, text, `a number ${above ? 'above' : 'from'} ${from} up to ${to}`);
  };
}

/** A parser for whole numbers. */
export function whole(option: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new NotAllowed(
      option,
      text,
      `a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
    );
  };
}

/** 0, 5, 6, 7 → "0,5-7": what {@link ranges} reads. */
export function rangesText(numbers: readonly number[]): string {
  const starts = numbers.filter((n) => !numbers.includes(n - 1));
  const ends = numbers.filter((n) => !numbers.includes(n + 1));
  return starts.map((from, i) => (ends[i] === from ? `${from}` : `${from}-${ends[i]}`)).join(',');
}

/** A parser for a calendar day such as 2026-01-31: its midnight here. */
export function day(option: string): (text: string) => Date {
  return (text) => {
    const [year = 0, month = 0, of = 0] = (/^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? []).slice(1).map(Number);
    const date = new Date(year, month - 1, of);
    if (date.getFullYear() === year && date.getMonth() === month - 1 && date.getDate() === of) return date;
    throw new SurgeryError('usage', `${option} is ${JSON.stringify(text)}, allowed: a day such as 2026-01-31`);
  };
}
