import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import type { PromptOptions, SamplingOptions } from '../../src/commands/options.ts';
import { promptsOf, samplePrompts, samplingInfo } from '../../src/commands/samples.ts';
import { day } from '../../src/platform/option-values.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

const tmp = temporaryFolder();
let made = 0;
const turns =
  '{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}';
const drawn: SamplingOptions = {
  temperature: 0.7,
  topP: 0.9,
  topK: 0,
  repetitionPenalty: 1,
  seed: 0,
  maxNewTokens: 4,
};

/** A copy of a model with another chat template and generation_config.json, and how it takes prompts. */
async function model(template: string | null, generation: object = { eos_token_id: 2 }, from = pocket) {
  const folder = copyModel(from, join(tmp, String(made++)), {
    'tokenizer_config.json': merge({ chat_template: template }),
    'generation_config.json': () => JSON.stringify(generation),
  });
  const checkpoint = await Checkpoint.open(folder);
  const tokenizer = await Tokenizer.open(checkpoint);
  return {
    tokenizer,
    of: (options: PromptOptions) => promptsOf(options, tokenizer, checkpoint),
    texts: async (options: PromptOptions) =>
      (await promptsOf(options, tokenizer, checkpoint)).prompts.map(({ text }) => text),
    notes: async (options: Partial<SamplingOptions> = {}) =>
      (await samplePrompts({ ...drawn, ...options }, tokenizer, checkpoint)).notes.filter((note) => !isWrapping(note)),
    wrapping: async (options: PromptOptions = {}) =>
      (await promptsOf(options, tokenizer, checkpoint)).notes.filter(isWrapping),
  };
}

const isWrapping = (note: string) => note.startsWith('Prompts are ');

function conversations(content: object): string {
  const file = join(tmp, `chat-${made++}.json`);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

const asked = { role: 'user', content: 'Hi' };
const answered = { role: 'assistant', content: 'I was' };

describe('the date that a chat template sees', () => {
  const chatDate = new Date(2031, 1, 3);

  test('is recorded where it is of the clock, so that the same prompts can be made on another day', async () => {
    const { texts, of } = await model('{{ strftime_now("%d %b %Y, %H:%M") }}');
    const [today = ''] = await texts({});
    const { chosen } = await of({});
    expect(today).toMatch(/, 00:00$/);
    expect(await texts({ chatDate: day('--chat-date')(chosen['--chat-date'] ?? '') })).toEqual([today]);
    expect(await texts({ chatDate })).toEqual(['03 Feb 2031, 00:00']);
  });

  test("is Llama 3's own where the template takes a date, or as asked for", async () => {
    const { texts, of } = await model('{{ date_string }}');
    expect(await texts({})).toEqual(['26 Jul 2024']);
    expect((await of({})).chosen).toEqual({});
    expect(await texts({ chatDate })).toEqual(['03 Feb 2031']);
  });

  test('is refused for a template without one', async () => {
    const { of } = await model(turns);
    await expect(of({ chatDate })).rejects.toThrow('no chat template of this model uses a date: leave --chat-date out');
    expect(() => day('--chat-date')('2026-02-30')).toThrow(
      '--chat-date is "2026-02-30", allowed: a day such as 2026-01-31',
    );
  });
});

describe('prompts', () => {
  test('are the user alone where no system message is asked for', async () => {
    const { texts, of } = await model(turns);
    expect(await texts({ prompt: ['Hi', 'Bye'] })).toEqual(['<user>Hi</><assistant>', '<user>Bye</><assistant>']);
    expect(await texts({})).toEqual(['<user>What is machine learning?</><assistant>']);
    expect(await texts({ raw: true, prompt: ['Hi'] })).toEqual(['Hi']);
    expect(await texts({ raw: true })).toEqual(['Once upon a time']);
    expect((await of({ prompt: ['Hi'] })).info).toEqual({});
  });

  test('have the system message that is asked for, an empty one too', async () => {
    const { texts, of } = await model(turns);
    expect(await texts({ system: 'Be brief.', prompt: ['Hi'] })).toEqual([
      '<system>Be brief.</><user>Hi</><assistant>',
    ]);
    expect(await texts({ system: '', prompt: ['Hi'] })).toEqual(['<system></><user>Hi</><assistant>']);
    expect((await of({ system: 'Be brief.' })).info).toEqual({ system: 'Be brief.' });
  });

  test('are conversations of a file, continued where the last turn is the assistant’s', async () => {
    const { texts, of } = await model(turns);
    const chat = conversations([[asked], [asked, answered], [asked, answered, asked]]);
    expect(await texts({ chat, system: 'S' })).toEqual([
      '<system>S</><user>Hi</><assistant>',
      '<system>S</><user>Hi</><assistant>I was',
      '<system>S</><user>Hi</><assistant>I was</><user>Hi</><assistant>',
    ]);
    const { info } = await of({ chat });
    expect(info).toEqual({ chat: expect.stringMatching(/^[\da-f]{64}$/) });
    expect((await of({ chat: conversations([asked]) })).info).not.toEqual(info);
    expect(samplingInfo(drawn, { ...info, system: 'S' })).toMatchObject({ ...info, system: 'S', topP: 0.9 });
  });

  test('have the tokens that the template writes, and no others', async () => {
    const { of, tokenizer } = await model(turns);
    const [prompt] = (await of({ prompt: ['Hi'] })).prompts;
    expect(prompt?.ids).toEqual(tokenizer.encode(prompt?.text ?? '').slice(1));
    const [raw] = (await of({ prompt: ['Hi'], raw: true })).prompts;
    expect(raw?.ids[0]).toBe(tokenizer.bosId);
  });

  test('are refused in one line where they cannot be what is asked for', async () => {
    const none = await model(null);
    await expect(none.of({ system: 'S' })).rejects.toThrow(/no chat template, which --system needs: leave it out/);
    await expect(none.of({ chat: 'x.json' })).rejects.toThrow(/no chat template, which --chat needs/);
    const { of } = await model(turns);
    await expect(of({ chat: 'x.json', prompt: ['Hi'] })).rejects.toThrow(/--chat x\.json replaces the prompts/);
    const own = conversations([[asked], [{ role: 'system', content: 'S' }, asked]]);
    await expect(of({ chat: own, system: 'T' })).rejects.toThrow(
      /, conversation 2 begins with a system message of its own/,
    );
    await expect(of({ prompt: ['word '.repeat(600)] })).rejects.toThrow(/takes \d+ tokens, the model's context is 512/);
    const deaf = await model("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}");
    await expect(deaf.of({ system: 'S' })).rejects.toThrow(/leaves a system message out: leave out --system too/);
    const strict = await model("{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}x");
    await expect(strict.of({ system: 'S' })).rejects.toThrow(/chat template fails: no system/);
    expect(await strict.texts({})).toEqual(['x']);
    const insisting = await model("{% if messages[0].role != 'system' %}{{ raise_exception('a system') }}{% endif %}x");
    expect(await insisting.texts({ system: 'S' })).toEqual(['x']);
  });
});

describe('notes', () => {
  const bos = '{{ bos_token }}{{ messages[0].content }}';

  test('none where all is as one would expect', async () => {
    expect(await (await model(bos)).notes()).toEqual([]);
    expect(await (await model(null)).notes()).toEqual([]);
    const bosless = await model('{{ messages[0].content }}', { eos_token_id: [2, 0] }, fixture('smollm2-tied-bf16'));
    expect(await bosless.notes()).toEqual([]);
  });

  test('on whether prompts are wrapped, where there is a chat template', async () => {
    const { wrapping } = await model(turns);
    const wrapped = ["Prompts are wrapped in the model's chat template; --raw uses them verbatim."];
    expect(await wrapping()).toEqual(wrapped);
    expect(await wrapping({ chat: true, prompt: ['Hi'] })).toEqual(wrapped);
    expect(await wrapping({ raw: true })).toEqual(["Prompts are used verbatim, not in the model's chat template."]);
    expect(await wrapping({ chat: conversations([asked]) })).toEqual([]);
    const none = await model(null);
    expect(await none.wrapping()).toEqual([]);
    await expect(none.of({ chat: true })).rejects.toThrow(/no chat template, which --chat needs/);
  });

  test('on BOS that the template leaves out or writes twice', async () => {
    const plain = await model('{{ messages[0].content }}');
    expect(await plain.notes()).toEqual([
      "The chat template writes no BOS, though this model's texts begin with <s>: the prompts have none, as in transformers.",
    ]);
    expect(await plain.notes({ raw: true })).toEqual([]);
    expect(await (await model(`{{ bos_token }}${bos}`)).notes()).toEqual([
      'The chat template writes BOS twice: the prompts begin with <s><s>, as in transformers.',
    ]);
  });

  test('on the date that the template sees', async () => {
    expect(await (await model(`${bos}{{ date_string }}`)).notes()).toEqual([
      'The chat template takes 2024-07-26 for today: --chat-date names another day.',
    ]);
    expect(await (await model(`${bos}{{ strftime_now('%Y') }}`)).notes()).toEqual([
      expect.stringMatching(/^The chat template takes 20\d\d-\d\d-\d\d for today: --chat-date names another day\.$/),
    ]);
    expect(await (await model(bos)).notes()).toEqual([]);
  });

  test('on what ends a text', async () => {
    expect(await (await model(bos, { eos_token_id: [1, 0] })).notes()).toEqual([
      "A text ends at <s> (1), <unk> (0), as eos_token_id says, and not at the tokenizer's eos_token </s> (2).",
    ]);
  });

  test('on what generation_config.json asks for and is not done', async () => {
    const eos_token_id = 2;
    const penalised = await model(bos, {
      eos_token_id,
      repetition_penalty: 1.3,
      no_repeat_ngram_size: 3,
      temperature: 0.1,
    });
    expect(await penalised.notes()).toEqual([
      'Not used, though generation_config.json has it: repetition_penalty 1.3 (here 1), no_repeat_ngram_size 3.',
    ]);
    expect(await penalised.notes({ repetitionPenalty: 1.3 })).toEqual([
      'Not used, though generation_config.json has it: no_repeat_ngram_size 3.',
    ]);
    const drawing = {
      eos_token_id,
      do_sample: true,
      temperature: 0.6,
      top_p: 0.9,
      top_k: 20,
      min_p: 0.05,
      typical_p: 1,
    };
    const lively = await model(bos, drawing);
    expect(await lively.notes()).toEqual([
      'Not used, though generation_config.json has it: temperature 0.6 (here 0.7), top_k 20 (here 0), min_p 0.05.',
    ]);
    expect(await lively.notes({ temperature: 0 })).toEqual([]);
    const neutral = { eos_token_id, repetition_penalty: 1, num_beams: 1, bad_words_ids: null };
    expect(await (await model(bos, neutral)).notes()).toEqual([]);
  });
});
