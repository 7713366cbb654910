import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDocuments, readTasks } from '../../src/measure/documents.ts';
import { pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const file = (name: string, content: string | Uint8Array) => {
  const path = join(tmp, name);
  writeFileSync(path, content);
  return path;
};

describe('documents', () => {
  test.each<[string, string, string[]]>([
    ['one.txt', 'One document,\ntwo lines.\n', ['One document,\ntwo lines.\n']],
    ['many.txt', 'a\n\nb\n<|end|>\nc\n<|end|>\n', ['a\n\nb', 'c']],
    ['windows.txt', 'a\r\n<|end|>\r\nb\r\n<|end|>\r\n', ['a', 'b']],
    ['first.txt', '<|end|>\na\n<|end|>', ['a']],
    ['inline.txt', 'a <|end|> b', ['a <|end|> b']],
    ['list.json', '["a", " ", "b"]', ['a', 'b']],
    ['lines.jsonl', '{"text":"a"}\n\n{"text":"b","id":1}\n', ['a', 'b']],
    ['noname', 'a', ['a']],
  ])('%s', async (name, content, expected) => {
    expect(await readDocuments(file(name, content))).toEqual(expected);
  });

  test("pocket's stories are 200", async () => {
    const stories = await readDocuments(join(pocket, 'valid.txt'));
    expect(stories).toHaveLength(200);
    expect(stories.every((story) => !story.includes('<|end|>') && !story.endsWith('\n'))).toBe(true);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['empty.txt', ' \n<|end|>\n\n', /holds no text/],
    ['object.json', '{"text": "a"}', /is not a list of strings/],
    ['broken.json', '["a"', /is not valid JSON/],
    ['broken.jsonl', '{"text":"a"}\n{"text":\n', /broken\.jsonl, line 2 is not valid JSON/],
    ['other.jsonl', '{"text":"a"}\n{"body":"b"}\n', /line 2: expected \{"text"/],
    ['latin.txt', Uint8Array.of(0x61, 0xe9, 0x61), /is not UTF-8/],
  ])('%s is refused', async (name, content, message) => {
    await expect(readDocuments(file(name, content))).rejects.toThrow(message);
  });

  test('a file that is not there, or a folder', async () => {
    await expect(readDocuments(join(tmp, 'missing.txt'))).rejects.toThrow(/missing\.txt cannot be read: no such file/);
    await expect(readDocuments(tmp)).rejects.toThrow(/cannot be read: it is a folder/);
  });
});

describe('tasks', () => {
  const good = { task: 'place', context: 'Where?', choices: [' here.', ' there.'], answer: 1 };

  test('reads rows', async () => {
    expect(await readTasks(file('good.jsonl', `${JSON.stringify(good)}\n`))).toEqual([good]);
    expect(await readTasks(join(pocket, 'tasks.jsonl'))).toHaveLength(400);
  });

  test.each<[string, object, RegExp]>([
    ['an answer that is no choice', { ...good, answer: 2 }, /line 2: .*answer is not the number of a choice/],
    ['a single choice', { ...good, choices: [' here.'], answer: 0 }, /line 2: choices/],
    ['an empty choice', { ...good, choices: ['', 'a'] }, /line 2: choices\.0/],
    ['no context', { ...good, context: undefined }, /line 2: context/],
  ])('%s is refused with its line', async (_name, row, message) => {
    const path = file('bad.jsonl', `${JSON.stringify(good)}\n${JSON.stringify(row)}\n`);
    await expect(readTasks(path)).rejects.toThrow(message);
  });

  test('no rows at all', async () => {
    await expect(readTasks(file('none.jsonl', '\n'))).rejects.toThrow(/holds no questions/);
  });
});
