// Sets of characters as regular expressions with the flag u match them. (The flag v was made for this, but in Node 20
// /(?:[^\n]\t)+/v does not match "a\t".)
import { itemAt } from '../../platform/indexing.ts';

/** What one class lists, and expressions that each match one character, for what a class cannot list. */
export interface CharacterSet {
  readonly listed: string;
  readonly others: readonly string[];
}

export function listed(list: string): CharacterSet {
  return { listed: list, others: [] };
}

export function union(sets: readonly CharacterSet[]): CharacterSet {
  return { listed: sets.map((set) => set.listed).join(''), others: sets.flatMap(({ others }) => others) };
}

export function intersection(sets: readonly CharacterSet[]): CharacterSet {
  const [last, ...before] = sets.map(source).reverse();
  return { listed: '', others: [`(?:${before.map((one) => `(?=${one})`).join('')}${last})`] };
}

export function complement({ listed, others }: CharacterSet): CharacterSet {
  const one = others.length === 0 ? `[^${listed}]` : `(?:(?!${source({ listed, others })})[\\s\\S])`;
  return { listed: '', others: [one] };
}

/** The expression that matches one character of the set. */
export function source({ listed, others }: CharacterSet): string {
  if (others.length === 0) return `[${listed}]`;
  if (others.length === 1 && listed === '') return itemAt(others, 0);
  return `(?:${[...(listed === '' ? [] : [`[${listed}]`]), ...others].join('|')})`;
}
