import { expect, test } from 'vitest';
import { cellsInWalk, inGroups, VariantQueue } from '../../src/experiments/run-cells.ts';
import type { Operator } from '../../src/operations/operator.ts';

test('few tokens or a small model take many cells together, many tokens few', () => {
  const cells = (tokens: number, parameters: number) => cellsInWalk(tokens, parameters);
  expect([10, 512, 4096, 100_000].map((tokens) => cells(tokens, 1e9))).toEqual([32, 16, 4, 4]);
  expect(cells(10_000, 2e6)).toBe(32);
  expect(cells(10_000, 3e7)).toBe(5);
});

test('a study that lacks no cell asks for no variant', async () => {
  const operator = { threaded: true } as Operator;
  const queue = new VariantQueue(operator, [], true);
  await expect(queue.next()).rejects.toThrow('no variant is left');
});

test('groups hold every cell once, in order, with the original as one of the first', () => {
  const cells = Array.from({ length: 7 }, (_, i) => String(i));
  const ids = (most: number, count = 7) => inGroups(cells.slice(0, count), most).map((group) => group.join(''));
  expect(ids(3)).toEqual(['01', '234', '56']);
  expect(ids(8)).toEqual(['0123456']);
  expect(ids(1)).toEqual(['', '0', '1', '2', '3', '4', '5', '6']);
  expect(ids(4, 0)).toEqual(['']);
});
