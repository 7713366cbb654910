// Scores, described once: names that tell them apart, the same value wherever they are shown, and nothing where there is none.
import { describe, expect, test } from 'vitest';
import {
  csvColumns,
  directionsText,
  pointOf,
  type ScoreDescription,
  scores,
  scoresIn,
  scoreText,
  scoreTip,
} from '../../src/report/scores.ts';
import { measured, study } from '../support/studies.ts';

const cells = measured([{ mode: 'shared-kv', variance: 0.9, mean: 'keep' }]);
const [cell] = cells.values();
const { original } = study([]);
if (!cell || !original) throw new TypeError('no cell');
const all: readonly ScoreDescription[] = Object.values(scores);

test('columns and labels are each score’s own, and what a table shows has a label', () => {
  const columns = csvColumns().map(([name]) => name);
  expect(new Set(columns).size).toBe(columns.length);
  const labels = all.flatMap(({ label }) => label ?? []);
  expect(new Set(labels).size).toBe(labels.length);
  for (const { label, title, views = [] } of all)
    for (const view of views) expect(view.startsWith('chart') ? title : label, view).toBeDefined();
});

describe('a value', () => {
  test('is the cell’s, in tables, tooltips, CSV files and charts', () => {
    const { kl, intervals } = cell.scores;
    expect(scores.kl.of(cell)).toBe(kl);
    expect(new Map(csvColumns()).get('kl')?.(cell)).toBe(kl);
    expect(new Map(csvColumns()).get('kl_high')?.(cell)).toBe(intervals.kl?.[1]);
    expect(pointOf(scores.kl, cell)).toEqual({ y: kl, low: intervals.kl?.[0], high: intervals.kl?.[1] });
    expect(scoreTip(cell)).toContain(`KL ${scoreText(scores.kl, cell)}`);
  });

  test('of the original is left out where it is one of a difference', () => {
    expect(scoreText(scores.perplexity, original)).not.toBe('');
    expect(scoreText(scores.kl, original)).toBe('');
    expect(scoresIn('run', [original]).map(({ label }) => label)).toEqual(['nll', 'perplexity']);
  });
});

test('a chart of perplexity has the interval of Δnll, above and below the perplexity', () => {
  const { y, low = Number.NaN, high = Number.NaN } = pointOf(scores.perplexity, cell);
  expect(low).toBeLessThan(y);
  expect(high).toBeGreaterThan(y);
  const [from = Number.NaN, to = Number.NaN] = cell.scores.intervals.deltaNll ?? [];
  expect(Math.log(high / low)).toBeCloseTo(to - from, 12);
});

test('a sentence says which way each score is better', () => {
  expect(directionsText([scores.kl, scores.sameTop, scores.nll])).toBe(
    'Lower is better: KL, nll. Higher is better: same top.',
  );
});
