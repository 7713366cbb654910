// Patterns of tokenizer.json and what they find in a text.
import { z } from 'zod';
import { literal, translate } from './oniguruma.ts';

/** Longest pattern that is read: those in use have up to 2,000 characters, most of them ranges of ideographs. */
const longest = 100_000;

export const patternSchema = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string().max(longest) })]);

/**
 * A pattern as a regular expression that finds the same matches.
 * @throws Error for a construct that is not translated
 */
export function compile(pattern: z.infer<typeof patternSchema>): RegExp {
  return new RegExp('String' in pattern ? literal(pattern.String) : translate(pattern.Regex).source, 'gu');
}

/** Whether a pattern may match nothing. */
export function mayBeEmpty(pattern: z.infer<typeof patternSchema>): boolean {
  return 'String' in pattern ? pattern.String === '' : translate(pattern.Regex).empty;
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
  return at > 0 && (text.codePointAt(at - 1) as number) > 0xffff;
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
