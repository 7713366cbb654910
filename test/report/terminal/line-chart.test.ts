import { describe, expect, test } from 'vitest';
import { type LineChart, lineChart } from '../../../src/report/terminal/line-chart.ts';

const chart = (series: LineChart['series'], log = false): LineChart => ({
  title: 'Scores',
  x: { label: 'rank', log },
  y: { label: 'KL (nats)', log },
  series,
});
const plot = (...args: Parameters<typeof chart>) => lineChart(chart(...args));
const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

test('a straight line goes from corner to corner, between round numbers', () => {
  const points = [2, 0, 1].map((x) => ({ x, y: 10 * x }));
  const lines = lineChart(chart([{ name: 'a', points }]), 5).split('\n');
  expect(lines[0]).toBe('Scores: KL (nats)');
  expect(lines.slice(1, 6).map((line) => line.slice(0, 4))).toEqual(['20 ┤', '15 ┤', '10 ┤', ' 5 ┤', ' 0 ┤']);
  expect(lines[1]).toMatch(/·o$/);
  expect(lines[3]).toMatch(/·o·/);
  expect(lines[5]).toMatch(/┤o·+$/);
  expect(lines[6]?.match(/┬/g)).toHaveLength(5);
  expect(lines[7]?.trim().split(/ +/)).toEqual(['0', '0.5', '1', '1.5', '2']);
  expect(lines.at(-1)).toBe('o a');
});

test('logarithmic axes: powers lie on a line, numbers are powers', () => {
  const points = [1, 10, 100, 1000].map((x) => ({ x, y: 1e-4 * x }));
  const lines = lineChart(chart([{ name: 'a', points }], true), 4).split('\n');
  expect(lines.slice(1, 5).map((line) => line.slice(0, 8))).toEqual(['   0.1 ┤', '  0.01 ┤', ' 0.001 ┤', '0.0001 ┤']);
  expect(lines.slice(1, 5).map((line) => line.indexOf('o') - 8)).toEqual([71, 47, 24, 0]);
  expect(lines[6]?.trim().split(/ +/)).toEqual(['1', '10', '100', '1000']);
});

test('series have marks of their own, and another where they meet', () => {
  const text = plot([
    {
      name: 'one',
      points: [
        { x: 1, y: 1 },
        { x: 2, y: 2 },
      ],
    },
    {
      name: 'two',
      points: [
        { x: 1, y: 1 },
        { x: 2, y: 1 },
      ],
    },
  ]);
  expect(text.split('\n').at(-1)).toBe('o one   x two   & several');
  const drawn = text.split('\n').slice(1, 12).join('');
  expect(['o', 'x', '&'].map((mark) => drawn.split(mark).length - 1)).toEqual([1, 1, 1]);
});

describe('odd data', () => {
  test.each<[string, number[], boolean]>([
    ['one point', [0.5], false],
    ['equal values', [3, 3, 3], false],
    ['nothing but zeros', [0, 0], false],
    ['one point on logarithmic axes', [5], true],
    ['values far apart', [1e-12, 1e12], true],
    ['large and negative values', [-3e8, 4e9], false],
    ['values nearly equal', [1, 1 + 1e-9], true],
  ])('%s', (_, values, log) => {
    const text = plot([{ name: 'a', points: values.map((y, i) => ({ x: i + 1, y })) }], log);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
    expect(text.split('\n').slice(1, 12).join('').match(/o/g)).toHaveLength(values.length);
    expect(widest(text)).toBeLessThanOrEqual(80);
    expect(text).toMatch(/\d ┤/);
  });

  test('values that cannot be placed are left out, which is said', () => {
    const points = [1, Number.POSITIVE_INFINITY, 0, 3].map((y, i) => ({ x: i + 1, y }));
    expect(plot([{ name: 'a', points }])).toMatch(/\n1 point not shown: not finite$/);
    expect(plot([{ name: 'a', points }], true)).toMatch(/\n2 points not shown: .* not positive on a logarithmic axis$/);
    expect(plot([{ name: 'a', points: points.slice(1, 2) }])).toBe(
      'Scores\nNo point to show.\n1 point not shown: not finite',
    );
    expect(plot([])).toBe('Scores\nNo point to show.');
  });

  test('many series with long names stay within 80 columns and 16 lines and their legend', () => {
    const series = Array.from({ length: 40 }, (_, i) => ({
      name: `${'name '.repeat(i)}${i}\u001b`,
      points: [
        { x: 1, y: i },
        { x: 2, y: -i * 1e5 },
      ],
    }));
    const text = plot(series);
    expect(widest(text)).toBeLessThanOrEqual(80);
    expect(text).not.toContain('\u001b');
    expect(plot(series.slice(0, 3)).split('\n').length).toBeLessThanOrEqual(16);
  });
});
