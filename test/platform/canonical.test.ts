import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonical, canonicalHash } from '../../src/platform/canonical.ts';

test('equal things are equal texts, and the text is the thing', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shuffled: unknown = JSON.parse(JSON.stringify(value), (_, part) =>
        part && typeof part === 'object' && !Array.isArray(part)
          ? Object.fromEntries(Object.entries(part).reverse())
          : part,
      );
      expect(canonical(shuffled)).toBe(canonical(value));
      expect(canonicalHash(shuffled)).toBe(canonicalHash(value));
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { seed: 42, numRuns: 200 },
  );
  expect(canonical({ b: [2, 1], a: { d: null, c: 'x' } })).toBe('{"a":{"c":"x","d":null},"b":[2,1]}');
  // Of '{"a":1}', by sha256sum.
  expect(canonicalHash({ a: 1 })).toBe('015abd7f5cc57a2d');
});
