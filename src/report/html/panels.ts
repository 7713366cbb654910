// Charts of the report by Vega-Lite. Their colours are the page's, so that they follow it into the dark and onto paper.
import { printable } from '../format.ts';
import { axis, color, description, isPlaced, looks, type Scale, type Series, tipped, withMargin } from './axes.ts';
import type { Html } from './html.ts';
import { type Datasets, drawn, type Spec, themeOf } from './vega.ts';

/** A point of a chart and its tooltip. */
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
  /** Tooltip of the whole line, which is then drawn without its points: for curves of many. */
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
  /** Written at its right end, where no data come near it. */
  readonly label?: string;
  /** Its name in a legend. */
  readonly series?: Series;
  readonly tip?: string;
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

/** A chart of lines and bands. An interval that reaches beyond an axis, such as one of a share below 0 %, ends there. */
export async function panelSvg(panel: Panel): Promise<Html> {
  const { size: [width, height] = [340, 220] } = panel;
  const data = datasets(panel);
  const ys = [
    ...data.points.map(({ y }) => y),
    ...data.edges.flatMap(({ low, high }) => [low, high]),
    ...(panel.rules ?? []).map(({ y }) => y).filter((y) => isPlaced(y, panel.y)),
  ];
  const yScale = panel.y.log && !panel.y.domain ? { ...panel.y, domain: withMargin(ys) } : panel.y;
  const [foot, top] = yScale.domain ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const within = (y: number) => Math.min(Math.max(y, foot), top);
  const clipped = <T extends { low: number; high: number }>(one: T) => ({
    ...one,
    low: within(one.low),
    high: within(one.high),
  });
  const bars = data.points.flatMap(({ low, high, ...rest }) =>
    low === undefined || high === undefined || rest.thin ? [] : [clipped({ ...rest, low, high })],
  );
  const x = axis('x', panel.x);
  const y = axis('y', yScale);
  const ends = { y: { ...y, field: 'low' }, y2: { field: 'high' } };
  const spec: Spec = {
    width,
    height,
    config: themeOf(width),
    layer: [
      {
        data: { name: 'edges' },
        mark: { type: 'area', opacity: 0.3 },
        encoding: { x, ...ends, detail: { field: 'key' }, color, description },
      },
      {
        data: { name: 'rules' },
        mark: { type: 'rule', color: 'var(--muted)', strokeDash: [2, 3] },
        encoding: { y, description },
      },
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
          x,
          y,
          color,
          detail: { field: 'key' },
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
      edges: data.edges.map(clipped),
      bars,
      rules: (panel.rules ?? []).map(({ y: value, label = '', series, tip = '' }) => ({
        y: value,
        label: printable(label),
        tip: tipped(series, tip),
      })),
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
        x: mark.x,
        y: mark.y,
        low: mark.low,
        high: mark.high,
        key,
        ...looks(series, mark.tip),
        lineTip: tipped(series, curve ?? ''),
        thin: curve !== undefined,
        dashed: series.dashed ?? false,
      })),
  );
  const edges = bands.flatMap(({ series, edge, tip }, key) =>
    edge
      .filter(({ x, low, high }) => isPlaced(x, xScale) && isPlaced(low, yScale) && isPlaced(high, yScale))
      .map((one) => ({ ...one, key, ...looks(series, tip) })),
  );
  return { points, edges } satisfies Datasets;
}
