import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import type { Message } from '../../src/text/chat.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

interface Row {
  readonly name: string;
  readonly fixture: string;
  /** Files that are put into a copy of the fixture; of tokenizer.json the keys that are other. */
  readonly files: Readonly<Record<string, object | string>>;
  readonly messages: readonly Message[];
  /** What transformers makes of it, null where it refuses. */
  readonly text: string | null;
  readonly ids?: readonly number[];
  readonly decoded?: string;
}

const tmp = temporaryFolder();
let made = 0;
const rows: readonly Row[] = JSON.parse(readFileSync(join(fixture('chat'), 'folders.json'), 'utf8')).folders;

function folderOf({ name, fixture: from, files }: Row): string {
  const { 'tokenizer.json': keys, ...others } = files;
  const folder = copyModel(fixture(from), join(tmp, name.replace(/\W/g, '_')), {
    'tokenizer.json': merge({ ...(keys as Record<string, unknown> | undefined) }),
  });
  for (const [file, content] of Object.entries(others)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

test.each(rows)('$name: the prompt and its ids are those of transformers', async (row) => {
  const tokenizer = await Tokenizer.open(await Checkpoint.open(folderOf(row)));
  expect(tokenizer.hasChatTemplate).toBe(true);
  if (row.text === null) {
    expect(() => tokenizer.chat(row.messages)).toThrow(/several chat templates|the assistant's and is to be continued/);
    return;
  }
  const prompt = tokenizer.chat(row.messages);
  expect(prompt).toBe(row.text);
  if (!row.ids) return;
  const ids = tokenizer.encodeChat(prompt);
  expect(ids).toEqual(row.ids);
  expect(tokenizer.decode(ids)).toBe(row.decoded);
});

test.each([
  ['special_tokens_map.json', '[1]', /special_tokens_map\.json does not hold a JSON object/],
  ['special_tokens_map.json', '{"eos_token": 3}', /special_tokens_map\.json: eos_token is 3, allowed: a text/],
  [
    'special_tokens_map.json',
    '{"eos_token": "a", "eos_token": "b"}',
    /special_tokens_map\.json names "eos_token" twice/,
  ],
  ['added_tokens.json', 'x', /added_tokens\.json is not valid JSON/],
  ['tokenizer_config.json', '{"additional_special_tokens": [5]}', /additional_special_tokens is 5, allowed: a text/],
  ['tokenizer_config.json', '{"added_tokens_decoder": {"1": {}}}', /added_tokens_decoder\.1 is .*, allowed: a text/],
])('%s with %s is refused in one line', async (file, content, message) => {
  const folder = copyModel(fixture('smollm2-tied-bf16'), join(tmp, `bad-${made++}`), {
    'tokenizer_config.json': () => '{}',
  });
  writeFileSync(join(folder, file), content);
  await expect(Checkpoint.open(folder).then((checkpoint) => Tokenizer.open(checkpoint))).rejects.toThrow(message);
});
