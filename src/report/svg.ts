// Line charts and heat maps as SVG, drawn by Vega-Lite without a browser. The same data always gives the same bytes.
import type { TopLevelSpec } from 'vega-lite';
import { printable, wrap } from './format.ts';
import { cellText, type HeatMap, heatTitle, shadeOf } from './terminal/heat-map.ts';
import { type Axis, droppedNote, type LineChart, type Point, shown } from './terminal/line-chart.ts';

/** Okabe and Ito's colours, which the colour-blind can tell apart, without the yellow, too light on this ground. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#b07a00', '#000000', '#777777'];
const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'cross', 'triangle-down'];

// The ground is opaque, so that dark ink is read on a dark page too.
const config = {
  background: '#ffffff',
  padding: 12,
  font: 'system-ui, sans-serif',
  aria: false,
  axis: { gridColor: '#e4e4e4', labelColor: '#333', titleColor: '#111', titleFontWeight: 'normal' },
  title: { color: '#111', subtitleColor: '#555', fontSize: 13, anchor: 'start' },
  legend: { labelColor: '#111', labelLimit: 400 },
  view: { stroke: '#ccc' },
} as const;

/**
 * Charts in a row, each with axes of its own, one legend for all. Intervals are drawn as error bars; on a
 * logarithmic axis, one that reaches 0 goes down to the axis.
 */
export async function lineChartSvg(facets: readonly LineChart[]): Promise<string> {
  const names = [...new Set(facets.flatMap(({ series }) => series.map(({ name }) => printable(name))))];
  const spec: TopLevelSpec = {
    hconcat: facets.map((facet) => facetSpec(facet, names)),
    resolve: { scale: { color: 'shared', shape: 'shared' } },
    config: { ...config, legend: { ...config.legend, orient: 'bottom', direction: 'horizontal', columns: 4 } },
  };
  return render(spec, facets.map(({ title }) => title).join('; '));
}

/** Numbers on shades of blue, the darkest the largest. */
export async function heatMapSvg(map: HeatMap): Promise<string> {
  const shade = shadeOf(map);
  const names = { rows: map.rows.map(printable), columns: map.columns.map(printable) };
  const values = names.rows.flatMap((row, i) =>
    names.columns.map((column, j) => {
      const value = map.values[i]?.[j];
      const text = printable(map.texts?.[i]?.[j] ?? cellText(value));
      return { row, column, text, shade: shade(value) ?? null };
    }),
  );
  const title = printable(heatTitle(map));
  const spec: TopLevelSpec = {
    title,
    data: { values },
    width: { step: 64 },
    height: { step: 20 },
    encoding: {
      x: {
        field: 'column',
        type: 'ordinal',
        sort: names.columns,
        title: printable(map.columnLabel),
        axis: { labelAngle: 0 },
      },
      y: { field: 'row', type: 'ordinal', sort: names.rows, title: printable(map.rowLabel) },
    },
    layer: [
      {
        mark: { type: 'rect', invalid: null },
        encoding: {
          color: {
            condition: { test: 'datum.shade === null', value: '#eeeeee' },
            field: 'shade',
            type: 'quantitative',
            scale: { scheme: 'blues', domain: [0, 1] },
            legend: null,
          },
        },
      },
      {
        mark: { type: 'text', fontSize: 10 },
        encoding: {
          text: { field: 'text' },
          color: { condition: { test: 'datum.shade > 0.6', value: '#ffffff' }, value: '#111111' },
        },
      },
    ],
    config: { ...config, axis: { ...config.axis, domain: false, ticks: false } },
  };
  return render(spec, title);
}

type Facet = Extract<TopLevelSpec, { hconcat: unknown }>['hconcat'][number];

/** One chart: error bars, lines, and points upon them. */
function facetSpec(chart: LineChart, names: readonly string[]): Facet {
  const { series, dropped } = shown(chart);
  const points = series.flatMap((each) => each.points.map((point) => ({ ...point, series: printable(each.name) })));
  const positive = points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]).filter((value) => value > 0);
  const [bottom, top] = [Math.min(...positive) / 1.2, Math.max(...positive) * 1.2];
  const bars = points
    .filter(hasInterval)
    .map((point) => ({ ...point, low: chart.y.log ? Math.max(point.low, bottom) : point.low }));
  const range = <T>(of: readonly T[]) => names.map((_, i) => of[i % of.length] as T);
  const legend = names.length > 1 ? { title: null } : null;
  const x = axisSpec('x', chart.x);
  const y = axisSpec('y', chart.y, points.length > 0 ? [bottom, top] : undefined);
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: [...names], range: range(colours) },
    legend,
  } as const;
  const shape = {
    field: 'series',
    type: 'nominal',
    scale: { domain: [...names], range: range(shapes) },
    legend,
  } as const;
  return {
    title: { text: lines(printable(chart.title)), subtitle: lines(droppedNote(dropped, chart)) },
    width: 300,
    height: 220,
    layer: [
      {
        data: { values: bars },
        mark: { type: 'errorbar', ticks: { width: 6 } },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      { data: { values: points }, mark: 'line', encoding: { x, y, color } },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 36, opacity: 1 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

/** @param ends of a logarithmic axis; a linear one finds its own */
function axisSpec(field: 'x' | 'y', { label, log }: Axis, ends?: [number, number]) {
  const linear = { zero: false, nice: field === 'y' };
  const scale = log ? ({ type: 'log', nice: false, ...(ends && { domain: ends }) } as const) : linear;
  return { field, type: 'quantitative', title: printable(label), scale, axis: { format: '~g', tickCount: 5 } } as const;
}

/** Broken so as to be no wider than a chart, by Vega's own estimate of text. */
const lines = (text: string) => wrap(text, 34).split('\n');

function hasInterval<P extends Point>(point: P): point is P & { low: number; high: number } {
  return Number.isFinite(point.low) && Number.isFinite(point.high);
}

/** Vega takes half a second to load, which only those who want a chart are to wait for. */
async function render(spec: TopLevelSpec, description: string): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  vega.resetSVGDefIds(); // names in the SVG are counted on from chart to chart otherwise
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace('<svg ', `<svg role="img" aria-label="${escaped(printable(description))}" `);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
