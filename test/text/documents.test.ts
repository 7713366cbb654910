import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDocuments, readTasks, readTexts } from '../../src/text/documents.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';

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
    ['lines.ndjson', '{"text":"a"}\r\n{"text":"b"}', ['a', 'b']],
    ['LINES.JSONL', '{"text":"a"}', ['a']],
    ['nulls.jsonl', '{"text":"a"}\n{"text":null}\n{"text":"b"}', ['a', 'b']],
    ['lines.json', '{"text":"a"}\n{"text":"b"}\n', ['a', 'b']],
    ['objects.json', '[{"text":"a"},\n {"text":"b","id":1}]', ['a', 'b']],
    ['object.json', '{\n  "text": "a"\n}\n', ['a']],
    ['table.csv', 'id,text\n1,a\n2,"b, ""c""\nd"\n', ['a', 'b, "c"\nd']],
    ['windows.csv', '\ufeffid,text\r\n1,"a\r\nb"\r\n\r\n2,c\r\n', ['a\r\nb', 'c']],
    ['mixed.csv', 'text\na\r\nb\rc', ['a', 'b', 'c']],
    ['quoted.csv', '"te","text"\n"a","b"\n', ['b']],
    ['long.csv', `text\n"${'a"" '.repeat(100_000)}"`, ['a" '.repeat(100_000)]],
    ['table.tsv', 'id\ttext\n1\ta, b\n2\t"c\td"\n', ['a, b', 'c\td']],
    ['notes.md', '# a\n\n- b, c\n', ['# a\n\n- b, c\n']],
  ])('%s', async (name, content, expected) => {
    expect(await readDocuments(file(name, content))).toEqual(expected);
  });

  test('a line that ends the last text is followed by no empty one', async () => {
    expect(await readTexts(file('ended.txt', 'a\n<|end|>\nb\n<|end|>\n'))).toEqual(['a', 'b']);
    expect(await readTexts(file('between.txt', 'a\n<|end|>\n<|end|>\nb'))).toEqual(['a', '', 'b']);
  });

  test("pocket's stories are 200", async () => {
    const stories = await readDocuments(join(pocket, 'valid.txt'));
    expect(stories).toHaveLength(200);
    expect(stories.every((story) => !story.includes('<|end|>') && !story.endsWith('\n'))).toBe(true);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['empty.txt', ' \n<|end|>\n\n', /holds no text/],
    ['empty.csv', '', /holds no text/],
    ['header.csv', 'id,text\n', /holds no text/],
    ['empty.json', '', /holds no text/],
    ['number.json', '["a", 1]', /item 2 is 1, expected \{"text": "…"\}$/],
    [
      'nested.json',
      '{"data": [{"text": "a"}]}',
      /nested\.json, line 1 has no column "text": --column takes one of data$/,
    ],
    ['chat.jsonl', '{"text":[{"role":"user"}]}\n', /chat\.jsonl, line 1: column "text" holds a list, not text/],
    ['lists.jsonl', '{"text":"a"}\n["b"]\n', /line 2 is \["b"\], expected/],
    ['names.csv', 'id,story\n1,a\n', /names\.csv has no column "text": --column takes one of id, story$/],
    ['blank.csv', 'id, text,\n1,a,b\n', /--column takes one of id, " text", ""$/],
    ['semicolons.csv', 'id;text\n1;a\n', /--column takes one of id;text$/],
    ['twice.csv', 'text,text\na,b\n', /has 2 columns "text": rename all but one$/],
    [
      'ragged.csv',
      'id,text\n1,"a\nb"\n2,c, d\n',
      /ragged\.csv, row 3 \(line 4\): it has 3 fields, the first row has 2\./,
    ],
    ['short.csv', 'id,text\n1\n', /row 2 \(line 2\): it has 1 fields/],
    ['open.csv', 'id,text\n1,a\n2,"b\n3,c\n', /row 3 \(line 4\): a quote is opened and never closed\. /],
    ['closed.csv', 'id,text\n1,"a" b\n', /row 2 \(line 2\): a field goes on after its closing quote\. /],
    ['inside.csv', 'id,text\n1,a "b"\n', /row 2 \(line 2\): a quote stands inside a field/],
    ['nul.txt', 'a\0b', /nul\.txt has a NUL as character 2: it is binary, or UTF-16 without/],
    [
      'book.pdf',
      '%PDF-1.7',
      /book\.pdf is a PDF: give its text as plain text, \.json, \.jsonl, \.csv, \.tsv or \.parquet/,
    ],
    ['book.txt', '%PDF-1.7\n', /book\.txt is a PDF/],
    ['rows.arrow', '', /is an Arrow file/],
    ['rows', 'ARROW1\0\0', /is an Arrow file/],
    ['a.docx', 'PK\x03\x04', /is an office document/],
    ['a.txt', 'PK\x03\x04', /is a zip archive/],
    ['a.jsonl.zst', '', /is packed by zstd/],
    ['a.jsonl', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x04), /is packed by zstd/],
    ['a.csv.bz2', '', /is packed by bzip2/],
    ['a.csv.xz', '', /is packed by xz/],
    ['a.tar.gz', '', /is a tar archive/],
    ['a.html', '', /is HTML/],
    ['page.txt', '\ufeff\n<!DOCTYPE html><p>a', /is HTML/],
    ['a.xml', '', /is XML/],
    ['feed', '<?xml version="1.0"?><a/>', /is XML/],
    ['a.yml', '', /is YAML/],
    ['pointer.jsonl', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /is a Git LFS pointer/],
    ['plain.jsonl.gz', '{"text":"a"}', /is not packed by gzip, which its name says/],
    ['cut.txt.gz', gzipSync('a'.repeat(100)).subarray(0, 20), /cannot be unpacked: unexpected end of file/],
    ['rows.parquet', 'id,text\n', /holds no Parquet file that can be read/],
    ['broken.json', '["a"', /is not valid JSON/],
    ['broken.jsonl', '{"text":"a"}\n{"text":\n', /broken\.jsonl, line 2 is not valid JSON/],
    [
      'other.jsonl',
      '{"text":"a"}\n{"body":"b"}\n',
      /other\.jsonl, line 2 has no column "text": --column takes one of body$/,
    ],
    ['latin.txt', Uint8Array.of(0x61, 0xe9, 0x61), /is not UTF-8/],
  ])('%s is refused', async (name, content, message) => {
    await expect(readDocuments(file(name, content))).rejects.toThrow(message);
  });

  test('a file that is not there, or a folder', async () => {
    await expect(readDocuments(join(tmp, 'missing.txt'))).rejects.toThrow(/missing\.txt cannot be read: no such file/);
    await expect(readDocuments(tmp)).rejects.toThrow(/cannot be read: it is a folder/);
    await expect(readDocuments(join(tmp, 'missing.parquet'))).rejects.toThrow(/cannot be read: no such file/);
  });

  const lines = '{"text":"a"}\n{"text":"b"}\n';
  test.each<[string, string, string[]]>([
    ['lines of objects', lines, ['a', 'b']],
    ['a single object', '{"text":"a"}', ['a']],
    ['a list of strings', '["a",\n"b"]', ['a', 'b']],
    ['a list of objects', '[{"text":"a"}]', ['a']],
    ['separated values', 'id,text\n1,a\n', ['a']],
    ['values between tabs', '"a name"\ttext\n1\ta\n', ['a']],
    ['lines of objects, one of them a document', `${lines}<|end|>\n`, [lines.slice(0, -1)]],
    ['a sentence', 'Pictures, text\nand more.', ['Pictures, text\nand more.']],
    ['a stage direction', '[Enter the king]\n{aside} No.', ['[Enter the king]\n{aside} No.']],
    ['code', '{ "a": 1,\n  b }', ['{ "a": 1,\n  b }']],
  ])('%s, whatever the name says', async (_name, content, expected) => {
    for (const name of ['said.txt', 'unsaid', 'said.log', 'said.txt.gz'])
      expect(await readDocuments(file(name, name.endsWith('.gz') ? gzipSync(content) : content))).toEqual(expected);
  });

  test('what a name does not say and the content gets wrong names both', async () => {
    const path = file('unsaid', `${lines}{"body":"c"}\n`);
    await expect(readDocuments(path)).rejects.toThrow(/unsaid \(which begins as \.json does\), line 3 has no column/);
  });

  test('a column, or a field', async () => {
    const [csv, jsonl] = [file('c.csv', 'text,story\na,b\n'), file('c.jsonl', '{"text":"a","story":"b"}\n')];
    for (const path of [csv, jsonl]) expect(await readDocuments(path, 'story')).toEqual(['b']);
    expect(await readDocuments(file('c', 'id,story\n1,b\n'), 'story')).toEqual(['b']);
    await expect(readDocuments(file('c.json', '["a"]'), 'text')).rejects.toThrow(/item 1 is "a", expected \{"text"/);
    await expect(readDocuments(file('c.txt', 'a'), 'text')).rejects.toThrow(
      /--column is for files with .*c\.txt is plain/,
    );
    await expect(readDocuments(jsonl, '__proto__')).rejects.toThrow(/has no column "__proto__"/);
  });

  test('UTF-16 behind its mark, gzip and Parquet whatever they are called', async () => {
    const text = 'naïve \u{1f40c}';
    const little = Buffer.from(`\ufeff${text}`, 'utf16le');
    for (const bytes of [little, Buffer.from(little).swap16(), Buffer.from(`\ufeff${text}`), gzipSync(text)])
      expect(await readDocuments(file('encoded', bytes))).toEqual([text]);
    await expect(readDocuments(file('half.txt', little.subarray(0, -1)))).rejects.toThrow(/is not UTF-16LE text/);
    const rows = await readTexts(join(fixture('parquet'), 'zstd.parquet'), 'title');
    const bytes = readFileSync(join(fixture('parquet'), 'zstd.parquet'));
    for (const one of [file('rows', bytes), file('rows.parquet.gz', gzipSync(bytes))])
      expect(await readTexts(one, 'title')).toEqual(rows);
    expect(rows.slice(0, 2)).toEqual(['title 0', 'title 1']);
  });

  test('what RFC 4180 writes is read back, whatever the fields hold', async () => {
    const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\t', '\n', '\r', ' ', "'", '\\', '#') });
    const table = fc.record({
      rows: fc.array(fc.tuple(field, field), { minLength: 1 }),
      delimiter: fc.constantFrom(',', '\t'),
      newline: fc.constantFrom('\n', '\r\n'),
      mark: fc.constantFrom('', '\ufeff'),
      always: fc.boolean(),
      last: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(table, async ({ rows, delimiter, newline, mark, always, last }) => {
        const quoted = (value: string) =>
          always || /["\r\n,\t]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
        const written = [['id', 'text'], ...rows].map((row) => row.map(quoted).join(delimiter)).join(newline);
        const path = file(delimiter === ',' ? 'any.csv' : 'any.tsv', `${mark}${written}${last ? newline : ''}`);
        expect(await readTexts(path)).toEqual(rows.map(([, text]) => text));
      }),
      { numRuns: 100, seed: 1 },
    );
  });
});

describe('tasks', () => {
  const good = { task: 'place', context: 'Where?', choices: [' here.', ' there.'], answer: 1 };

  test('reads rows', async () => {
    expect(await readTasks(file('good.jsonl', `${JSON.stringify(good)}\n`))).toEqual([good]);
    expect(await readTasks(file('list.json', JSON.stringify([good, good], null, 2)))).toEqual([good, good]);
    expect(await readTasks(file('good.ndjson.gz', gzipSync(JSON.stringify(good))))).toEqual([good]);
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

  test('a file of another kind', async () => {
    await expect(readTasks(file('t.csv', 'context,answer\n'))).rejects.toThrow(/t\.csv, line 1 is not valid JSON/);
    await expect(readTasks(join(fixture('parquet'), 'none.parquet'))).rejects.toThrow(/none\.parquet .*give \.json or/);
    await expect(readTasks(file('t.zip', ''))).rejects.toThrow(
      /t\.zip is a zip archive.*: give its text as \.json or \.jsonl, as/,
    );
  });

  test('no rows at all', async () => {
    await expect(readTasks(file('none.jsonl', '\n'))).rejects.toThrow(/holds no questions/);
  });
});
