import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allowedOf,
  bytes,
  isList,
  isRepeatable,
  listOf,
  nameOf,
  number,
  oneOf,
  onOrOff,
  rangeOf,
  ranges,
  rangesText,
  repeatable,
  single,
  takesFiles,
  whole,
} from '../../src/platform/option-values.ts';

describe('lists and ranges of whole numbers', () => {
  test('each range is both of its ends and what lies between, in the order of the text', () => {
    expect(ranges('--layers')('0,5-9')).toEqual([0, 5, 6, 7, 8, 9]);
    expect(ranges('--layers')(' 3 , 1-1,0')).toEqual([3, 1, 0]);
    expect([rangeOf('7'), rangeOf('2-4'), rangeOf('4-2'), rangeOf('-1'), rangeOf('1-2-3'), rangeOf('')]).toEqual([
      [7, 7],
      [2, 4],
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each(['', 'a', '1,', '3-1', '1.5', '-1', '1-', '1234567'])('%j is refused', (text) => {
    expect(() => ranges('--layers')(text)).toThrow(
      `--layers is ${JSON.stringify(text)}, allowed: numbers and ranges such as 0,5-9`,
    );
  });

  test('numbers in order are written as ranges that are read as these numbers', () => {
    expect(rangesText([0, 5, 6, 7])).toBe('0,5-7');
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(40), { minLength: 1 }), (some) => {
        const numbers = some.sort((a, b) => a - b);
        expect(ranges('--layers')(rangesText(numbers))).toEqual(numbers);
      }),
      { seed: 43, numRuns: 200 },
    );
  });
});

test('sizes are powers of 1000, or of 1024 with an i, or plain bytes', () => {
  const size = bytes('--max-shard-size');
  expect(['1GB', '500MB', '2GiB', '1.5 kB', '0.5KiB', '12', ' 7 '].map(size)).toEqual([
    1e9,
    5e8,
    2 ** 31,
    1500,
    512,
    12,
    7,
  ]);
  for (const text of ['', '0', '0.5', '-1', '1 banana', '1e3', '9999TB9', '99999999999TB'])
    expect(() => size(text)).toThrow(`--max-shard-size is ${JSON.stringify(text)}, allowed: a size such as 1GB`);
});

test('numbers lie in their bounds, the lower one itself only where it is allowed', () => {
  expect([number('--t', 0, 1)('0'), number('--t', 0, 1, true)('1'), number('--t', 0, 1)(' .5 ')]).toEqual([0, 1, 0.5]);
  for (const text of ['', ' ', 'x', '1.1', '-0.1', 'NaN', 'Infinity'])
    expect(() => number('--t', 0, 1)(text)).toThrow(`--t is ${JSON.stringify(text)}, allowed: a number from 0 up to 1`);
  expect(() => number('--t', 0, 1, true)('0')).toThrow('--t is "0", allowed: a number above 0 up to 1');
});

test('whole numbers are written as digits alone', () => {
  expect([whole('--n', 0)('0'), whole('--n', 1, 256)('256')]).toEqual([0, 256]);
  for (const text of ['', '1e3', '1.0', '-1', ' 1', '0x1', '9007199254740993'])
    expect(() => whole('--n', 0)(text)).toThrow(`--n is ${JSON.stringify(text)}, allowed: a whole number from 0`);
  expect(() => whole('--n', 1, 256)('257')).toThrow('--n is "257", allowed: a whole number from 1 to 256');
});

describe('words', () => {
  const rule = oneOf('--mean', ['keep', 'drop']);

  test('are those that are allowed, as they are spelled', () => {
    expect(rule('drop')).toBe('drop');
    for (const text of ['', 'Keep', 'keep ', 'toString'])
      expect(() => rule(text)).toThrow(`--mean is ${JSON.stringify(text)}, allowed: keep, drop`);
    expect([onOrOff('--center')('on'), onOrOff('--center')('off')]).toEqual([true, false]);
    expect(() => onOrOff('--center')('true')).toThrow('--center is "true", allowed: on, off');
  });

  test('stand between commas, and each is refused by itself', () => {
    expect(single('--mean', rule, 'sweep')('keep')).toBe('keep');
    expect(() => single('--mean', rule, 'sweep')('keep,drop')).toThrow(
      '--mean is "keep,drop", allowed: one value (sweep takes several)',
    );
    expect(allowedOf({ parseArg: single('--mean', rule, 'sweep') })).toEqual(['keep', 'drop']);
    expect(listOf(rule)('keep, drop,keep')).toEqual(['keep', 'drop', 'keep']);
    expect(() => listOf(rule)('keep,no')).toThrow('--mean is "no"');
    expect(() => listOf(rule)('')).toThrow('--mean is ""');
    expect(listOf(rule)('keep,')).toEqual(['keep']);
    for (const text of [',', 'keep,,drop', ',keep']) expect(() => listOf(rule)(text)).toThrow('--mean is ""');
  });

  test('what a parser allows is known of lists of it too, and of no other', () => {
    const allowed = (parseArg: object | undefined) => allowedOf({ parseArg });
    expect([rule, listOf(rule), onOrOff('--center'), whole('--n', 0), undefined].map(allowed)).toEqual([
      ['keep', 'drop'],
      ['keep', 'drop'],
      ['on', 'off'],
      [],
      [],
    ]);
  });
});

test('what is given several times is kept in its order', () => {
  const layers = repeatable(ranges('--layers'));
  expect(layers('5-6', layers('0'))).toEqual([[0], [5, 6]]);
  const known = [layers, repeatable(oneOf('--mean', ['keep'])), listOf(whole('--n', 0)), undefined];
  expect(known.map((parseArg) => isRepeatable({ parseArg }))).toEqual([true, true, false, false]);
});

test('a name is any text but a blank one', () => {
  const name = nameOf('--model', 'a folder', ['pocket']);
  expect(name('a b')).toBe('a b');
  for (const text of ['', ' '])
    expect(() => name(text)).toThrow(`--model is ${JSON.stringify(text)}: name a folder, or leave it out`);
});

test('a completion knows which values are lists, and which may be files', () => {
  const parsers = [
    oneOf('--mean', ['keep']),
    listOf(oneOf('--mean', ['keep'])),
    nameOf('--model', 'a folder'),
    undefined,
  ];
  expect(parsers.map((parseArg) => isList({ parseArg }))).toEqual([false, true, false, false]);
  expect(parsers.map((parseArg) => takesFiles({ parseArg }))).toEqual([false, false, true, false]);
});
