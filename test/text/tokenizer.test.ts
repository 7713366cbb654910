import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Pipeline } from '../../src/text/tokenizer/pipeline.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

const tmp = temporaryFolder();
let made = 0;
const changed = async (change: Parameters<typeof copyModel>[2]) =>
  Tokenizer.open(await Checkpoint.open(copyModel(pocket, join(tmp, String(made++)), change)));
const open = async () => Tokenizer.open(await Checkpoint.open(pocket));

test('BOS comes first, once, whether or not the tokenizer adds it', async () => {
  const plain = (await open()).encode('A cat');
  expect(plain[0]).toBe(1);
  const silent = await changed({ 'tokenizer.json': merge({ post_processor: null }) });
  expect(silent.encode('A cat')).toEqual(plain);
  expect((await open()).encode('<s>A cat').filter((id) => id === 1)).toHaveLength(1);
});

test('many texts at once are encoded as each alone, and the one that fails is named', async () => {
  const tokenizer = await open();
  const texts = Array.from({ length: 130 }, (_, i) => `Cat ${i} sat on ${'a mat, '.repeat(i % 4)}and slept.`);
  expect(tokenizer.encodeAll(texts)).toEqual(texts.map((text) => tokenizer.encode(text)));
  expect(tokenizer.encodeAll([])).toEqual([]);
  const encode = Pipeline.prototype.encode;
  const spy = vi.spyOn(Pipeline.prototype, 'encode').mockImplementation(function (this: never, text: string) {
    if (text === 'bad one') throw new Error('no such piece');
    return encode.call(this, text);
  });
  expect(() => tokenizer.encodeAll(['good', 'bad one', 'fine'])).toThrow(
    'fails on a text of 7 characters: no such piece',
  );
  spy.mockRestore();
});

describe('a BOS that the tokenizer does not add by itself', () => {
  const silent = (config: object, model: Record<string, unknown> = {}) =>
    changed({
      'tokenizer.json': merge({ post_processor: null }),
      'tokenizer_config.json': () => JSON.stringify(config),
      'config.json': merge(model),
    });

  test.each<[string, object, Record<string, unknown>, number | undefined]>([
    ['add_bos_token', { add_bos_token: true, bos_token: '<s>', tokenizer_class: 'Qwen2Tokenizer' }, {}, 1],
    ["Llama's tokenizer", { bos_token: { content: '<s>' }, tokenizer_class: 'LlamaTokenizerFast' }, {}, 1],
    [
      "Llama's tokenizer with add_bos_token false",
      { add_bos_token: false, tokenizer_class: 'LlamaTokenizer' },
      {},
      undefined,
    ],
    ['another tokenizer', { bos_token: '<s>', tokenizer_class: 'GPT2Tokenizer' }, {}, undefined],
    ['nothing said, a Llama', {}, {}, 1],
    ['nothing said, a Llama without a BOS', {}, { bos_token_id: null }, undefined],
    ['another token than in config.json', { add_bos_token: true, bos_token: '</s>' }, {}, 2],
  ])('%s', async (_name, config, model, expected) => {
    const tokenizer = await silent(config, model);
    expect(tokenizer.bosId).toBe(expected);
    expect(tokenizer.encode('')).toEqual(expected === undefined ? [] : [expected]);
  });

  test('nothing said, a Qwen2', async () => {
    const change = { 'tokenizer_config.json': () => '{}' };
    const folder = copyModel(fixture('qwen2-bias-f32'), join(tmp, 'qwen2'), change);
    expect((await Tokenizer.open(await Checkpoint.open(folder))).bosId).toBeUndefined();
  });
});

test('text comes back from its tokens', async () => {
  const tokenizer = await open();
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      // The tokenizer joins what looks like its special tokens; such text is not text to it.
      fc.pre(!/<\/?s>|<unk>|\u2581/.test(text) && text.isWellFormed());
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }),
    { seed: 8, numRuns: 200 },
  );
});

// Text is that of transformers 5.24 for the same files.
test('tokens that have a role are special, whatever tokenizer.json says of them', async () => {
  const open = async (name: string, config: object) => {
    const change = {
      'tokenizer.json': (old: Buffer) => {
        const tokenizer = JSON.parse(old.toString());
        for (const token of tokenizer.added_tokens) token.special = false;
        return JSON.stringify(tokenizer);
      },
      'tokenizer_config.json': () => JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', ...config }),
    };
    const folder = copyModel(fixture('smollm2-tied-bf16'), join(tmp, name), change);
    return Tokenizer.open(await Checkpoint.open(folder));
  };
  const ids = [100, 2, 101];
  expect((await open('plain', {})).decode(ids)).toBe('a<|im_end|>b');
  expect((await open('listed', { additional_special_tokens: ['<|im_end|>'] })).decode(ids)).toBe('a<|im_end|>b');
  expect((await open('role', { eos_token: '<|im_end|>' })).decode(ids)).toBe('ab');
  const decoder = { 2: { content: '<|im_end|>', special: true } };
  expect((await open('decoder', { added_tokens_decoder: decoder })).decode(ids)).toBe('ab');
});

describe('streaming', () => {
  test('the pieces join to the whole, and none ends in half a character', async () => {
    const tokenizer = await open();
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        (before, after) => {
          const whole = `${before}${after}`;
          fc.pre(!/<\/?s>|<unk>|\u2581|\uFFFD/.test(whole) && whole.isWellFormed());
          const ids = tokenizer.encode(whole);
          for (const cut of [1, Math.ceil(ids.length / 2)]) {
            const prompt = ids.slice(0, cut);
            if (tokenizer.decode(prompt).endsWith('\uFFFD')) continue; // the prompt itself is cut inside a character
            const stream = tokenizer.stream(prompt);
            const pieces = ids.slice(cut).map((id) => stream.push(id));
            expect(pieces.every((piece) => !piece.includes('\uFFFD'))).toBe(true);
            expect(tokenizer.decode(prompt) + pieces.join('') + stream.flush()).toBe(whole);
          }
        },
      ),
      { seed: 9, numRuns: 200 },
    );
  });

  test('a character of four bytes comes when its last byte has come', async () => {
    const tokenizer = await open();
    const ids = tokenizer.encode('a😀b');
    const stream = tokenizer.stream(ids.slice(0, 1));
    const pieces = ids.slice(1).map((id) => stream.push(id));
    expect(pieces.filter((piece) => piece !== '').join('|')).toMatch(/^a\|😀\|b$/);
  });

  test('what is unfinished at the end shows as a replacement character', async () => {
    const tokenizer = await open();
    const ids = tokenizer.encode('a😀');
    const stream = tokenizer.stream(ids.slice(0, 1));
    const shown = ids
      .slice(1, -1)
      .map((id) => stream.push(id))
      .join('');
    expect(shown).toBe('a');
    expect(stream.flush()).toContain('\uFFFD');
  });
});

describe('chat', () => {
  const template =
    '{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}';
  const messages = [{ role: 'user', content: 'Hi' }] as const;

  test('the template of tokenizer_config.json, a list of them, or chat_template.jinja', async () => {
    const expected = '<|user|>\nHi</s>\n<|assistant|>\n';
    const own = await changed({ 'tokenizer_config.json': merge({ chat_template: template }) });
    expect(own.hasChatTemplate).toBe(true);
    expect(own.chat(messages)).toBe(expected);
    const named = [
      { name: 'tools', template: 'x' },
      { name: 'default', template },
    ];
    expect((await changed({ 'tokenizer_config.json': merge({ chat_template: named }) })).chat(messages)).toBe(expected);
    const folder = copyModel(pocket, join(tmp, 'jinja'));
    writeFileSync(join(folder, 'chat_template.jinja'), template);
    expect((await Tokenizer.open(await Checkpoint.open(folder))).chat(messages)).toBe(expected);
  });

  test("a date in the prompt is Llama 3's own, whatever the day", async () => {
    const dated =
      '{% if not date_string is defined %}{% set date_string = strftime_now("%d %b %Y") %}{% endif %}Today Date: {{ date_string }}';
    const own = await changed({ 'tokenizer_config.json': merge({ chat_template: dated }) });
    expect(own.chat(messages)).toBe('Today Date: 26 Jul 2024');
  });

  test('a template that throws, or none', async () => {
    const failing = await changed({
      'tokenizer_config.json': merge({ chat_template: "{{ raise_exception('no system line') }}" }),
    });
    expect(() => failing.chat(messages)).toThrow(/chat template fails: .*no system line/);
    const none = await open();
    expect(none.hasChatTemplate).toBe(false);
    expect(() => none.chat(messages)).toThrow(/has no chat template/);
  });
});

describe('refuses', () => {
  test.each<[string, Parameters<typeof copyModel>[2], RegExp]>([
    ['no tokenizer', { 'tokenizer.json': null }, /holds no tokenizer\.json/],
    ['a tokenizer that is not JSON', { 'tokenizer.json': () => '{' }, /tokenizer\.json is not valid JSON/],
    [
      'a tokenizer of unknown kind',
      { 'tokenizer.json': () => '{"model":{"type":"Unheard"}}' },
      /tokenizer\.json cannot be read as a tokenizer/,
    ],
    ['a config with another meaning', { 'tokenizer_config.json': () => '{"chat_template": 3}' }, /chat_template/],
  ])('%s', async (_name, change, message) => {
    await expect(changed(change)).rejects.toThrow(message);
  });

  test('a tokenizer with more tokens than the model', async () => {
    const other = await changed({
      'tokenizer.json': (old) => {
        const tokenizer = JSON.parse(old.toString());
        // It follows the vocabulary, whatever the file calls it.
        tokenizer.added_tokens.push({ ...tokenizer.added_tokens[0], id: 7, content: '<extra>' });
        return JSON.stringify(tokenizer);
      },
    });
    expect(() => other.encode('a<extra>')).toThrow(/token 1024, the model's vocab_size is 1024/);
  });
});
