// Oniguruma's patterns (Ruby's syntax, Unicode) as JavaScript's regular expressions with the flag u. What is not sure to
// match the same is refused by name.
import { itemAt } from '../../platform/indexing.ts';
import { type CharacterSet, complement, intersection, listed, source, union } from './character-set.ts';

/** Deepest nesting of groups and classes. */
const deepest = 100;

/**
 * @returns the source of a regular expression for the flags g and u, and whether it may match nothing
 * @throws Error for a construct that is not translated
 */
export function translate(pattern: string): { readonly source: string; readonly empty: boolean } {
  return new Translation(pattern).whole;
}

/** A text as the source of a regular expression. */
export function literal(text: string): string {
  return Array.from(text, point).join('');
}

/** A character as a regular expression, inside a class or outside. */
function point(character: string): string {
  return /^[\dA-Za-z]$/.test(character) ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

/** The word characters of classes, and those of `\w` outside of them, where a few numbers are in. */
const wordInClass = listed('\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}');
const word = union([wordInClass, listed('\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be')]);
const hexDigit = listed('\\dA-Fa-f');

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
const sets: Readonly<Record<string, CharacterSet>> = {
  d: listed('\\p{Nd}'),
  D: listed('\\P{Nd}'),
  s: listed('\\p{White_Space}'),
  S: listed('\\P{White_Space}'),
  w: word,
  W: complement(word),
  h: hexDigit,
  H: complement(hexDigit),
};
const setsInClass: Readonly<Record<string, CharacterSet>> = { ...sets, w: wordInClass, W: complement(wordInClass) };

// Of the whole text: no expression has the flag m.
const start = '^';
const end = '$';
const anchors: Readonly<Record<string, string>> = {
  A: start,
  z: end,
  Z: `(?=\\n?${end})`,
  b: boundary('!', '=', '=', '!'),
  B: boundary('!', '!', '=', '='),
};

function boundary(...[before, after, or, then]: readonly [string, string, string, string]): string {
  const one = source(word);
  return `(?:(?<${before}${one})(?${after}${one})|(?<${or}${one})(?${then}${one}))`;
}

/** Names that JavaScript lacks or reads otherwise. */
const named = {
  alpha: listed('\\p{Alphabetic}'),
  digit: listed('\\p{Nd}'),
  alnum: listed('\\p{Alphabetic}\\p{Nd}'),
  lower: listed('\\p{Lowercase}'),
  upper: listed('\\p{Uppercase}'),
  space: listed('\\p{White_Space}'),
  blank: listed('\\t\\p{Zs}'),
  cntrl: listed('\\p{Cc}'),
  graph: complement(listed('\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}')),
  print: complement(listed('\\p{Cc}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}')),
  xdigit: hexDigit,
  ascii: listed('\\p{ASCII}'),
};
const posix = new Map(Object.entries({ ...named, word: wordInClass, punct: listed('\\p{P}\\p{S}') }));
const properties = new Map(Object.entries({ ...named, word, punct: listed('\\p{P}') }));

/** Sets that a case-insensitive class may hold: none of their letters has another case outside of them. */
const caseless = new Set(['Nd', 'White_Space', 'N', 'P', 'Z', 'Zs'].map((name) => `\\p{${name}}`));

/** Two letters that match one where case is ignored, such as ss and ß. */
const joined = /ff|fi|fl|ss|st/i;

interface Options {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
  /** Inside a lookbehind, which JavaScript matches from right to left. */
  readonly behind: boolean;
}

/** A part of a pattern, translated. */
interface Fragment {
  readonly source: string;
  /** Whether it may match nothing. */
  readonly empty: boolean;
  /** The letter that it is, where case is ignored. */
  readonly letter?: string;
}

const one = (source: string): Fragment => ({ source, empty: false });
const group = ({ source, empty }: Fragment): Fragment => ({ source: `(?:${source})`, empty });

class Translation {
  readonly whole: Fragment;
  readonly #pattern: readonly string[];
  #at = 0;
  #depth = 0;
  #atomics = 0;

  constructor(pattern: string) {
    this.#pattern = Array.from(pattern);
    this.whole = this.#alternation({ ignoreCase: false, dotAll: false, behind: false });
    if (this.#at < this.#pattern.length) this.#refuse('")" without "("');
  }

  #alternation(options: Options): Fragment {
    const branches = [this.#sequence(options)];
    while (this.#eat('|')) branches.push(this.#sequence(options));
    return { source: branches.map((one) => one.source).join('|'), empty: branches.some(({ empty }) => empty) };
  }

  #sequence(options: Options): Fragment {
    const parts: Fragment[] = [];
    while (this.#at < this.#pattern.length && !this.#sees('|') && !this.#sees(')')) {
      const setting = this.#match(/^\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?\)/);
      // A setting holds to the end of the group, other branches included.
      const part = setting ? group(this.#alternation(this.#with(options, setting))) : this.#atom(options);
      const letters = `${parts.at(-1)?.letter ?? ''}${part.letter ?? ''}`;
      if (joined.test(letters)) this.#refuse(`"${letters}" where case is ignored`);
      parts.push(this.#quantified(part, options));
    }
    return { source: parts.map((part) => part.source).join(''), empty: parts.every(({ empty }) => empty) };
  }

  #atom(options: Options): Fragment {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group(options);
      case '[':
        return one(source(this.#class(options)));
      case '.':
        return one(options.dotAll ? '[\\s\\S]' : '[^\\n]');
      case '^': // not behind a line break that ends the text
        return { source: `(?:${start}|(?<=\\n)(?!${end}))`, empty: true };
      case '$':
        return { source: `(?:(?=\\n)|${end})`, empty: true };
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

  #literal(character: string, { ignoreCase }: Options): Fragment {
    if (!ignoreCase) return one(point(character));
    return { source: `[${this.#anyCase(character)}]`, empty: false, letter: character.toLowerCase() };
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

  #group(options: Options): Fragment {
    if (++this.#depth > deepest) this.#refuse('groups nested too deeply');
    const opening = this.#match(/^\?(?:[:=!>]|<[=!]|<[A-Za-z_]\w*>)/)?.[0];
    const setting = opening === undefined ? this.#match(/^\?([a-zA-Z]*)(?:-([a-zA-Z]*))?:/) : undefined;
    if (opening === undefined && !setting && this.#sees('?')) this.#refuse('a group of this kind');
    const looks = opening !== undefined && /[=!]$/.test(opening);
    const behind = options.behind || opening === '?<=' || opening === '?<!';
    if (options.behind && (looks || opening === '?>')) this.#refuse('such a group inside a lookbehind');
    const inner = this.#alternation({ ...(setting ? this.#with(options, setting) : options), behind });
    if (!this.#eat(')')) this.#refuse('"(" without ")"');
    this.#depth--;
    if (looks && behind && inner.empty) this.#refuse('a lookbehind that nothing satisfies');
    if (looks) return { source: `(${opening}${inner.source})`, empty: true };
    return opening === '?>' ? this.#atomic(inner, options) : group(inner);
  }

  #with(options: Options, [, on = '', off = '']: RegExpMatchArray): Options {
    const other = /[^im]/.exec(on + off)?.[0];
    if (other !== undefined) this.#refuse(`the option "${other}"`);
    const set = (letter: string, before: boolean) => (before || on.includes(letter)) && !off.includes(letter);
    return { ...options, ignoreCase: set('i', options.ignoreCase), dotAll: set('m', options.dotAll) };
  }

  /** What matches once and is not tried again otherwise: a lookahead that captures, and the capture. */
  #atomic({ source, empty }: Fragment, { behind }: Options): Fragment {
    if (behind) this.#refuse('a possessive quantifier inside a lookbehind');
    const name = `a${++this.#atomics}`;
    return { source: `(?:(?=(?<${name}>${source}))\\k<${name}>)`, empty };
  }

  #quantified(part: Fragment, options: Options): Fragment {
    const sign = this.#match(/^[*+?]/)?.[0];
    const interval = sign === undefined ? this.#interval() : undefined;
    const quantifier = sign ?? interval;
    if (quantifier === undefined) return part;
    // JavaScript does not let a repetition match nothing, Oniguruma stops there.
    if (part.empty) this.#refuse(`"${quantifier}" on what may be nothing,`);
    if (interval !== undefined && this.#sees('?') && !interval.includes(',')) this.#refuse(`${interval}?`);
    if (interval !== undefined && part.letter !== undefined && joined.test(part.letter.repeat(2)))
      this.#refuse(`${part.letter}${interval} where case is ignored`);
    const lazy = this.#eat('?') ? '?' : '';
    const repeated = { source: `${part.source}${quantifier}${lazy}`, empty: !/^(?:\+|\{0*[1-9])/.test(quantifier) };
    const possessive = sign !== undefined && lazy === '' && this.#eat('+');
    return this.#quantified(possessive ? this.#atomic(repeated, options) : group(repeated), options);
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

  #escape(options: Options): Fragment {
    const character = this.#one();
    if (character !== undefined) return this.#literal(character, options);
    const kind = this.#next();
    const anchor = anchors[kind];
    return anchor === undefined ? one(source(this.#set(kind, false))) : { source: anchor, empty: true };
  }

  /** The one character that an escape stands for, if it does; the backslash is read. */
  #one(): string | undefined {
    const hex = this.#match(/^u([\da-fA-F]{4})|^x\{([\da-fA-F]{1,6})\}|^x([0-7][\da-fA-F])/);
    if (hex) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? itemAt(hex, 3), 16);
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

  #set(kind: string, inClass: boolean): CharacterSet {
    if (kind === 'p' || kind === 'P') return this.#property(kind, inClass);
    return (inClass ? setsInClass : sets)[kind] ?? this.#refuse(`\\${kind}`);
  }

  #property(kind: string, inClass: boolean): CharacterSet {
    const [, not, name = ''] = this.#match(/^\{(\^?)(\w+)\}/) ?? this.#refuse(`\\${kind} without a name`);
    const lower = name.toLowerCase();
    const set =
      lower === 'word' && inClass
        ? wordInClass
        : (properties.get(lower) ?? ownProperty(name) ?? this.#refuse(`\\${kind}{${name}}`));
    return (kind === 'P') !== (not === '^') ? complement(set) : set;
  }

  #class(options: Options): CharacterSet {
    if (++this.#depth > deepest) this.#refuse('classes nested too deeply');
    const not = this.#eat('^');
    const operands: CharacterSet[] = [];
    let members: CharacterSet[] = [];
    const close = () => {
      if (members.length === 0) this.#refuse('a class or a part of one that is empty');
      operands.push(union(members));
      members = [];
    };
    while (!this.#eat(']')) {
      if (this.#match(/^&&/)) close();
      else members.push(this.#member(options, members.length === 0));
    }
    close();
    this.#depth--;
    const set = operands.length > 1 ? intersection(operands) : union(operands);
    if (not && operands.length > 1) this.#refuse('the complement of an intersection');
    return not ? complement(set) : set;
  }

  /** What one character, range or set adds to a class. */
  #member(options: Options, first: boolean): CharacterSet {
    const name = this.#match(/^\[:(\^?)(\w+):\]/);
    if (name) {
      const set = posix.get(itemAt(name, 2)) ?? this.#refuse(name[0]);
      return this.#setInClass(name[1] === '^' ? complement(set) : set, options);
    }
    const from = this.#character(options, first);
    const ranges = this.#sees('-') && !this.#sees('-', ']');
    if (typeof from !== 'string') return ranges ? this.#refuse('a range that starts with a set') : from;
    if (!ranges) return listed(options.ignoreCase ? this.#anyCase(from) : point(from));
    this.#next();
    const to = this.#character(options, true);
    if (typeof to !== 'string') return this.#refuse('a range that ends with a set');
    if (this.#sees('-') && !this.#sees('-', ']')) this.#refuse('a range of ranges');
    return listed(this.#range(from, to, options));
  }

  #character(options: Options, dash: boolean): string | CharacterSet {
    const character = this.#next();
    if (character === '[') return this.#class(options);
    if (character === '-' && !dash && !this.#sees(']')) this.#refuse('"-" between others in a class');
    if (character !== '\\') return character;
    return this.#one() ?? this.#setInClass(this.#set(this.#next(), true), options);
  }

  #setInClass(set: CharacterSet, { ignoreCase }: Options): CharacterSet {
    const simple = set.others.length === 0 && caseless.has(set.listed);
    return ignoreCase && !simple ? this.#refuse(`${source(set)} in a class where case is ignored`) : set;
  }

  #range(from: string, to: string, { ignoreCase }: Options): string {
    const [low, high] = [from.codePointAt(0) as number, to.codePointAt(0) as number];
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

/** A general category, a binary property or a script, as JavaScript names it. */
function ownProperty(name: string): CharacterSet | undefined {
  if (name === 'Extended_Pictographic') return undefined; // of another Unicode version, and far apart
  const list = [`\\p{${name}}`, `\\p{Script=${name}}`].find((one) => {
    try {
      return new RegExp(one, 'u');
    } catch {
      return false;
    }
  });
  return list === undefined ? undefined : listed(list);
}
