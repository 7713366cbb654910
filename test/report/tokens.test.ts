import { expect, test } from 'vitest';
import { heatMap } from '../../src/report/terminal/heat-map.ts';
import { lensText } from '../../src/report/terminal/lens.ts';
import { isolated, shortToken, tokenText } from '../../src/report/tokens.ts';
import { lensResult } from '../support/findings.ts';

test('a token as people read it; of an older result, as its vocabulary spells it, on one line', () => {
  expect(tokenText({ token: 'Ġthe', shown: '·the' })).toBe('·the');
  expect(tokenText({ token: '▁the' })).toBe('▁the');
  expect(tokenText({ token: 'a\nb\u0007' })).toBe('a\uFFFDb\uFFFD');
});

test('a long one is cut by the columns that it takes, and says so', () => {
  const short = (token: string) => shortToken({ token });
  expect(short('123456789')).toBe('123456789');
  expect(short('1234567890')).toBe('12345678…');
  expect(short('한국어한국어')).toBe('한국어한…');
});

test('right-to-left runs are kept apart', () => {
  expect(isolated('a שלום b')).toBe('a \u2068שלום\u2069 b');
  expect(isolated('plain')).toBe('plain');
});

test('maps line up whatever their tokens take', () => {
  const map = {
    title: 'T',
    rowLabel: 'layer',
    rows: ['0'],
    columnLabel: 'token',
    columns: ['0 한국', '1 e\u0301'],
    values: [[1, 2]],
    texts: [['👍', 'ab']],
  };
  expect(heatMap(map).split('\n').slice(1)).toEqual([
    'layer     0 한국        1 e\u0301',
    '0             👍  ██     ab',
  ]);
});

test('no table of the lens parts a token from its probability, at any width', () => {
  const result = lensResult('▁a');
  for (const width of [60, 80, 200]) {
    const [, table = ''] = lensText(result, { colour: 'probability', full: false, width }).split(
      'After the last token, ',
    );
    const rows = table.split('\n').filter((line) => /^(embed|0|1) /.test(line));
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row).toMatch(/^\S+ +·a +\d\.\d{3} /);
  }
});
