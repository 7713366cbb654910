import { expect, test } from 'vitest';
import { within } from '../../src/text/deadline.ts';

test('what ends in time gives its value, or its own error', () => {
  expect(within(10_000, () => [1, 2])).toEqual([1, 2]);
  const error = new TypeError('mine');
  expect(() =>
    within(10_000, () => {
      throw error;
    }),
  ).toThrow(error);
});

test('a pattern that takes 2⁶⁰ steps to fail is stopped', () => {
  const endless = () => /^(a+)+$/.test(`${'a'.repeat(60)}b`);
  expect(() => within(30, endless)).toThrow(expect.objectContaining({ code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' }));
});
