// Charts of the report by Vega-Lite. Their colours are the page's, so that they follow it into the dark and onto paper.
import { printable } from '../format.ts';
import { logTicks } from '../plot.ts';
import type { Html } from './html.ts';
import { type Datasets, drawn, type Spec, separator, themeOf } from './vega.ts';

/** What goes by one colour and one name in a legend, and is shown or hidden together on the whole page. */
export interface Series {
  readonly name: string;
  /** A custom property of the page. */
  readonly colour: string;
  readonly shape?: 'circle' | 'square' | 'triangle-up' | 'diamond' | 'cross' | 'triangle-down';
  readonly dashed?: boolean;
}

/** A place in a chart, and what is told of it when it is pointed at. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  /** Ends of y's interval. */
  readonly low?: number;
  readonly high?: number;
  readonly tip: string;
}

/** Points that are joined. */
export interface Line {
  readonly series: Series;
  readonly marks: readonly Mark[];
  /** Without its points, for curves of many: what is told of the whole line. */
  readonly curve?: string;
}

/** A region between two curves. */
export interface Band {
  readonly series: Series;
  readonly edge: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  readonly tip: string;
}

/** A straight line across the chart. */
export interface Rule {
  readonly y: number;
  readonly label?: string;
}

export interface Scale {
  readonly label: string;
  readonly log?: boolean;
  readonly domain?: readonly [low: number, high: number];
  /** In d3's notation, such as `.0%`. */
  readonly format?: string;
  readonly ticks?: number;
}

export interface Panel {
  readonly title?: string;
  /** What the chart is, for those who do not see it. */
  readonly about: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly lines?: readonly Line[];
  readonly bands?: readonly Band[];
  readonly rules?: readonly Rule[];
  /** Pixels of the plot itself; the page makes it smaller where it has to. */
  readonly size?: readonly [width: number, height: number];
}

/** A chart of lines and bands. A bar of an interval that reaches below a logarithmic axis ends at its foot. */
export async function panelSvg(panel: Panel): Promise<Html> {
  const { size: [width, height] = [340, 220] } = panel;
  const data = datasets(panel);
  const ys = [...data.points.map(({ y }) => y), ...data.edges.flatMap(({ low, high }) => [low, high])];
  const yScale = panel.y.log && !panel.y.domain ? { ...panel.y, domain: withMargin(ys) } : panel.y;
  const foot = panel.y.log ? (yScale.domain?.[0] ?? 0) : Number.NEGATIVE_INFINITY;
  const bars = data.points.flatMap(({ low, high, ...rest }) =>
    low === undefined || high === undefined ? [] : [{ ...rest, low: Math.max(low, foot), high }],
  );
  const x = axis('x', panel.x);
  const y = axis('y', yScale);
  const ends = { y: { ...y, field: 'low' }, y2: { field: 'high' } };
  const spec: Spec = {
    ...{ width, height, config: themeOf(width) },
    layer: [
      {
        data: { name: 'edges' },
        mark: { type: 'area', opacity: 0.3 },
        encoding: { x, ...ends, detail: { field: 'key' }, color, description },
      },
      { data: { name: 'rules' }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [2, 3] }, encoding: { y } },
      {
        data: { name: 'rules' },
        mark: { type: 'text', x: width - 2, align: 'right', dy: -5, fontSize: 10, color: 'var(--muted)' },
        encoding: { y, text: { field: 'label' } },
      },
      {
        data: { name: 'bars' },
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, ...ends, color, description },
      },
      ...['solid', 'dashed'].map((name) => ({
        data: { name },
        mark: { type: 'line' as const, ...(name === 'dashed' ? { strokeDash: [5, 3] } : {}) },
        encoding: {
          ...{ x, y, color, detail: { field: 'key' } },
          description: { field: 'lineTip' },
          strokeWidth: { condition: { test: 'datum.thin', value: 1.25 }, value: 2 },
        },
      })),
      {
        data: { name: 'dots' },
        mark: { type: 'point', filled: true, size: 42, opacity: 1 },
        encoding: { x, y, color, shape: { field: 'shape', scale: null }, description },
      },
    ],
  };
  return drawn(
    spec,
    {
      ...{ edges: data.edges, bars },
      rules: (panel.rules ?? []).map(({ y: value, label = '' }) => ({ y: value, label: printable(label) })),
      solid: data.points.filter(({ dashed }) => !dashed),
      dashed: data.points.filter(({ dashed }) => dashed),
      dots: data.points.filter(({ thin }) => !thin),
    },
    panel.about,
  );
}

/** What of a panel can be placed on its axes, as Vega takes it. */
function datasets({ x: xScale, y: yScale, lines = [], bands = [] }: Panel) {
  const points = lines.flatMap(({ series, marks, curve }, key) =>
    marks
      .filter(({ x, y }) => isPlaced(x, xScale) && isPlaced(y, yScale))
      .map((mark) => ({
        ...{ x: mark.x, y: mark.y, low: mark.low, high: mark.high, key },
        ...looks(series, mark.tip),
        ...{ lineTip: tipped(series, curve ?? ''), thin: curve !== undefined, dashed: series.dashed ?? false },
      })),
  );
  const edges = bands.flatMap(({ series, edge, tip }, key) =>
    edge
      .filter(({ x, low, high }) => isPlaced(x, xScale) && isPlaced(low, yScale) && isPlaced(high, yScale))
      .map((one) => ({ ...one, key, ...looks(series, tip) })),
  );
  return { points, edges } satisfies Datasets;
}

/** Rows with a value each and its interval: differences of pairs, accuracies. */
export interface Forest {
  readonly about: string;
  readonly x: Scale;
  readonly rows: readonly (Omit<Mark, 'y'> & { readonly name: string; readonly series: Series })[];
  /** A vertical line, such as where there is no difference. */
  readonly at: number;
  /** Values beyond this, on both sides of 0, are drawn logarithmically. */
  readonly linearWithin?: number;
}

/** A row a value, with its interval. */
export async function forestSvg({ about, x: scale, rows, at, linearWithin }: Forest): Promise<Html> {
  // A name may come twice: rows are kept apart by their number, which the label leaves out.
  const values = rows.map(({ series, tip, name, ...rest }, i) => ({
    ...{ ...rest, row: `${String(i).padStart(4, '0')}${printable(name)}` },
    ...looks(series, tip),
  }));
  const longest = Math.max(0, ...rows.map(({ name }) => name.length));
  const linear = axis('x', scale);
  const signed = { type: 'symlog' as const, constant: linearWithin };
  const x = linearWithin === undefined ? linear : { ...linear, scale: signed, axis: signedTicks(rows, linearWithin) };
  const y = {
    ...{ field: 'row', type: 'nominal' as const, title: null },
    axis: {
      ...{ labelExpr: 'slice(datum.value, 4)', labelFontSize: 12, domain: false, ticks: false },
      // Flush left with the text of the page. Vega's own estimate of a text's width is half as long again.
      ...{ labelAlign: 'left' as const, labelPadding: longest * 7, labelLimit: longest * 12 },
    },
  };
  const spec: Spec = {
    ...{ width: 420, height: { step: 22 }, config: themeOf(420) },
    layer: [
      {
        data: { values: [{ at }] },
        mark: { type: 'rule', color: 'var(--muted)', strokeDash: [2, 3] },
        encoding: { x: { ...x, field: 'at' } },
      },
      {
        data: { name: 'bars' },
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y, color, description },
      },
      {
        data: { name: 'dots' },
        mark: { type: 'point', filled: true, size: 52, opacity: 1 },
        encoding: { x, y, color, shape: { field: 'shape', scale: null }, description },
      },
    ],
  };
  const bars = values.filter(({ low, high }) => low !== undefined && high !== undefined);
  return drawn(spec, { bars, dots: values }, about);
}

/** A matrix of shades, 0 to 1, with a text in each. */
export interface Shades {
  readonly about: string;
  readonly rowLabel: string;
  readonly columnLabel: string;
  readonly cells: readonly {
    readonly row: string;
    readonly column: string;
    readonly text: string;
    /** Undefined where nothing was measured. */
    readonly shade: number | undefined;
    readonly tip: string;
  }[];
}

export async function shadesSvg({ about, rowLabel, columnLabel, cells }: Shades): Promise<Html> {
  const values = cells.map(({ row, column, shade, tip, ...rest }) => ({
    ...{ ...rest, row: printable(row), column: printable(column), shade: shade ?? 0, tip: tipped(undefined, tip) },
  }));
  const side = { labelFontSize: 12, domain: false, ticks: false, grid: false };
  const x = {
    field: 'column',
    type: 'ordinal' as const,
    sort: null,
    title: columnLabel,
    axis: { ...side, labelAngle: 0 },
  };
  const y = { field: 'row', type: 'ordinal' as const, sort: null, title: rowLabel, axis: side };
  const spec: Spec = {
    ...{ width: { step: 76 }, height: { step: 24 }, config: themeOf(400), data: { name: 'cells' } },
    encoding: { x, y },
    layer: [
      {
        mark: { type: 'rect', color: 'var(--heat)', stroke: 'var(--paper)' },
        encoding: { opacity: { field: 'shade', type: 'quantitative', scale: null, legend: null }, description },
      },
      {
        mark: { type: 'text', fontSize: 11 },
        encoding: {
          text: { field: 'text' },
          color: { condition: { test: 'datum.shade > 0.55', value: 'var(--paper)' }, value: 'var(--ink)' },
        },
      },
    ],
  };
  return drawn(spec, { cells: values }, about);
}

const color = { field: 'colour', scale: null };
const description = { field: 'tip' };

function axis(field: 'x' | 'y', { label, log, domain, format = '~g', ticks = 5 }: Scale) {
  const ends = domain ? { domain: [...domain], nice: false } : { nice: field === 'y', zero: false };
  const values = log && domain ? { values: logTicks(domain[0], domain[1]) } : { tickCount: ticks };
  return {
    ...{ field, type: 'quantitative' as const, title: printable(label) },
    ...{ scale: log ? { type: 'log' as const, ...ends } : ends, axis: { ...labelled(format), ...values } },
  };
}

/** Ticks at 0 and at powers of ten on both sides, as far as the rows reach. */
function signedTicks(rows: Forest['rows'], within: number) {
  const all = rows.flatMap(({ x, low = x, high = x }) => [x, low, high]);
  const most = Math.max(...all.map(Math.abs));
  const powers = Array.from({ length: 12 }, (_, i) => within * 10 ** i).filter((power) => power <= most * 2);
  const ticks = [...powers.map((power) => -power), 0, ...powers];
  const [low, high] = [Math.min(...all) * 1.3, Math.max(...all) * 1.3];
  const values = ticks.filter((tick) => tick >= Math.min(low, 0) && tick <= Math.max(high, within));
  return { ...labelled('~g'), values };
}

/** Each label by itself: Vega would cut all of an axis to as many digits as tell its ticks apart. */
function labelled(format: string) {
  return { labelExpr: `format(datum.value, '${format}')` };
}

function looks(series: Series, tip: string) {
  return { colour: `var(--${series.colour})`, shape: series.shape ?? 'circle', tip: tipped(series, tip) };
}

/** Which series a mark is of and what is told of it, in one text: {@link drawn} takes them apart again. */
function tipped(series: Series | undefined, tip: string): string {
  return `${printable(series?.name ?? '')}${separator}${printable(tip)}`;
}

function withMargin(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0.1, 10];
  return [Math.min(...values) / 1.25, Math.max(...values) * 1.25];
}

function isPlaced(value: number, { log }: Scale): boolean {
  return Number.isFinite(value) && (!log || value > 0);
}
