// A template's text → tokens for the library's parser, as Jinja's own lexer cuts it: line ends, white space around tags, strings.
import { itemAt } from '../../platform/indexing.ts';

/** A token as the parser of @huggingface/jinja takes it. */
export interface Token {
  readonly type: string;
  readonly value: string;
}

const identifier = 'Identifier';
const additive = 'AdditiveBinaryOperator';
const multiplicative = 'MultiplicativeBinaryOperator';
const comparison = 'ComparisonBinaryOperator';

/** What is longer stands first. `~` binds tighter than `+`, which the parser does not know: it goes with `*`. */
const operators: readonly (readonly [string, string])[] = [
  ['**', 'ExponentiationBinaryOperator'],
  ['//', multiplicative],
  ['==', comparison],
  ['!=', comparison],
  ['<=', comparison],
  ['>=', comparison],
  ['<', comparison],
  ['>', comparison],
  ['+', additive],
  ['-', additive],
  ['~', multiplicative],
  ['*', multiplicative],
  ['/', multiplicative],
  ['%', multiplicative],
  ['=', 'Equals'],
  ['(', 'OpenParen'],
  [')', 'CloseParen'],
  ['[', 'OpenSquareBracket'],
  [']', 'CloseSquareBracket'],
  ['{', 'OpenCurlyBracket'],
  ['}', 'CloseCurlyBracket'],
  [',', 'Comma'],
  ['.', 'Dot'],
  [':', 'Colon'],
  ['|', 'Pipe'],
];

/** White space to Python: `\s` of its patterns, and what `str.strip` takes off. JavaScript's is another set. */
export const whiteSpace = '[\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const oneWhiteSpace = new RegExp(whiteSpace);

const opening = /\{[{%#]/g;
const rawBegin = new RegExp(`\\{%[-+]?${whiteSpace}*raw${whiteSpace}*(?:-%\\}${whiteSpace}*|%\\})`, 'y');
const rawEnd = new RegExp(`\\{%([-+]?)${whiteSpace}*endraw${whiteSpace}*(?:\\+%\\}|-%\\}${whiteSpace}*|%\\}\\n?)`, 'g');
const commentEnd = new RegExp(`\\+#\\}|-#\\}${whiteSpace}*|#\\}\\n?`, 'g');
const statementEnd = new RegExp(`\\+%\\}|-%\\}${whiteSpace}*|%\\}\\n?`, 'y');
const expressionEnd = new RegExp(`-\\}\\}${whiteSpace}*|\\}\\}`, 'y');
const blanks = new RegExp(`${whiteSpace}+`, 'y');
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const name = /[\p{ID_Start}_]\p{ID_Continue}*/uy;
const string = /'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"/sy;

/**
 * The tokens of a template under `trim_blocks` and `lstrip_blocks`, which transformers sets.
 *
 * Line ends become LF first and the last one goes. `generation` tags become calls of a function of that name, which is
 * what transformers makes of them.
 * @throws Error for what Jinja's lexer refuses, and for what the parser would read in another way
 */
export function tokensOf(template: string): Token[] {
  const text = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let at = 0;
  let startsLine = true;
  const addText = (value: string) => {
    if (value !== '') tokens.push({ type: 'Text', value });
  };
  /** Moves behind a match. Text that follows one with a line end begins a line. */
  const passed = (match: RegExpExecArray) => {
    at = match.index + match[0].length;
    startsLine = match[0].endsWith('\n');
  };
  while (at < text.length) {
    const found = matchAt(opening, text, at);
    if (!found) {
      addText(text.slice(at));
      break;
    }
    const data = text.slice(at, found.index);
    const sign = text[found.index + 2];
    addText(found[0] === '{{' ? withoutEnd(data, sign) : beforeBlock(data, sign, startsLine));
    const raw = matchAt(rawBegin, text, found.index);
    if (raw) {
      passed(raw);
      const end = matchAt(rawEnd, text, at);
      if (!end) throw new Error('its {% raw %} has no {% endraw %}');
      addText(beforeBlock(text.slice(at, end.index), end[1], startsLine));
      passed(end);
    } else if (found[0] === '{#') {
      const end = matchAt(commentEnd, text, behindOpening(text, found.index));
      if (!end) throw new Error('it has a comment without an end');
      passed(end);
    } else {
      const { inside, end } = insideOf(text, found.index, found[0] === '{%');
      requireOneReading(inside);
      tokens.push(...asParsed(inside, found[0]));
      passed(end);
    }
  }
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Where a tag's inside begins. */
function behindOpening(text: string, from: number): number {
  const sign = text[from + 2];
  return from + (sign === '-' || sign === '+' ? 3 : 2);
}

function withoutEnd(data: string, sign: string | undefined): string {
  return sign === '-' ? trimmedEnd(data) : data;
}

/** A text without the white space at its end, Python's. */
export function trimmedEnd(text: string): string {
  let end = text.length;
  while (end > 0 && oneWhiteSpace.test(itemAt(text, end - 1))) end--;
  return text.slice(0, end);
}

/** `lstrip_blocks`: blanks between a line's begin and a tag go, unless the tag has a `+`. */
function beforeBlock(data: string, sign: string | undefined, startsLine: boolean): string {
  if (sign === '-') return trimmedEnd(data);
  const line = data.lastIndexOf('\n') + 1;
  const isIndent = (line > 0 || startsLine) && trimmedEnd(data.slice(line)) === '';
  return sign !== '+' && isIndent ? data.slice(0, line) : data;
}

/** The tokens between the delimiters of a tag, and the match of its end. */
function insideOf(text: string, from: number, isStatement: boolean): { inside: Token[]; end: RegExpExecArray } {
  const inside: Token[] = [];
  const open: string[] = [];
  let at = behindOpening(text, from);
  while (at < text.length) {
    const end = open.length === 0 && matchAt(isStatement ? statementEnd : expressionEnd, text, at);
    if (end) return { inside, end };
    const gap = matchAt(blanks, text, at);
    if (gap) {
      at += gap[0].length;
      continue;
    }
    const { token, length } = nextToken(text, at);
    const closing = { '(': ')', '[': ']', '{': '}' }[token.value];
    if (token.type.startsWith('Open') && closing) open.push(closing);
    if (token.type.startsWith('Close') && open.pop() !== token.value)
      throw new Error(`it has an unexpected ${token.value}`);
    inside.push(token);
    at += length;
  }
  throw new Error('it ends inside a tag');
}

function nextToken(text: string, at: number): { token: Token; length: number } {
  const real = matchAt(float, text, at);
  const whole = real ? null : matchAt(integer, text, at);
  const number = real ?? whole;
  if (number) {
    const value = String(Number(number[0].replace(/_/g, '')));
    if (/e|Infinity/.test(value)) throw new Error(`it has the number ${number[0]}, which is not supported`);
    const spelt = real && !value.includes('.') ? `${value}.0` : value; // by its point the parser knows a float
    return { token: { type: 'NumericLiteral', value: spelt }, length: number[0].length };
  }
  const word = matchAt(name, text, at);
  if (word) return { token: { type: identifier, value: word[0] }, length: word[0].length };
  const quoted = matchAt(string, text, at);
  if (quoted)
    return {
      token: { type: 'StringLiteral', value: unescaped(quoted[1] ?? itemAt(quoted, 2)) },
      length: quoted[0].length,
    };
  const operator = operators.find(([spelling]) => text.startsWith(spelling, at));
  if (!operator) throw new Error(`it has an unexpected ${JSON.stringify(text[at])}`);
  const [value, type] = operator;
  return { token: { type, value }, length: value.length };
}

const escapes: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** A string with its escapes resolved by Python's `unicode-escape`; an unknown one stays, with its backslash. */
function unescaped(inside: string): string {
  return inside.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|(.))/gs,
    (whole, x: string, u: string, long: string, octal: string, other: string) => {
      const hex = x ?? u ?? long;
      if (hex !== undefined || octal !== undefined) {
        const code = hex === undefined ? Number.parseInt(octal, 8) : Number.parseInt(hex, 16);
        if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw new Error(`it has the escape ${whole}`);
        return String.fromCodePoint(code);
      }
      if (/[xuUN\x80-\uffff]/.test(other)) throw new Error(`it has the escape ${whole}, which is not supported`);
      return escapes[other] ?? whole;
    },
  );
}

/** A tag's tokens with its delimiters, `generation` as a call block. */
function asParsed(inside: readonly Token[], delimiter: string): Token[] {
  const kind = delimiter === '{%' ? 'Statement' : 'Expression';
  const [first, ...rest] = inside;
  const isTag = (value: string) => kind === 'Statement' && rest.length === 0 && first?.value === value;
  const word = (value: string) => ({ type: identifier, value });
  const call = ['call', 'generation'].map(word);
  const generation = [...call, { type: 'OpenParen', value: '(' }, { type: 'CloseParen', value: ')' }];
  const body = isTag('generation') ? generation : isTag('endgeneration') ? [word('endcall')] : inside;
  return [{ type: `Open${kind}`, value: delimiter }, ...body, { type: `Close${kind}`, value: '' }];
}

const boundaries = new Set(['and', 'or', 'not', 'if', 'else', 'elif']);

/**
 * Refuses what Jinja reads in one way and the parser in another: comparisons in a chain, `~` before `*`, and a condition
 * in parentheses as what is looped over.
 */
function requireOneReading(inside: readonly Token[]): void {
  const fresh = () => ({ compared: false, joined: false });
  const levels = [fresh()];
  const isLoop = inside[0]?.value === 'for' && inside[0].type === identifier;
  let loops = isLoop;
  for (const [i, { type, value }] of inside.entries()) {
    const level = levels.at(-1) ?? fresh();
    const before = inside[i - 1];
    if (type === identifier && value === 'is') requireTestAlone(inside, i);
    if (type.startsWith('Open')) levels.push(fresh());
    else if (type.startsWith('Close')) levels.pop();
    else if (type === comparison || (type === identifier && value === 'in')) {
      if (loops && type === identifier) {
        loops = false; // the loop's own `in`
        continue;
      }
      if (level.compared) throw new Error(`it compares in a chain (… ${value} …), which is not supported: use "and"`);
      Object.assign(level, { compared: true, joined: false });
    } else if (type === identifier && boundaries.has(value)) {
      if (isLoop && value === 'if' && levels.length > 1 && !hasElse(inside, i))
        throw new Error('it loops over a condition in parentheses without "else", which is not supported');
      if (!(value === 'not' && inside[i + 1]?.value === 'in')) Object.assign(level, fresh());
    } else if (['Comma', 'Colon', 'Equals'].includes(type)) Object.assign(level, fresh());
    else if (value === '~' && type === multiplicative) level.joined = true;
    else if (type === multiplicative && level.joined)
      throw new Error(`it has ~ before ${value}, which is not supported: use parentheses`);
    else if (type === additive && before && !before.type.endsWith('Operator')) level.joined = false;
  }
}

/** After a test's name, Jinja takes a word for its argument. */
function requireTestAlone(inside: readonly Token[], at: number): void {
  const [name, next] = inside.slice(at + (inside[at + 1]?.value === 'not' ? 2 : 1));
  if (next?.type === identifier && !['and', 'or', 'else'].includes(next.value))
    throw new Error(`it has ${next.value} after the test ${name?.value}, which is not supported: use parentheses`);
}

function hasElse(inside: readonly Token[], from: number): boolean {
  return inside.slice(from).some(({ type, value }) => type === identifier && value === 'else');
}
