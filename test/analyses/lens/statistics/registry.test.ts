import { expect, test } from 'vitest';
import { z } from 'zod';
import { fieldsOf } from '../../../../src/analyses/lens/result.ts';
import { againstLast, alone, colours, ofCells } from '../../../../src/analyses/lens/statistics/registry.ts';
import { type Statistic, uniformOf } from '../../../../src/analyses/lens/statistics/statistic.ts';

const all = Object.values<Statistic>({ ...alone, ...againstLast });

test('every statistic of a prompt stands on the tooltip of a map that there is', () => {
  const tips = Object.values<Statistic>(ofCells).map(({ prompt }) => prompt?.tip[0]);
  expect(tips.filter((colour) => !colour || !colours.includes(colour))).toEqual([]);
  expect(new Set(colours).size).toBe(colours.length);
});

test('labels and titles are each statistic’s own', () => {
  const labels = all.map(({ label }) => label);
  const titles = all.flatMap(({ text }) => text?.title ?? []);
  for (const words of [labels, titles]) expect(new Set(words).size).toBe(words.length);
});

test('statistics of the uniform distribution', () => {
  const uniform = uniformOf(8, 1);
  expect(uniform).toEqual({ entropy: 3, kl: 2, probability: 1 / 8, rank: 4.5 });
  expect(againstLast.sameTop.uniform(uniform)).toBe(1 / 8);
  expect(againstLast.rankFinal.uniform(uniform)).toBe(4.5);
});

test('what an older file lacks is not known; what every file has is required', () => {
  const value = z.number().nullable();
  const read = (isNew: boolean, file: object) =>
    z.object(fieldsOf({ kl: { ...againstLast.kl, ...(isNew && { isNew }) } }, value, null)).parse(file);
  expect(read(true, {})).toEqual({ kl: null });
  expect(read(true, { kl: 2 })).toEqual({ kl: 2 });
  expect(() => read(false, {})).toThrow(/kl/);
});
