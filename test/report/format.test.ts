import { expect, test } from 'vitest';
import { duration, figure, percent, perplexity, printable, sideBySide, table, wrap } from '../../src/report/format.ts';

test.each<[number, string]>([
  [0, '0'],
  [1.3607, '1.361'],
  [12.3456, '12.35'],
  [0.001119, '0.001119'],
  [22487, '22487'],
  [123.456, '123.5'],
  [0.00001234, '1.234e-5'],
  [12_345_678, '1.235e+7'],
  [-0.4308, '-0.4308'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
])('figure(%d) is %s', (value, text) => expect(figure(value)).toBe(text));

test.each<[number, string]>([
  [1.3607, '1.361'],
  [754.93, '754.9'],
  [999.96, '1,000'],
  [11_886.4, '11,886'],
  [754_935, '754,935'],
  [999_999.7, '1.000e+6'],
  [1_369_728, '1.370e+6'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
])('perplexity(%d) is %s', (value, text) => expect(perplexity(value)).toBe(text));

test('shares and times', () => {
  expect([percent(0.98765), percent(1, 0)]).toEqual(['98.8 %', '100 %']);
  expect([duration(0.0421), duration(12.34), duration(754)]).toEqual(['42 ms', '12.3 s', '12 min 34 s']);
  expect([duration(59.97), duration(119.7)]).toEqual(['1 min 0 s', '2 min 0 s']);
});

test('a table aligns its columns and leaves no blanks at line ends', () => {
  expect(
    table(['name', 'n'], 'lr', [
      ['a', '1'],
      ['long name', '22'],
    ]),
  ).toBe('name        n\na           1\nlong name  22');
});

test('two texts side by side stay within the width, whatever they hold', () => {
  const text = 'a long line of words that has to be broken somewhere, '.repeat(4);
  const box = sideBySide(['one', 'two'], [text, `${'x'.repeat(100)} 日本語 end`], 80);
  const lines = box.split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines[1]).toMatch(/│ one +│ two +│/);
  expect(box.replace(/[^x]/g, '')).toHaveLength(100);
});

test('wrapping keeps words and short lines', () => {
  const text = `${'word '.repeat(40)}end`;
  const lines = wrap(text, 30).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
  expect(lines.join(' ')).toBe(text);
  expect(wrap('short', 30)).toBe('short');
  expect(wrap('a\n\nb c\nd', 30)).toBe('a\n\nb c\nd');
});

test('control characters cannot reach the terminal', () => {
  expect(printable('a\u001b[31mb\u0007\nc\td\u009b')).toBe('a\uFFFD[31mb\uFFFD\nc\td\uFFFD');
});

test('a table that is too wide breaks its widest texts at spaces, never a word or a number', () => {
  const rows = [
    ['one two three', '12 345', 'four'],
    ['one', '6', 'undividable'],
  ];
  expect(table(['name', 'n', 'word'], 'lrl', rows, 26).split('\n')).toEqual([
    'name        n  word',
    'one    12 345  four',
    'two',
    'three',
    'one         6  undividable',
  ]);
  expect(table(['name', 'n', 'word'], 'lrl', rows, 36)).toContain('one two three  12 345  four');
});
