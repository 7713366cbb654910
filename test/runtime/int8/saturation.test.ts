import { expect, test } from 'vitest';
import { computedSum, exactProducts, integerOptions, largestSum } from '../../../src/runtime/int8/saturation.ts';

test('with the options that are chosen here, the largest sum of products is exact', async () => {
  expect(await computedSum(await integerOptions())).toBe(largestSum);
});

test('asking for care gives the exact sum on every processor', async () => {
  expect(await computedSum(exactProducts)).toBe(largestSum);
});
