import { expect, test } from 'vitest';
import { bar, sparkline } from '../../../src/report/terminal/blocks.ts';

test('a sparkline rises with its values and is as wide as asked', () => {
  expect(sparkline([0, 0.5, 1], 3)).toBe(' ▄█');
  expect(sparkline([0, 1], 6)).toBe('   ███');
  expect(
    sparkline(
      Array.from({ length: 1000 }, (_, i) => i / 999),
      9,
    ),
  ).toBe(' ▁▂▃▄▅▆▇█'.slice(0, 9));
  expect(sparkline([], 3)).toBe('   ');
});

test('a bar fills its share in eighths, and its width with blanks', () => {
  expect([bar(0, 4), bar(0.5, 4), bar(1, 4), bar(1.7, 4)]).toEqual(['    ', '██  ', '████', '████']);
  expect(bar(0.28125, 4)).toBe('█▏  ');
});
