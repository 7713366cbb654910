import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConversations } from '../../src/text/conversations.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const written = (content: unknown) => {
  const file = join(tmp, 'chat.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};
const user = { role: 'user', content: 'Hi' };
const tool = { role: 'tool', content: '{"a": 1}' };

test('one conversation, or several', async () => {
  expect(await readConversations(written([user, tool]))).toEqual([[user, tool]]);
  expect(await readConversations(written([[user], [tool, user]]))).toEqual([[user], [tool, user]]);
});

test.each<[unknown, RegExp]>([
  ['[', /chat\.json is not valid JSON/],
  ['[{"role": "user", "role": "tool", "content": ""}]', /chat\.json names "role" twice/],
  [{ messages: [user] }, /chat\.json is not a conversation: give a list of \{"role", "content"\}/],
  [[], /chat\.json is not a conversation/],
  [[[user], []], /chat\.json, conversation 2: it has no message$/],
  [[[user], user], /chat\.json, conversation 2: .*expected array/],
  [[user, [user]], /chat\.json, message 2: .*expected object/],
  [['Hi'], /chat\.json, message 1: .*expected object/],
  [
    [user, { role: 'usr', content: 'Hi' }],
    /chat\.json, message 2, role: .*"system"\|"developer"\|"user"\|"assistant"\|"tool"/,
  ],
  [
    [[user], [user, { role: 'user', content: null }]],
    /chat\.json, conversation 2, message 2, content: .*expected string/,
  ],
  [[{ ...user, name: 'Ann' }], /chat\.json, message 1: Unrecognized key: "name"/],
])('%j is refused by its place', async (content, message) => {
  await expect(readConversations(written(content))).rejects.toThrow(message);
});

test('a file that is not there', async () => {
  await expect(readConversations(join(tmp, 'none.json'))).rejects.toThrow(/none\.json cannot be read: no such file/);
});
