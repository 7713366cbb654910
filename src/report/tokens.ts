// How tokens are shown in tables, maps and charts, in the terminal and on pages.
import { columnsOf, printable } from './format.ts';

/** As results hold it: as the vocabulary spells it and, but for older results, as people read it. */
export interface Spelled {
  readonly token: string;
  readonly shown?: string | undefined;
}

/** Columns of a terminal that a token takes at most in a map. */
const mostColumns = 9;

/** As people read it; of an older result as the vocabulary spells it. */
export function tokenText({ token, shown }: Spelled): string {
  return printable(shown ?? token).replaceAll(/[\n\t]/g, '\uFFFD');
}

/** A token that a cell of a map can show: a long one is cut, and says so. */
export function shortToken(token: Spelled): string {
  const text = tokenText(token);
  if (columnsOf(text) <= mostColumns) return text;
  let kept = '';
  for (const character of text) {
    if (columnsOf(kept + character) > mostColumns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

const rightToLeft =
  '\\p{Script=Hebrew}\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Thaana}\\p{Script=Nko}\\p{Script=Adlam}';
const runs = new RegExp(`[${rightToLeft}](?:[${rightToLeft}\\p{M}]*[${rightToLeft}\\p{M}])?`, 'gu');

/** Runs of right-to-left script kept apart, so that they do not turn around what stands next to them. */
export function isolated(text: string): string {
  return text.replace(runs, '\u2068$&\u2069');
}

/** A prompt's tokens. */
export function tokensOf({
  tokens,
  shown,
}: {
  readonly tokens: readonly string[];
  readonly shown?: readonly string[] | undefined;
}): Spelled[] {
  return tokens.map((token, i) => ({ token, shown: shown?.[i] }));
}

/** The note that captions of tokens add. */
export const spelling = '· is a space, ⏎ a line break, ⟨…⟩ bytes or a character that does not show.';
