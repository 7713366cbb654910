import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteCharacters } from '../../../src/text/tokenizer/bytes.ts';
import { Pipeline } from '../../../src/text/tokenizer/pipeline.ts';
import { visible } from '../../../src/text/tokenizer/visible.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

test('what does not show has a mark, a part of a character its bytes', () => {
  const shown = (text: string) => visible(utf8(text));
  expect(shown(' the')).toBe('·the');
  expect(shown('\n\n\t')).toBe('⏎⏎⇥');
  expect(shown('\u00A0')).toBe('⟨U+00A0⟩');
  expect(shown('\r\u200B\u0007')).toBe('⟨U+000D⟩⟨U+200B⟩⟨U+0007⟩');
  expect(shown('한é👍')).toBe('한é👍');
  expect(shown('\u0301s')).toBe('◌\u0301s');
  expect(visible(Uint8Array.of(0x20, 0xe2, 0x80))).toBe('·⟨E2 80⟩');
  expect(visible(Uint8Array.of(0x99, 0x73, 0xff))).toBe('⟨99⟩s⟨FF⟩');
});

test('any bytes make one line without controls, and different bytes different lines', () => {
  const bytes = fc.uint8Array({ maxLength: 12 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(visible(a)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(visible(a) === visible(b)).toBe(Buffer.compare(a, b) === 0);
    }),
  );
});

const base = {
  pre_tokenizer: null,
  post_processor: null,
  normalizer: null,
  added_tokens: [
    { id: 0, content: '<|end|>', special: true, normalized: false, lstrip: false, rstrip: false, single_word: false },
  ],
};
const model = (tokens: readonly string[]) => ({
  type: 'BPE',
  vocab: Object.fromEntries(['<|end|>', ...tokens].map((token, id) => [token, id])),
  merges: [],
});
const shownBy = (tokens: readonly string[], decoder: object | null) => {
  const pipeline = new Pipeline({ ...base, model: model(tokens), decoder });
  return tokens.map((_, i) => pipeline.shown(i + 1));
};

test('byte-level vocabularies: decoded, half characters as bytes', () => {
  const spelled = [' the', '\n', '\u00A0', '“', 'é'].map(byteCharacters);
  expect(shownBy([...spelled, 'âĢ', 'Ġâ'], { type: 'ByteLevel' })).toEqual([
    '·the',
    '⏎',
    '⟨U+00A0⟩',
    '“',
    'é',
    '⟨E2 80⟩',
    '·⟨E2⟩',
  ]);
});

test('SentencePiece vocabularies: decoded, also at the start of a text, bytes by their value', () => {
  const decoder = {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  };
  expect(shownBy(['▁the', '▁▁', '<0x0A>', '<0xE2>', 'é'], decoder)).toEqual(['·the', '··', '⏎', '⟨E2⟩', 'é']);
  expect(shownBy(['▁the'], { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true })).toEqual([
    '·the',
  ]);
});

test('special tokens by name; a vocabulary without a decoder as it is; an id without a token has none', () => {
  const pipeline = new Pipeline({ ...base, model: model(['Ġthe']), decoder: null });
  expect([0, 1, 2].map((id) => pipeline.shown(id))).toEqual(['<|end|>', 'Ġthe', undefined]);
});
