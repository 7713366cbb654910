// A loop over nothing asserts nothing.
import { expect } from 'vitest';

/** The list as an array, once it is sure that there is something in it. */
export function nonEmpty<T>(list: Iterable<T> | undefined): T[] {
  const array = [...(list ?? [])];
  expect(array.length, 'entries to look at').toBeGreaterThan(0);
  return array;
}
