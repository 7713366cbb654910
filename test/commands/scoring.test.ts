import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { openModel } from '../../src/commands/model.ts';
import type { ScoringOptions } from '../../src/commands/options.ts';
import { scoringInput } from '../../src/commands/scoring.ts';
import { recordName, recordText } from '../../src/results/scored-record.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel } from '../support/safetensors.ts';

const tmp = temporaryFolder();
const quiet = { quiet: true, offline: true } as const;
const few = { documents: 3, maxTokens: 20 } as const;

async function scored(ref: string, options: ScoringOptions & { quiet?: boolean }, base?: string) {
  const model = await openModel(ref, quiet);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  return scoringInput({ ...quiet, ...options }, model, tokenizer, base ? await openModel(base, quiet) : undefined);
}

/** What is said on the way. */
async function said(ref: string, options: ScoringOptions): Promise<string> {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    await scored(ref, { ...options, quiet: false });
    return write.mock.calls.map(([text]) => text).join('');
  } finally {
    write.mockRestore();
  }
}

describe('the default text', () => {
  test("is pocket's stories for pocket and next to it, the passages for others; each by its name too", async () => {
    const own = await scored('pocket', few);
    expect(own.about.text).toBe("pocket's held-out stories");
    expect(own.chosen).toEqual({});
    const copy = copyModel(pocket, join(tmp, 'copy'));
    expect((await scored(copy, few, 'pocket')).documentsSha256).toBe(own.documentsSha256);
    expect((await scored(copy, { ...few, text: 'builtin:pocket' })).documentsSha256).toBe(own.documentsSha256);
    const others = await scored(copy, few);
    expect(others.about.text).toBe('the built-in passages');
    expect((await scored('pocket', { ...few, text: 'builtin:passages' })).documentsSha256).toBe(others.documentsSha256);
    await expect(scored('pocket', { text: 'builtin:x' })).rejects.toThrow(
      'there is no text builtin:x, allowed: builtin:pocket, builtin:pocket-training, builtin:passages',
    );
  });

  test('the hash is of token ids and of where documents end', async () => {
    const [one, two] = [join(tmp, 'one.txt'), join(tmp, 'two.txt')];
    writeFileSync(one, 'The sea was calm.\n<|end|>\nThe sky was grey.');
    writeFileSync(two, 'The sea was calm.\n<|end|>\nThe sky was grey.\n<|end|>\n');
    const { documentsSha256 } = await scored('pocket', { text: one });
    expect((await scored('pocket', { text: two })).documentsSha256).toBe(documentsSha256);
    for (const other of [{ chunk: 'stream' }, { documents: 1 }, { maxTokens: 3 }] as const)
      expect((await scored('pocket', { text: one, ...other })).documentsSha256).not.toBe(documentsSha256);
  });
});

test('tokens that are not read are counted in short texts and estimated in long ones', async () => {
  const file = join(tmp, 'unread.txt');
  const short = 'The sea was calm and the sky was grey, so the old man went to sleep in his boat.';
  const about = async (text: string) => {
    writeFileSync(file, text);
    return (await scored('pocket', { text: file, maxTokens: 4 })).about;
  };
  const tokenizer = await Tokenizer.open((await openModel('pocket', quiet)).checkpoint);
  const rest = tokenizer.encode(short).length - 4;
  expect(await about(`${short}\n<|end|>\nOnce.\n<|end|>\n${short}`)).toMatchObject({
    cut: 2,
    unread: 2 * rest,
    isCounted: true,
  });
  expect(await about('Once.')).not.toHaveProperty('unread');
  const long = `${short} `.repeat(2000);
  const { unread = 0, isCounted } = await about(long);
  expect(isCounted).toBeUndefined();
  expect(unread).toBe(Number(unread.toPrecision(1)));
});

test('a text of paragraphs that is cut because it is one document is noticed', async () => {
  const file = join(tmp, 'paragraphs.txt');
  const what = (text: string, options: ScoringOptions = { maxTokens: 6 }) => {
    writeFileSync(file, text);
    return said('pocket', { ...options, text: file });
  };
  const paragraphs = 'The sea was calm.\n\nThe sky was grey.\n \nThe wind came.\n';
  expect(await what(paragraphs)).toBe(
    `${file} is one document of 3 paragraphs, cut to 6 tokens: --chunk stream reads all of it; ` +
      'in plain text a line <|end|> separates documents\n',
  );
  expect(await what(paragraphs, {})).toBe('');
  expect(await what(paragraphs, { maxTokens: 6, chunk: 'stream' })).not.toContain('paragraphs, cut');
  expect(await what(`${paragraphs}<|end|>\nOnce.`)).toBe('');
  expect(await what('The sea was calm.\nThe sky was grey.')).toBe('');
});

describe('of a checkpoint that a run wrote', () => {
  let folder = '';
  let text = '';
  let made = 0;
  beforeEach(() => {
    const here = join(tmp, `run-${made++}`);
    mkdirSync(here);
    folder = copyModel(pocket, join(here, 'model'));
    text = join(here, 'text.txt');
    writeFileSync(text, 'The sea was calm.\n<|end|>\nThe sky was grey, and the wind came from the north.');
  });
  const write = async (options: ScoringOptions) => {
    const made = await scored('pocket', options);
    writeFileSync(join(folder, recordName), recordText(made.record));
    return made;
  };

  test('what the run scored is scored, cut as it was, and the choice is recorded', async () => {
    const run = await write({ text, chunk: 'stream', documents: 2, maxTokens: 6 });
    const again = await scored(folder, {});
    expect(again.about).toEqual(run.about);
    expect(again.documentsSha256).toBe(run.documentsSha256);
    expect(again.chosen).toEqual({
      '--text': text,
      '--chunk': 'stream',
      '--documents': '2',
      '--max-tokens': '6',
    });
  });

  test('also its default text; other options change how it is cut, and another text takes its place', async () => {
    await write({});
    const { about } = await scored(folder, { documents: 2 });
    expect(about).toMatchObject({ text: "pocket's held-out stories", documents: 2, maxTokens: 512 });
    expect((await scored(folder, { text, maxTokens: 4 })).about).toMatchObject({ text, documents: 2, cut: 2 });
  });

  test('which settings come from where is said, without those that are given', async () => {
    await write({ text, documents: 2, maxTokens: 6 });
    const record = `Text as its run scored it (${join(folder, recordName)}): --text ${text} --chunk documents`;
    expect(await said(folder, {})).toBe(`${record} --documents 2 --max-tokens 6\n`);
    expect(await said(folder, { maxTokens: 4 })).toBe(`${record} --documents 2\n`);
    expect(await said(folder, { text })).toBe('');
  });

  test('a text that changed or is gone is refused, and nothing else scored in its place', async () => {
    const { documentsSha256 } = await write({ text });
    writeFileSync(text, 'The sea was wild.\n<|end|>\nThe sky was grey, and the wind came from the north.');
    await expect(scored(folder, {})).rejects.toThrow(
      `${folder}: its run scored ${text}, which has other tokens now (SHA-256 ${documentsSha256.slice(0, 16)}…, now `,
    );
    writeFileSync(join(folder, recordName), recordText({ ...(await scored(folder, { text })).record, text: tmp }));
    await expect(scored(folder, {})).rejects.toThrow(`its run scored ${tmp}, which is not there: give --text`);
    writeFileSync(join(folder, recordName), recordText({ ...(await scored(folder, { text })).record, text: '-' }));
    await expect(scored(folder, {})).rejects.toThrow('its run scored standard input, which is gone: give --text');
  });

  test('a record that is none is refused', async () => {
    writeFileSync(join(folder, recordName), '{"scored": {"text": 1}}');
    await expect(scored(folder, {})).rejects.toThrow(
      `${recordName} is not the record of a run, at scored.text: Invalid input: expected string, received number: give --text, or remove the file`,
    );
    expect((await scored(folder, { text })).about.text).toBe(text);
  });
});
