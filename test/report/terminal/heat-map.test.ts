import { expect, test } from 'vitest';
import { type HeatMap, heatMap } from '../../../src/report/terminal/heat-map.ts';

const map: HeatMap = {
  title: 'KL (nats)',
  rowLabel: 'layer',
  rows: ['0', '1'],
  columnLabel: 'variance',
  columns: ['0.9', '0.5'],
  values: [
    [0.01, 0.1],
    [undefined, 1],
  ],
};

test('rows, columns and numbers, the darkest the largest', () => {
  expect(heatMap(map).split('\n')).toEqual([
    'KL (nats), by layer and variance',
    'layer         0.9         0.5',
    '0         0.01000      0.1000',
    '1               –  ██   1.000',
  ]);
});

test('by the logarithm, each power of ten has its shade; what has none has the lightest', () => {
  expect(
    heatMap({ ...map, log: true })
      .split('\n')
      .slice(1),
  ).toEqual(['layer         0.9         0.5', '0         0.01000  ▒▒  0.1000', '1               –  ██   1.000']);
  expect(
    heatMap({
      ...map,
      values: [
        [0, -1],
        [1, 10],
      ],
      log: true,
    }),
  ).toMatch(/0 +0 +-1\.000\n1 +1\.000 +██ +10\.00$/);
});

test('equal values have one shade, infinite ones the darkest, and nothing comes of nothing', () => {
  expect(
    heatMap({
      ...map,
      values: [
        [2, 2],
        [2, 2],
      ],
    }).match(/▒▒/g),
  ).toHaveLength(4);
  expect(
    heatMap({
      ...map,
      values: [
        [1, 2],
        [3, Number.POSITIVE_INFINITY],
      ],
    }),
  ).toMatch(/██ +Infinity$/);
  expect(heatMap({ ...map, values: [] })).toMatch(/0 +– +–\n1 +– +–$/);
  expect(heatMap({ ...map, rows: [], columns: [], values: [] })).toBe('KL (nats), by layer and variance\n');
});

test('a map too wide goes on below', () => {
  const columns = Array.from({ length: 20 }, (_, i) => `t${i}`);
  const text = heatMap({ ...map, columns, values: [columns.map((_, i) => i), columns.map((_, i) => i / 3)] });
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(text.match(/t\d+/g)).toEqual(columns);
  expect(text.match(/^layer/gm)).toHaveLength(4);
});
