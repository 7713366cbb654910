// Ids, text and tokens against Python's `tokenizers`: test/fixtures/tokenizers, by scripts/fixtures/make_tokenizers.py.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Pipeline } from '../../../src/text/tokenizer/pipeline.ts';
import { fixture } from '../../support/paths.ts';

const read = <T>(name: string): T => JSON.parse(readFileSync(join(fixture('tokenizers'), name), 'utf8'));

interface Model {
  readonly vocab: Record<string, number>;
}

describe('the shapes of six families', () => {
  const texts = read<string[]>('texts.json');
  const shapes =
    read<Record<string, { tokenizer: { model: Model }; ids: number[][]; decoded: Record<string, string> }>>(
      'shapes.json',
    );

  test('there are texts enough', () => {
    expect(texts.length).toBeGreaterThan(400);
    expect(Object.keys(shapes)).toEqual(['llama2', 'llama3', 'gpt2', 'smollm', 'qwen', 'gemma']);
  });

  test.each(Object.entries(shapes))('%s', (_name, { tokenizer, ids, decoded }) => {
    const pipeline = new Pipeline(tokenizer);
    expect(texts.map((text) => [text, pipeline.encode(text)])).toEqual(texts.map((text, i) => [text, ids[i]]));
    const expected = texts.map((text, i) => decoded[i] ?? text);
    expect(ids.map((one) => pipeline.decode(one))).toEqual(expected);
    const tokens = Object.entries(tokenizer.model.vocab);
    expect(tokens.map(([, id]) => pipeline.idToToken(id))).toEqual(tokens.map(([token]) => token));
    expect(tokens.map(([token]) => pipeline.tokenToId(token))).toEqual(tokens.map(([, id]) => id));
  });
});

describe('each part in all its settings', () => {
  const { model, texts, decode, parts } = read<{
    model: Model;
    texts: string[];
    decode: number[][];
    parts: { ids?: number[][]; decoded?: string[]; tokens?: (string | null)[]; model?: object }[];
  }>('parts.json');

  test.each(
    parts.map(({ ids, decoded, tokens, ...part }) => [JSON.stringify(part), part, ids, decoded, tokens] as const),
  )('%s', (_name, part, ids, decoded, tokens) => {
    const pipeline = new Pipeline({ added_tokens: [], ...part, model: { ...model, ...part.model } });
    if (ids) expect(texts.map((text) => pipeline.encode(text))).toEqual(ids);
    if (decoded) expect(decode.map((one) => pipeline.decode(one))).toEqual(decoded);
    const size = Object.keys(model.vocab).length;
    if (tokens) expect(tokens.map((_, i) => pipeline.idToToken(size + i) ?? null)).toEqual(tokens);
    expect(ids ?? decoded).toBeDefined();
  });
});

describe("classes are Unicode's, not JavaScript's", () => {
  const definition = JSON.parse(readFileSync(join(fixture('smollm2-tied-bf16'), 'tokenizer.json'), 'utf8'));

  /** The fixture with a merge put first; its token takes the place of the last piece. */
  function withMerge(left: string, right: string): Pipeline {
    const { ent, ...vocab } = definition.model.vocab;
    const merges = [`${left} ${right}`, ...definition.model.merges.filter((merge: string) => merge !== 'en t')];
    return new Pipeline({
      ...definition,
      model: { ...definition.model, vocab: { ...vocab, [left + right]: ent }, merges },
    });
  }

  test.each([
    ['Ġ', 'Â', 'a \x85b', [100, 35, 197, 136, 101]],
    ['Ġ', 'Ù', 'x ٣', [123, 35, 220, 166]],
    ['Ġ', 'Ù', 'a ١٢', [100, 35, 220, 164, 220, 165]],
    ['Ġ', 'Ù', 'xـ ـ', [123, 220, 131, 298, 131]],
  ])('%s%s in %j', (left, right, text, ids) => {
    expect(withMerge(left, right).encode(text)).toEqual(ids);
  });
});

test('a byte order mark is text', () => {
  const { llama2 } = read<Record<string, { tokenizer: object }>>('shapes.json');
  const pipeline = new Pipeline(llama2?.tokenizer);
  expect(pipeline.decode(pipeline.encode('\ufeffx\ufeffy'))).toBe('\ufeffx\ufeffy');
});

test('a token that ends the text, where a longer one starts like it', () => {
  const [model, flags] = [
    read<{ model: Model }>('parts.json').model,
    { single_word: false, lstrip: false, rstrip: false },
  ];
  const added_tokens = ['<x>', '<x>yz'].map((content) => ({ content, ...flags, normalized: true, special: false }));
  const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: true, use_regex: true };
  const pipeline = new Pipeline({ model, added_tokens, pre_tokenizer });
  expect(pipeline.encode('<x>')).toEqual([pipeline.tokenToId('<x>')]);
});

describe('halves of surrogate pairs', () => {
  const { model } = read<{ model: Model }>('parts.json');

  test('count as U+FFFD, whole pairs as they are', () => {
    const pipeline = new Pipeline({ model: { ...model, byte_fallback: true } });
    expect(pipeline.encode('a\ud83d')).toEqual(pipeline.encode('a\ufffd'));
    expect(pipeline.encode('\udc4d\ud83d a')).toEqual(pipeline.encode('\ufffd\ufffd a'));
    expect(pipeline.decode(pipeline.encode('\ud83d\ude00'))).toBe('<0xF0><0x9F><0x98><0x80>'.replace(/></g, '> <'));
  });
});

describe('refuses by name', () => {
  const { model } = read<{ model: Model & { merges: [string, string][] } }>('parts.json');
  const split = (pattern: object) => ({
    pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated', invert: false },
  });
  const token = {
    id: 0,
    content: 'é',
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
    special: false,
  };

  test.each<[object, string]>([
    [{ normalizer: { type: 'BertNormalizer' } }, 'normalizer: type "BertNormalizer" is not supported (NFC, '],
    [
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Nmt' }] } },
      'normalizer.normalizers[1]: type "Nmt" is not supported',
    ],
    [{ normalizer: { type: 'Sequence', normalizers: [null] } }, 'normalizer.normalizers[0]: type undefined'],
    [{ normalizer: { type: 'toString' } }, 'normalizer: type "toString" is not supported'],
    [
      { normalizer: { type: 'Replace', pattern: { Regex: 'a|\\b' }, content: 'b' } },
      'normalizer: a pattern that may match nothing is not supported',
    ],
    [{ normalizer: { type: 'Prepend' } }, 'normalizer.prepend: '],
    [{ pre_tokenizer: { type: 'UnicodeScripts' } }, 'pre_tokenizer: type "UnicodeScripts" is not supported'],
    [{ pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'isolated', invert: false } }, 'behavior'],
    [split({ Regex: '\\X' }), 'the pattern \\X has \\X before character'],
    [
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'WhitespaceSplit' },
            { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
          ],
        },
      },
      'Metaspace with prepend_scheme "first" is supported as the first step alone',
    ],
    [
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [0, 1].map(() => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' })),
        },
      },
      'as the first step alone',
    ],
    [
      {
        normalizer: { type: 'Strip', strip_left: true, strip_right: false },
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
      },
      "where the normalizer keeps each text's first character",
    ],
    [
      { pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', add_prefix_space: false } },
      'add_prefix_space is false',
    ],
    [{ post_processor: { type: 'Unheard' } }, 'post_processor: type "Unheard" is not supported'],
    [
      {
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '<s>' } }, { Sequence: { id: 'A' } }],
          special_tokens: {},
        },
      },
      'post_processor: special_tokens lacks "<s>"',
    ],
    [{ decoder: { type: 'CTC' } }, 'decoder: type "CTC" is not supported'],
    [{ model: { type: 'Unigram', vocab: [['a', 0]] } }, 'model: type "Unigram" is not supported (BPE is)'],
    [{ model: { ...model, dropout: 0.1 } }, 'model.dropout is 0.1'],
    [{ model: { ...model, end_of_word_suffix: '</w>' } }, 'model.end_of_word_suffix is "</w>"'],
    [{ model: { ...model, continuing_subword_prefix: '##' } }, 'model.continuing_subword_prefix is "##"'],
    [{ model: { ...model, vocab: { a: 0, b: 0 } } }, '"a" and "b" have the same id 0'],
    [{ model: { ...model, merges: [['a', 'nowhere']] } }, 'model.merges: the vocabulary lacks'],
    [{ model: { ...model, merges: ['a b c'] } }, 'model.merges[0] is "a b c": two tokens are expected'],
    [{ model: { ...model, vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'], unk_token: 'b' } }, 'unknown characters'],
    [{ added_tokens: [{ id: 3, content: 'x' }] }, 'the file.added_tokens.0.single_word'],
    [{ added_tokens: [token, { ...token, content: 'É' }], normalizer: { type: 'Lowercase' } }, 'the same as another'],
    [{ added_tokens: [{ ...token, content: '\u0301' }], normalizer: { type: 'StripAccents' } }, 'is no text'],
  ])('%j', (part, message) => {
    expect(() => new Pipeline({ model, ...part })).toThrow(message);
  });

  test('an unknown character, where the token for it is unknown itself', () => {
    const pipeline = new Pipeline({ model: { ...model, unk_token: '<nowhere>' } });
    expect(() => pipeline.encode('👍')).toThrow('model.unk_token "<nowhere>" is not in the vocabulary');
  });
});
