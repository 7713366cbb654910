// Patterns against Oniguruma itself: test/fixtures/tokenizers/patterns.json, by scripts/fixtures/make_tokenizers.py.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { translate } from '../../../src/text/tokenizer/oniguruma.ts';
import { replacer } from '../../../src/text/tokenizer/pattern.ts';
import { fixture } from '../../support/paths.ts';

const { texts, patterns }: { texts: string[]; patterns: [string, string[]][] } = JSON.parse(
  readFileSync(join(fixture('tokenizers'), 'patterns.json'), 'utf8'),
);

test.each(patterns)('%s', (pattern, replaced) => {
  expect(texts.map(replacer({ Regex: pattern }, '#'))).toEqual(replaced);
});

test('there are patterns', () => expect(patterns.length).toBeGreaterThan(60));

describe('refuses by name what would match otherwise', () => {
  test.each([
    ['\\X', '\\X'],
    ['a\\Gb', '\\G'],
    ['(a)\\1', '\\1'],
    ['\\xe9', '\\x'],
    ['\\p{Extended_Pictographic}', '\\p{Extended_Pictographic}'],
    ['\\p{Script=Han}', '\\p without a name'],
    ['\\p{constructor}', '\\p{constructor}'],
    ['(?x:a b)', 'the option "x"'],
    ['(?~ab)', 'a group of this kind'],
    ['(?i:ss)', '"ss" where case is ignored'],
    ['(?i:é)', '"é" where case is ignored'],
    ['(?i:[\\p{Lu}])', 'in a class where case is ignored'],
    ['(?<!(?<=a)b)', 'such a group inside a lookbehind'],
    ['(?<=a++)b', 'a possessive quantifier inside a lookbehind'],
    ['(?:a*)+', '"+" on what may be nothing'],
    ['a{2}?', '{2}?'],
    ['a{3,2}', '{3,2}'],
    ['*a', '"*" that repeats nothing'],
    ['[]a]', 'a class or a part of one that is empty'],
    ['[^a&&[b]]', 'the complement of an intersection'],
    ['[a-\\d]', 'a range that ends with a set'],
    ['[\\d-a]', 'a range that starts with a set'],
    ['[z-a]', 'the range z-a'],
    ['[a-c-e]', 'a range of ranges'],
    ['[a', 'an end that comes too early'],
    ['(a', '"(" without ")"'],
    ['a)', '")" without "("'],
    ['('.repeat(200), 'groups nested too deeply'],
  ])('%s', (pattern, what) => {
    expect(() => translate(pattern)).toThrow(what);
  });
});
