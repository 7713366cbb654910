import { describe, expect, test, vi } from 'vitest';
import { heatMapSvg, lineChartSvg } from '../../src/report/svg.ts';
import type { HeatMap } from '../../src/report/terminal/heat-map.ts';
import type { LineChart } from '../../src/report/terminal/line-chart.ts';

const ranks = [8, 64, 512];
const facet = (title: string, log: boolean): LineChart => ({
  title,
  x: { label: 'rank', log: true },
  y: { label: title, log },
  series: [
    { name: 'shared-kv', points: ranks.map((x) => ({ x, y: 100 / x, low: 50 / x - 1, high: 200 / x })) },
    { name: 'a <b> & "c"', points: ranks.map((x) => ({ x, y: 80 / x })) },
  ],
});
const map: HeatMap = {
  title: 'KL (nats)',
  rowLabel: 'layer',
  rows: ['0', '1', '10'],
  columnLabel: 'variance',
  columns: ['0.9', '0.5'],
  values: [
    [0.01, 0.1],
    [undefined, 1],
    [2, Number.POSITIVE_INFINITY],
  ],
};
const texts = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text);

/** Every tag closed in its order. */
function expectWellFormed(svg: string) {
  const open: string[] = [];
  for (const [, close, name = '', self] of svg.matchAll(/<(\/?)([\w-]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>|</g)) {
    expect(name).not.toBe('');
    if (close) expect(open.pop()).toBe(name);
    else if (!self) open.push(name);
  }
  expect(open).toEqual([]);
}

describe('line charts', () => {
  test('facets side by side, one legend, error bars; nothing to warn of, the same bytes each time', async () => {
    const warn = vi.spyOn(console, 'warn');
    const facets = [facet('perplexity', true), facet('KL (nats)', false)];
    const svg = await lineChartSvg(facets);
    expect(await lineChartSvg(facets)).toBe(svg);
    expect(warn).not.toHaveBeenCalled();
    expectWellFormed(svg);
    expect(svg).not.toMatch(/NaN|Infinity|undefined| id="/); // ids would clash where several charts share a page
    const shown = texts(svg);
    expect(shown.filter((text) => text === 'shared-kv')).toHaveLength(1);
    expect(shown).toContain('a &lt;b&gt; &amp; "c"');
    expect(shown.filter((text) => text === 'rank')).toHaveLength(2);
    const marks = (kind: string) => svg.match(new RegExp(`class="mark-${kind} role-mark [^>]*>.*?</g>`, 'g')) ?? [];
    const drawn = (kind: string) => marks(kind).map((group) => (group.match(/<(path|line) /g) ?? []).length);
    expect(drawn('line')).toEqual([1, 1, 1, 1]);
    expect(drawn('symbol')).toEqual([6, 6]);
    expect(drawn('rule')).toEqual([3, 3]);
    expect(svg).toMatch(/<rect [^>]*fill="#ffffff"/);
  });

  test('points that cannot be placed are left out, which is said', async () => {
    const points = [1, Number.POSITIVE_INFINITY, -1].map((y, i) => ({ x: i + 1, y }));
    const svg = await lineChartSvg([
      { ...facet('some', true), series: [{ name: 'a', points }] },
      { ...facet('none', true), series: [{ name: 'a', points: points.slice(1) }] },
    ]);
    expectWellFormed(svg);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(svg.match(/>2 points not shown/g)).toHaveLength(2);
  });
});

test('a heat map keeps its order and writes every number', async () => {
  const svg = await heatMapSvg(map);
  expect(await heatMapSvg(map)).toBe(svg);
  expectWellFormed(svg);
  expect(svg).not.toMatch(/NaN| id="/);
  const shown = texts(svg);
  for (const text of ['0.01000', '0.1000', '–', '1.000', '2.000', 'Infinity', 'layer', 'variance']) {
    expect(shown).toContain(text);
  }
  expect(shown.filter((text) => ['0', '1', '10'].includes(text ?? ''))).toEqual(['0', '1', '10']);
  expect(svg.match(/fill="#eeeeee"/g)).toHaveLength(1);
});
