import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { positionsOf } from '../../src/analyses/recorded-residuals.ts';
import { joinTexts, streamRule, windowsOf } from '../../src/text/windows.ts';

test.each([
  [['a'], 'a'],
  [['a', 'b'], 'a\nb'],
  [['', ' = T = \n', '', ' x . \n'], '\n = T = \n\n x . \n'],
  [['a\n', 'b'], 'a\nb'],
  [[], ''],
])('%j joined is %j', (texts, joined) => expect(joinTexts(texts)).toBe(joined));

describe('windows', () => {
  test('BOS takes the place of the first token of each', () => {
    expect(windowsOf([1, 10, 11, 12, 13, 14, 15], 3, 1)).toEqual({
      windows: [
        [1, 10, 11],
        [1, 13, 14],
      ],
      rest: 1,
    });
    expect(windowsOf([10, 11, 12, 13], 2, undefined).windows).toEqual([
      [10, 11],
      [12, 13],
    ]);
  });

  test('a text shorter than a window is one', () => {
    expect(windowsOf([1, 10], 3, 1)).toEqual({ windows: [[1, 10]], rest: 0 });
    expect(windowsOf([], 3, 1)).toEqual({ windows: [], rest: 0 });
  });

  test('every token but the first of each window is scored where it stands, and the rest is counted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 200 }), fc.integer({ min: 2, max: 50 }), (tokens, length) => {
        const { windows, rest } = windowsOf(tokens, length, 999);
        if (tokens.length < length) return;
        expect(windows.length * length + rest).toBe(tokens.length);
        expect(rest).toBeLessThan(length);
        const wanted = tokens.slice(0, tokens.length - rest).map((id, i) => (i % length === 0 ? 999 : id));
        expect(windows.flat()).toEqual(wanted);
        expect(windows.every((window) => window.length === length)).toBe(true);
      }),
      { seed: 1 },
    );
  });
});

test.each([
  ['with BOS', 0],
  ['without', undefined],
])('%s, probes see each token of a stream once, after the one before it in the same window', (_, bosId) => {
  const [length, tokens] = [7, 60];
  const ids = Array.from({ length: tokens }, (_, i) => i + 1); // each token tells where it stands
  const { windows } = windowsOf(ids, length, bosId);
  const { input, previous, document } = positionsOf(windows, bosId);
  expect(new Set(input).size).toBe(input.length);
  expect(input).toHaveLength(windows.length * (length - (bosId === undefined ? 1 : 2)));
  for (const [row, token] of input.entries()) {
    expect(previous[row]).toBe(token - 1);
    for (const one of [token, token - 1]) expect(Math.floor((one - 1) / length)).toBe(document[row]);
  }
});

test('the rule says all of it', () => {
  expect(streamRule(4358, 2048, 1034, true)).toBe(
    '4,358 texts joined, a line break between two where the first has none at its end, tokenised as one, consecutive ' +
      "windows of 2,048 tokens, the last 1,034 tokens left out, BOS in place of each window's first token, every " +
      'position of a window but the first scored, token-weighted mean, nats',
  );
  expect(streamRule(1, 8, 1, true)).toMatch(/^1 text joined, .* the last 1 token left out/);
  expect(streamRule(1, 8, 0, true)).not.toContain('left out');
  expect(streamRule(1, 8, undefined, false)).toMatch(/only the first ones, no BOS, as the model's tokenizer adds none/);
});
