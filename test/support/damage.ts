// JSON with one thing wrong in it, and what a page must not say of it.
import { expect } from 'vitest';
import { escaped, type Html, raw } from '../../src/report/html/html.ts';

export type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;
type Path = readonly string[];

/** Paths of all values that hold no others. */
export function leaves(value: Json): Path[] {
  return places(value)
    .filter(([, inner]) => typeof inner !== 'object' || inner === null)
    .map(([path]) => path);
}

/** A copy with another value in one place, or without it. */
export function changed(value: Json, [key, ...rest]: Path, to: Json | undefined): Json {
  if (key === undefined || typeof value !== 'object' || value === null) return to ?? null;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as { [key: string]: Json };
  if (to !== undefined || rest.length > 0) copy[key] = changed(copy[key] ?? null, rest, to);
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

/**
 * Copies with one value gone, null, of another type, or an empty list. Of places that differ in the positions of lists
 * alone, the first.
 */
export function damages(value: Json): { place: string; damaged: Json }[] {
  const seen = new Set<string>();
  return places(value).flatMap(([path, inner]) => {
    const place = path.join('.');
    const kind = place.replaceAll(/(?<=\.)\d+(?=\.|$)/g, '*');
    if (place === '' || seen.has(kind)) return [];
    seen.add(kind);
    const another = inner === null ? {} : typeof inner === 'string' ? 7 : 'x';
    const wrong = { gone: undefined, null: null, another };
    return Object.entries(Array.isArray(inner) ? { ...wrong, emptied: [] } : wrong)
      .filter(([, to]) => to !== inner)
      .map(([how, to]) => ({ place: `${place} ${how}`, damaged: changed(value, path, to) }));
  });
}

function places(value: Json, path: Path = []): (readonly [Path, Json])[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [[path, value], ...inner.flatMap(([key, one]) => places(one, [...path, key]))];
}

/** What no page shows. */
const unused = /^model\.path /;

/**
 * Reads every damage of a value: it is refused in a line that names a place, or what is read of it is shown without a
 * hole. A value of another type is always refused.
 * @param refusal that the line begins with
 * @returns how many were refused
 */
export async function expectRefusedOrShown<T>(
  value: unknown,
  read: (damaged: Json) => T,
  refusal: string,
  show: (left: T) => Promise<string>,
): Promise<number> {
  let refused = 0;
  for (const { place, damaged } of damages(JSON.parse(JSON.stringify(value)))) {
    const left = attempt(() => read(damaged));
    if ('value' in left) {
      if (!unused.test(place)) expect(place).not.toMatch(/ another$/);
      expectWhole(await show(left.value), place);
    } else {
      expect(left.message.startsWith(refusal), `${place}: ${left.message}`).toBe(true);
      expect(left.message.slice(refusal.length), place).toMatch(/^.*, at [^\n]+: [^\n]+$/);
      refused++;
    }
  }
  return refused;
}

function attempt<T>(work: () => T): { readonly value: T } | { readonly message: string } {
  try {
    return { value: work() };
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error) };
  }
}

/** No figure or word of a text is missing. */
export function expectWhole(text: string, place = ''): void {
  const at = text.search(/NaN|undefined|null|Infinity/);
  expect(at < 0 ? '' : text.slice(at - 30, at + 30), place).toBe('');
}

/** In place of a chart, the figures and words that it would be drawn from: Vega takes a hundred times as long. */
export function spelledOut(...given: readonly unknown[]): Html {
  const spelled = (one: unknown) => (typeof one === 'number' && !Number.isFinite(one) ? String(one) : one);
  return raw(escaped(JSON.stringify(given, (_, one) => (one === null ? '–' : spelled(one)))));
}
