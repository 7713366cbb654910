import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readParquetTexts } from '../../src/text/parquet.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const file = (codec: string) => join(fixture('parquet'), `${codec}.parquet`);

/** The rows of scripts/fixtures/make_parquet.py; its missing value is an empty text. */
const rows = ['', ' = A title = \n', '', ' Naïve text, \u{1f40c} and all . \n', ''].concat(
  Array.from({ length: 200 }, (_, i) => ` Line ${i} . \n`),
);

test.each(['snappy', 'zstd', 'gzip', 'none'])(
  "pyarrow's rows in their order, %s, several row groups",
  async (codec) => {
    expect(await readParquetTexts([file(codec)], 'text', 'set')).toEqual(rows);
  },
);

test('files one after the other, and another column', async () => {
  const texts = await readParquetTexts([file('snappy'), file('zstd')], 'title', 'set');
  expect(texts).toHaveLength(410);
  expect(texts.slice(203, 207)).toEqual(['title 2', 'title 0', 'title 0', 'title 1']);
});

test.each([
  ['words', /^set has no column "words": --column takes one of id, text, title, parts$/],
  ['id', /column "id" holds a bigint, not text/],
  ['parts', /column "parts" holds a list, not text/],
  ['__proto__', /has no column "__proto__"/],
])('column %s', async (column, message) => {
  await expect(readParquetTexts([file('snappy')], column, 'set')).rejects.toThrow(message);
});

test.each<[string, (bytes: Buffer) => Uint8Array]>([
  ['an empty file', () => new Uint8Array(0)],
  ['another kind of file', () => Buffer.from('a,b\n1,2\n')],
  ['a file cut short', (bytes) => bytes.subarray(0, bytes.length / 2)],
  ['a file with damaged pages', (bytes) => Buffer.from(bytes).fill(0xff, 4, 2000)],
])('%s is refused in one line', async (_name, damage) => {
  const path = join(tmp, 'damaged.parquet');
  writeFileSync(path, damage(readFileSync(file('snappy'))));
  await expect(readParquetTexts([path], 'text', 'set')).rejects.toThrow(
    /^set holds no Parquet file that can be read: /,
  );
});
