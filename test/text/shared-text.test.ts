import { expect, test } from 'vitest';
import { sharedText } from '../../src/text/shared-text.ts';

const counting = (from: number, length: number) => Array.from({ length }, (_, i) => ((i + from) * 7919) % 30011);

test('documents with the same tokens after the first are the same', () => {
  expect(
    sharedText(
      [
        [1, 5, 6],
        [1, 7],
      ],
      [
        [2, 5, 6],
        [9, 7],
        [1, 8],
      ],
    ),
  ).toBe('2 documents');
  expect(sharedText([[1, 5, 6]], [[1, 5, 6, 7]])).toBeUndefined();
});

test('so are passages of 64 tokens wherever they lie, and none that is shorter', () => {
  const text = counting(0, 1000);
  const shifted = (length: number) => [[1, 2, 3, ...text.slice(400, 400 + length), 4, 5]];
  expect(sharedText([text], shifted(63))).toBeUndefined();
  expect(sharedText([text], shifted(64))).toBe('a passage of 64 tokens or more');
  expect(sharedText(shifted(64), [text])).toBe('a passage of 64 tokens or more');
  expect(sharedText([[...text.slice(0, 500)]], [[...text.slice(500)]])).toBeUndefined();
  expect(sharedText([text], [])).toBeUndefined();
});

test('texts of one token over and over are looked through in no more than their length', () => {
  const same = (token: number) => [Array.from({ length: 20_000 }, () => token)];
  const start = process.cpuUsage();
  expect(sharedText(same(3), same(4))).toBeUndefined();
  expect(process.cpuUsage(start).user).toBeLessThan(2e6);
});
