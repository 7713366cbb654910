import { expect, test } from 'vitest';
import { itemAt } from '../../src/platform/indexing.ts';
import { coherenceRows, shareColumns } from '../../src/report/basis-columns.ts';
import { basisResult } from '../support/findings.ts';

const basis = basisResult();

test('probes of two models have columns of their own, after the matrices', () => {
  const first = itemAt(basis.components, 0);
  const numbers = basis.points.map((_, i) => i / 100);
  const both = [
    { variant: 'original' as const, points: numbers },
    { variant: 'operated' as const, points: numbers.map((one) => one + 0.5) },
  ];
  const component = { ...first, probe: both };
  const { all, probes } = shareColumns({ ...basis, components: [component] });
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
  expect(new Set(all.map(({ label }) => label)).size).toBe(all.length);
  expect(probes.map(({ variant }) => variant)).toEqual(['original', 'operated']);
  expect(probes.map(({ columns }) => columns.at(-1)?.of(component))).toEqual([
    numbers.at(-1),
    itemAt(numbers, numbers.length - 1) + 0.5,
  ]);
});

test('a row of coherence has the mean of all random draws', () => {
  const one = { largest: 0.5, mean: 0.1, pairs: [0.25], independent: [3] };
  const rows = coherenceRows({
    sparsity: [],
    limits: [0.1],
    coherence: one,
    random: [
      { ...one, independent: [1] },
      { ...one, independent: [2] },
    ],
  });
  expect(rows.map(({ name, atoms, random, show }) => [name, show(atoms), show(random)])).toEqual([
    ['largest |cosine|', '0.500', '0.500'],
    ['mean |cosine|', '0.100', '0.100'],
    ['pairs within 0.1', '25.0 %', '25.0 %'],
    ['atoms all within 0.1', '3', '1.5'],
  ]);
});
