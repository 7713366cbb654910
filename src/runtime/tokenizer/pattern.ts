// Patterns of tokenizer.json: they are Oniguruma's (Ruby's syntax, Unicode), here as JavaScript's regular expressions.
import { z } from 'zod';
import { whiteSpace } from './unicode.ts';

/** Longest pattern that is read: the longest in use has about 2,000 characters, most of them ideographs. */
const longest = 100_000;
const deepest = 100;

export const patternSchema = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string().max(longest) })]);

/**
 * A pattern as a regular expression that finds the same matches.
 * @throws Error for a construct that is not translated
 */
export function compile(pattern: z.infer<typeof patternSchema>): RegExp {
  const source = 'String' in pattern ? literal(pattern.String) : new Translation(pattern.Regex).source;
  return new RegExp(source, 'gv');
}

/** A part of a text that matches a pattern, or lies between matches. */
export interface Span {
  readonly text: string;
  readonly match: boolean;
}

/** The text as matches and what lies between, in order. A match may be empty, not where another ends. */
export function spans(text: string, pattern: RegExp): Span[] {
  const found: Span[] = [];
  let end = 0;
  let matched = -1;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const at = match.index;
    if (match[0] === '') pattern.lastIndex = at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
    if ((match[0] === '' && at === matched) || splitsPair(text, at)) continue;
    if (at > end) found.push({ text: text.slice(end, at), match: false });
    found.push({ text: match[0], match: true });
    end = at + match[0].length;
    matched = end;
  }
  if (end < text.length) found.push({ text: text.slice(end), match: false });
  return found;
}

/** Whether a place lies inside a surrogate pair: what starts with a look around is tried there too. */
function splitsPair(text: string, at: number): boolean {
  return at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff;
}

/** What gives a text with each match as `content`. */
export function replacer(pattern: z.infer<typeof patternSchema>, content: string): (text: string) => string {
  if ('String' in pattern && pattern.String !== '') return (text) => text.replaceAll(pattern.String, () => content);
  const compiled = compile(pattern);
  return (text) =>
    text === ''
      ? ''
      : spans(text, compiled)
          .map((span) => (span.match ? content : span.text))
          .join('');
}

function literal(text: string): string {
  return Array.from(text, point).join('');
}

/** A character as a regular expression, inside a class or outside. */
function point(character: string): string {
  return /^[\dA-Za-z]$/.test(character) ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

/** The word characters of classes, and those of `\w` outside of them, where a few numbers are in. */
const wordInClass = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]';
const word = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be]';
const hexDigit = '[\\dA-Fa-f]';

/** Escapes that stand for one character. */
const controls: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  r: '\r',
  f: '\f',
  v: '\v',
  a: '\x07',
  e: '\x1b',
};

/** Escapes that stand for a set of characters. */
const sets: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: whiteSpace,
  S: `[^${whiteSpace}]`,
  w: word,
  W: `[^${word}]`,
  h: hexDigit,
  H: `[^${hexDigit}]`,
};
const setsInClass: Readonly<Record<string, string>> = { ...sets, w: wordInClass, W: `[^${wordInClass}]` };

// Of the whole text: no expression has the flag m.
const start = '^';
const end = '$';
const anchors: Readonly<Record<string, string>> = {
  A: start,
  z: end,
  Z: `(?=\\n?${end})`,
  b: `(?:(?<!${word})(?=${word})|(?<=${word})(?!${word}))`,
  B: `(?:(?<!${word})(?!${word})|(?<=${word})(?=${word}))`,
};

/** Names that JavaScript lacks or reads otherwise. */
const named = {
  alpha: '\\p{Alphabetic}',
  digit: '\\p{Nd}',
  alnum: '[\\p{Alphabetic}\\p{Nd}]',
  lower: '\\p{Lowercase}',
  upper: '\\p{Uppercase}',
  space: whiteSpace,
  blank: '[\\t\\p{Zs}]',
  cntrl: '\\p{Cc}',
  graph: '[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]',
  print: '[^\\p{Cc}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}]',
  xdigit: hexDigit,
  ascii: '\\p{ASCII}',
};
const posix = new Map(Object.entries({ ...named, word: wordInClass, punct: '[\\p{P}\\p{S}]' }));
const properties = new Map(Object.entries({ ...named, word, punct: '\\p{P}' }));

/** Sets that a case-insensitive class may hold: none of their letters has another case outside of them. */
const caseless = new Set(['\\p{Nd}', whiteSpace, '\\p{N}', '\\p{P}', '\\p{Z}', '\\p{Zs}']);

/** Two letters that match one where case is ignored, such as ss and ß. */
const joined = /ff|fi|fl|ss|st/i;

interface Options {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
  /** Inside a lookbehind, which JavaScript matches from right to left. */
  readonly behind: boolean;
}

class Translation {
  readonly source: string;
  readonly #pattern: readonly string[];
  #at = 0;
  #depth = 0;
  #atomics = 0;

  constructor(pattern: string) {
    this.#pattern = Array.from(pattern);
    this.source = this.#alternation({ ignoreCase: false, dotAll: false, behind: false });
    if (this.#at < this.#pattern.length) this.#refuse('")" without "("');
  }

  #alternation(options: Options): string {
    const branches = [this.#sequence(options)];
    while (this.#eat('|')) branches.push(this.#sequence(options));
    return branches.join('|');
  }

  #sequence(options: Options): string {
    let source = '';
    let letters = '';
    while (this.#at < this.#pattern.length && !this.#sees('|') && !this.#sees(')')) {
      const setting = this.#match(/^\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?\)/);
      // It holds to the end of the group, other branches included.
      if (setting) return `${source}(?:${this.#alternation(this.#with(options, setting))})`;
      const character = this.#pattern[this.#at] ?? '';
      letters = options.ignoreCase && /[a-z]/i.test(character) ? letters.slice(-1) + character : '';
      if (joined.test(letters)) this.#refuse(`"${letters}" where case is ignored`);
      source += this.#quantified(this.#atom(options), options);
    }
    return source;
  }

  #atom(options: Options): string {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group(options);
      case '[':
        return this.#class(options);
      case '.':
        return options.dotAll ? '[\\s\\S]' : '[^\\n]';
      case '^': // not behind a line break that ends the text
        return `(?:${start}|(?<=\\n)(?!${end}))`;
      case '$':
        return `(?:(?=\\n)|${end})`;
      case '\\':
        return this.#escape(options);
      case '*':
      case '+':
      case '?':
        return this.#refuse(`"${character}" that repeats nothing`);
      case '{':
        this.#at--;
        if (this.#interval()) this.#refuse('an interval that repeats nothing');
        this.#at++;
    }
    return this.#literal(character, options);
  }

  #literal(character: string, { ignoreCase }: Options): string {
    return ignoreCase ? `[${this.#anyCase(character)}]` : point(character);
  }

  /** A character in each case, as the inside of a class. */
  #anyCase(character: string): string {
    if (/^[a-z]$/i.test(character)) {
      const lower = character.toLowerCase();
      const third = { k: '\\u{212a}', s: '\\u{17f}' }[lower] ?? '';
      return lower + lower.toUpperCase() + third;
    }
    if (character.toLowerCase() !== character.toUpperCase() || /[\u02b0-\u036f]/.test(character))
      this.#refuse(`"${character}" where case is ignored`);
    return point(character);
  }

  #group(options: Options): string {
    if (++this.#depth > deepest) this.#refuse('groups nested too deeply');
    const opening = this.#match(/^\?(?:[:=!>]|<[=!]|<[A-Za-z_]\w*>)/)?.[0];
    const setting = opening === undefined ? this.#match(/^\?([a-zA-Z]*)(?:-([a-zA-Z]*))?:/) : undefined;
    if (opening === undefined && !setting && this.#sees('?')) this.#refuse('a group of this kind');
    const behind = options.behind || opening === '?<=' || opening === '?<!';
    const inner = this.#alternation({ ...(setting ? this.#with(options, setting) : options), behind });
    if (!this.#eat(')')) this.#refuse('"(" without ")"');
    this.#depth--;
    if (opening === '?>') return this.#atomic(inner, options);
    return opening !== undefined && /[=!]$/.test(opening) ? `(${opening}${inner})` : `(?:${inner})`;
  }

  #with(options: Options, [, on = '', off = '']: RegExpMatchArray): Options {
    const other = /[^im]/.exec(on + off)?.[0];
    if (other !== undefined) this.#refuse(`the option "${other}"`);
    const set = (letter: string, before: boolean) => (before || on.includes(letter)) && !off.includes(letter);
    return { ...options, ignoreCase: set('i', options.ignoreCase), dotAll: set('m', options.dotAll) };
  }

  /** What matches once and is not tried again otherwise: a lookahead that captures, and the capture. */
  #atomic(source: string, { behind }: Options): string {
    if (behind) this.#refuse('an atomic group inside a lookbehind');
    const name = `a${++this.#atomics}`;
    return `(?:(?=(?<${name}>${source}))\\k<${name}>)`;
  }

  #quantified(atom: string, options: Options): string {
    const sign = this.#match(/^[*+?]/)?.[0];
    const interval = sign === undefined ? this.#interval() : undefined;
    if (sign === undefined && interval === undefined) return atom;
    let source = `${atom}${sign ?? interval}`;
    if (interval !== undefined && this.#sees('?') && !interval.includes(',')) this.#refuse(`${interval}?`);
    if (this.#eat('?')) source += '?';
    else if (sign !== undefined && this.#eat('+')) source = this.#atomic(source, options);
    return this.#quantified(`(?:${source})`, options);
  }

  /** `{n}`, `{n,}`, `{n,m}` or `{,m}`; anything else in braces is text. */
  #interval(): string | undefined {
    const found = this.#match(/^\{(\d+)(?:(,)(\d*))?\}|^\{,(\d+)\}/);
    if (!found) return undefined;
    const [, least = '0', comma, most = '', only] = found;
    if (only !== undefined) return `{0,${only}}`;
    if (most !== '' && Number(least) > Number(most)) this.#refuse(found[0]);
    return `{${least}${comma ?? ''}${most}}`;
  }

  #escape(options: Options): string {
    const character = this.#one();
    if (character !== undefined) return this.#literal(character, options);
    const kind = this.#next();
    return anchors[kind] ?? this.#set(kind, sets);
  }

  /** The one character that an escape stands for, if it does; the backslash is read. */
  #one(): string | undefined {
    const hex = this.#match(/^u([\da-fA-F]{4})|^x\{([\da-fA-F]{1,6})\}|^x([0-7][\da-fA-F])/);
    if (hex) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? hex[3] ?? '', 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) this.#refuse(`\\${hex[0]}`);
      return String.fromCodePoint(code);
    }
    const character = this.#pattern[this.#at];
    if (character === undefined) return this.#refuse('"\\" at the end');
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    if (control === undefined && /[\dA-Za-z]/.test(character)) return undefined;
    this.#at++;
    return control ?? character;
  }

  #set(kind: string, known: Readonly<Record<string, string>>): string {
    if (kind === 'p' || kind === 'P') return this.#property(kind);
    return (Object.hasOwn(known, kind) ? known[kind] : undefined) ?? this.#refuse(`\\${kind}`);
  }

  #property(kind: string): string {
    const found = this.#match(/^\{(\^?)(\w+)\}/);
    if (!found) return this.#refuse(`\\${kind} without a name`);
    const [, not, name = ''] = found;
    const own = properties.get(name.toLowerCase());
    const set =
      own ??
      [`\\p{${name}}`, `\\p{Script=${name}}`].find((source) => {
        try {
          return name !== 'Extended_Pictographic' && new RegExp(source, 'u');
        } catch {
          return false;
        }
      });
    if (set === undefined) return this.#refuse(`\\${kind}{${name}}`);
    return (kind === 'P') !== (not === '^') ? `[^${set}]` : set;
  }

  #class(options: Options): string {
    if (++this.#depth > deepest) this.#refuse('classes nested too deeply');
    const not = this.#eat('^');
    const operands: string[] = [];
    let union = '';
    while (!this.#eat(']')) {
      if (this.#match(/^&&/)) {
        operands.push(union || this.#refuse('an intersection with nothing'));
        union = '';
      } else union += this.#member(options, union === '');
    }
    operands.push(union || this.#refuse('an empty class'));
    if (not && operands.length > 1) this.#refuse('the complement of an intersection');
    this.#depth--;
    const inner = operands.length > 1 ? operands.map((one) => `[${one}]`).join('&&') : union;
    return `[${not ? '^' : ''}${inner}]`;
  }

  /** What one character, range or set adds to a class. */
  #member(options: Options, first: boolean): string {
    const name = this.#match(/^\[:(\^?)(\w+):\]/);
    if (name) {
      const set = posix.get(name[2] ?? '') ?? this.#refuse(name[0]);
      return this.#setInClass(name[1] === '^' ? `[^${set}]` : set, options);
    }
    const from = this.#character(options, first);
    if (from.set !== undefined) {
      if (this.#sees('-') && !this.#sees('-', ']')) this.#refuse('a range that starts with a set');
      return from.set;
    }
    if (!this.#sees('-') || this.#sees('-', ']')) return options.ignoreCase ? this.#anyCase(from.one) : point(from.one);
    this.#next();
    const to = this.#character(options, true);
    if (to.set !== undefined) return this.#refuse('a range that ends with a set');
    if (this.#sees('-') && !this.#sees('-', ']')) this.#refuse('a range of ranges');
    return this.#range(from.one, to.one, options);
  }

  #character(options: Options, dash: boolean): { one: string; set?: undefined } | { one?: undefined; set: string } {
    const character = this.#next();
    if (character === '[') return { set: this.#class(options) };
    if (character === '-' && !dash && !this.#sees(']')) this.#refuse('"-" between others in a class');
    if (character !== '\\') return { one: character };
    const one = this.#one();
    return one === undefined ? { set: this.#setInClass(this.#set(this.#next(), setsInClass), options) } : { one };
  }

  #setInClass(set: string, { ignoreCase }: Options): string {
    return ignoreCase && !caseless.has(set) ? this.#refuse(`${set} in a class where case is ignored`) : set;
  }

  #range(from: string, to: string, { ignoreCase }: Options): string {
    const [low, high] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
    if (low > high) this.#refuse(`the range ${from}-${to}`);
    const range = `${point(from)}-${point(to)}`;
    if (!ignoreCase) return range;
    if (high > 0x7f) this.#refuse(`the range ${from}-${to} where case is ignored`);
    const letters = Array.from({ length: high - low + 1 }, (_, i) => String.fromCharCode(low + i));
    return (
      range +
      letters
        .filter((one) => /[a-z]/i.test(one))
        .map((one) => this.#anyCase(one))
        .join('')
    );
  }

  #sees(...characters: readonly string[]): boolean {
    return characters.every((character, i) => this.#pattern[this.#at + i] === character);
  }

  #eat(character: string): boolean {
    const seen = this.#sees(character);
    if (seen) this.#at++;
    return seen;
  }

  #next(): string {
    return this.#pattern[this.#at++] ?? this.#refuse('an end that comes too early');
  }

  /** Reads what the expression matches here, if it does. */
  #match(expression: RegExp): RegExpMatchArray | undefined {
    const found = expression.exec(this.#pattern.slice(this.#at, this.#at + 100).join(''));
    if (found) this.#at += Array.from(found[0]).length;
    return found ?? undefined;
  }

  #refuse(what: string): never {
    throw new Error(
      `the pattern ${this.#pattern.join('')} has ${what} before character ${this.#at + 1}, which is not supported`,
    );
  }
}
