import { expect, test } from 'vitest';
import { ahead } from '../../../src/platform/threads/ahead.ts';

test('one item is made ahead, in order, and an error comes at its turn', async () => {
  const begun: number[] = [];
  const make = async (item: number) => {
    begun.push(item);
    if (item === 3) throw new Error('three');
    return item * 10;
  };
  const seen: unknown[] = [];
  const use = async () => {
    for await (const [item, value] of ahead([1, 2, 3, 4], make)) seen.push([item, value, [...begun]]);
  };
  await expect(use()).rejects.toThrow('three');
  expect(seen).toEqual([
    [1, 10, [1, 2]],
    [2, 20, [1, 2, 3]],
  ]);
});
