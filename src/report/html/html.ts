// Templates whose every inserted text is escaped. What a model wrote, or a file's name, is never markup.

import { printable } from '../format.ts';

/** Markup that may stand in a page as it is. Made by {@link html} alone, or by {@link raw} of what we wrote ourselves. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: text is escaped, nothing is left out, lists are joined. */
export type Fragment = Html | string | number | false | undefined | null | readonly Fragment[];

/** A template: html`<p>${text}</p>`. */
export function html(strings: TemplateStringsArray, ...parts: readonly Fragment[]): Html {
  return new Html(strings.map((string, i) => string + (i < parts.length ? markup(parts[i]) : '')).join(''));
}

/** Markup of our own making. */
export function raw(text: string): Html {
  return new Html(text);
}

/** Text as it may stand between tags and inside quoted attributes; control characters show as U+FFFD. */
export function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function markup(part: Fragment): string {
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(markup).join('');
  if (part === false || part === undefined || part === null) return '';
  return escaped(String(part));
}
