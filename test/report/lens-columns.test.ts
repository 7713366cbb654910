import { expect, test } from 'vitest';
import { itemAt } from '../../src/platform/indexing.ts';
import { columnLabels, columnText } from '../../src/report/columns.ts';
import { changeColumns, pointColumns, stepColumns } from '../../src/report/lens-columns.ts';

test('each table’s labels and titles are each column’s own', () => {
  for (const columns of [pointColumns, stepColumns, changeColumns]) {
    expect(new Set(columnLabels(columns)).size).toBe(columns.length);
    expect(new Set(columns.map(({ title }) => title)).size).toBe(columns.length);
  }
});

test('a terminal shows half the interval, nothing of what is 0 but for rounding, and a dash where there is no value', () => {
  const change = {
    point: 'block 1',
    kl: { mean: 1e-15, interval: [0, 2e-15] },
    sameTop: { mean: 0.5, interval: [0.4, 0.6] },
    cosine: { mean: 0.98765, interval: [0.97, 0.99] },
    relativeError: null,
  } as const;
  expect(changeColumns.map((column) => columnText(column, change))).toEqual(['0', '50.0 %', '0.9877 ±0.010', '–']);
  const step = {
    from: 'embedding',
    to: 'block 1',
    cosine: change.cosine,
    kl: null,
    cka: { mean: 0.5, interval: null },
    shuffled: { cosine: null, kl: null, cka: 0 },
  };
  expect(columnText(itemAt(stepColumns, 0), step)).toBe('0.988 ±0.010');
});

test('intervals end where their values do', () => {
  const mean = { mean: 0.5, interval: [-1.5, 2.5] } as const;
  const change = { point: 'block 1', kl: mean, sameTop: mean, cosine: mean, relativeError: null };
  expect(changeColumns.map(({ of }) => of(change)?.interval)).toEqual([[0, 2.5], [0, 1], [-1, 1], undefined]);
});
