import { expect, test } from 'vitest';
import { hasColour, screenWidth, styled } from '../../src/report/screen.ts';

test.each([
  [{ isTTY: true, columns: 120 }, {}, 120],
  [{ isTTY: true, columns: 120 }, { COLUMNS: '60' }, 120],
  [{ isTTY: true, columns: 0 }, {}, 80], // a terminal that does not say
  [{ isTTY: true, columns: 20 }, {}, 40],
  [{ isTTY: true, columns: 400 }, {}, 160],
  [{}, { COLUMNS: '60' }, 60],
  [{}, { COLUMNS: 'wide' }, 80],
  [{}, { COLUMNS: '' }, 80],
  [{}, {}, 80],
])('a stream %j with %j has %d columns', (stream, env, columns) => {
  expect(screenWidth(stream, env)).toBe(columns);
});

test.each([
  [{ isTTY: true }, {}, true],
  [{}, {}, false],
  [{ isTTY: true }, { NO_COLOR: '1' }, false],
  [{ isTTY: true }, { NO_COLOR: '' }, true],
  [{ isTTY: true }, { TERM: 'dumb' }, false],
  [{}, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
])('a stream %j with %j takes colour: %s', (stream, env, colour) => {
  expect(hasColour(stream, env)).toBe(colour);
});

test('a style stays within a line and leaves blanks at its ends alone', () => {
  expect(styled('  one two \n three', 'red', true)).toBe('  \x1b[31mone two\x1b[39m \n \x1b[31mthree\x1b[39m');
  expect(styled('one', 'red', false)).toBe('one');
});
