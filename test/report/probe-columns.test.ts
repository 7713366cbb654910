import { expect, test } from 'vitest';
import { itemAt } from '../../src/platform/indexing.ts';
import { columnLabels, columnText } from '../../src/report/columns.ts';
import {
  bandColumns,
  evaluationColumns,
  evaluationsOf,
  probeTasks,
  similarityColumns,
  subspaceColumns,
  subspaceSizes,
  weightRows,
  withinSubspace,
} from '../../src/report/probe-columns.ts';
import { probeResult } from '../support/findings.ts';
import { nonEmpty } from '../support/lists.ts';

const probe = probeResult();
const variant = itemAt(probe.variants, 0);

test('each table’s labels and titles are each column’s own', () => {
  const tables = [evaluationColumns('embedding'), similarityColumns, subspaceColumns, nonEmpty(bandColumns(probe))];
  for (const columns of tables) {
    expect(new Set(columnLabels(columns)).size).toBe(columns.length);
    expect(new Set(columns.map(({ title }) => title)).size).toBe(columns.length);
  }
  expect(new Set(probeTasks.map(({ title }) => title)).size).toBe(6);
});

test('the mean predictor, which is evaluated once, stands at every point', () => {
  const [first] = variant.chance;
  expect(first).toBeDefined();
  expect(evaluationsOf(variant, { map: 'mean' })).toEqual(variant.points.map(() => first?.reading));
});

test('a token itself has no cosine; an accuracy shows half its interval, cut off at 0 and 1', () => {
  expect(columnLabels(evaluationColumns('token'))).toEqual(['R²', 'top 1', 'top 5']);
  const one = { value: 0.9, interval: [0.8, 1.2] as const };
  const evaluation = { rows: 10, r2: one, cosine: one, top1: one, top5: one, bands: [] };
  expect(evaluationColumns('embedding').map((column) => columnText(column, evaluation))).toEqual([
    '0.900 ±0.200',
    '0.900',
    '90.0 % ±10.0',
    '90.0 %',
  ]);
});

test('rows of weights begin with the last layer and end with the matrices', () => {
  const names = weightRows(probe, variant, 'embed', 'weight').map(({ name }) => name);
  expect(names).toEqual([...probe.points.toReversed(), 'embedding', 'unembedding']);
});

test('the whole space has the evaluation of the unrestricted probe', () => {
  const point = itemAt(variant.points, 0);
  const size = itemAt(subspaceSizes(probe), 0);
  expect(withinSubspace(point, 'all', size)).toBe(evaluationsOf(variant)[0]);
  expect(withinSubspace(point, 'leading', size)).toBe(
    point.parts.find(({ part, dimensions }) => part === 'leading' && dimensions === size)?.reading,
  );
});
