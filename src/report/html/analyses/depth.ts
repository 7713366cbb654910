// Figures at every point of the residual stream → a chart over depth, and the cells of its table.

import type { VariantName } from '../../../analyses/shapes.ts';
import { itemAt } from '../../../platform/indexing.ts';
import type { Value } from '../../values.ts';
import { type Scale, type Series, withMargin } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { type Band, panelSvg, type Rule } from '../panels.ts';
import { type Cell, number } from '../table.ts';

/** One curve over depth: a value per point, or none. */
export interface DepthCurve {
  readonly series: Series;
  readonly values: readonly (Value | undefined)[];
  /** A line without points and intervals, which the table lists: for baselines. */
  readonly bare?: boolean;
}

export interface DepthPanel {
  readonly title: string;
  /** Names of the points, or of the steps between them, from the embedding up. */
  readonly points: readonly string[];
  readonly across?: string;
  readonly y: Scale;
  readonly show: (value: number) => string;
  readonly curves: readonly DepthCurve[];
  readonly bands?: readonly Band[];
  readonly rules?: readonly Rule[];
}

/** The same look on the whole page, and so the same switch. */
export const variantSeries: Readonly<Record<VariantName, Series>> = {
  original: { name: 'original', colour: 's6', shape: 'square' },
  operated: { name: 'operated', colour: 's0', shape: 'circle' },
};
export const shuffledSeries: Series = {
  name: 'shuffled positions',
  colour: 'c0',
  shape: 'triangle-down',
  dashed: true,
};

export async function depthPanel(panel: DepthPanel): Promise<Figure['panels'][number]> {
  const { title, points, across = 'layer, from the embedding up', y, show, curves, bands = [], rules = [] } = panel;
  const svg = await panelSvg({
    about: `${title}, over depth; the table holds the numbers`,
    x: { label: across, names: points },
    y,
    bands,
    rules,
    size: [340, 190],
    lines: curves.map(({ series, values, bare }) => ({
      series,
      ...(bare ? { curve: `${series.name}\n${title}: ${rangeText(values, show)}` } : {}),
      marks: values.flatMap((one, x) => {
        if (!one) return [];
        const ends = one.interval ? { low: one.interval[0], high: one.interval[1] } : {};
        return [
          { x, y: one.value, ...ends, tip: `${series.name}, ${itemAt(points, x)}\n${title}: ${withEnds(one, show)}` },
        ];
      }),
    })),
  });
  return { title, svg };
}

/** "0.013" of what is the same at every layer, else "0.013 to 0.118". */
function rangeText(values: DepthCurve['values'], show: DepthPanel['show']): string {
  const all = values.flatMap((one) => (one ? [one.value] : []));
  const ends = [Math.min(...all), Math.max(...all)].map(show);
  return [...new Set(ends)].join(' to ');
}

/** Panels to be compared: all share one y axis. */
export async function depthPanels(panels: readonly DepthPanel[]): Promise<Figure['panels'][number][]> {
  const [first] = panels;
  const domain = first?.y.domain ?? commonDomain(panels, first?.y.log ?? false);
  const drawn: Figure['panels'][number][] = [];
  for (const panel of panels)
    drawn.push(await depthPanel({ ...panel, y: { ...panel.y, ...(domain ? { domain } : {}) } }));
  return drawn;
}

/** What all curves, bands and rules lie within. Intervals that reach below a logarithmic axis end at its foot. */
function commonDomain(panels: readonly DepthPanel[], log: boolean): [number, number] | undefined {
  const all = panels.flatMap(({ curves, bands = [], rules = [] }) => [
    ...curves.flatMap(({ values }) =>
      values.flatMap((one) => (one ? [one.value, ...(log ? [] : (one.interval ?? []))] : [])),
    ),
    ...bands.flatMap(({ edge }) => edge.flatMap(({ low, high }) => [low, high])),
    ...rules.map(({ y }) => y),
  ]);
  const placed = all.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (placed.length === 0) return undefined;
  if (log) return withMargin(placed);
  const [low, high] = [Math.min(...placed), Math.max(...placed)];
  const margin = (high - low || 1) * 0.05;
  return [low === 0 ? 0 : low - margin, high + margin];
}

/** Series that any of the curves has, each once. */
export function legendOf(curves: readonly DepthCurve[]): Series[] {
  return [...new Map(curves.map(({ series }) => [series.name, series])).values()];
}

/** "0.412 [0.40, 0.43]" */
function withEnds({ value, interval }: Value, show: (value: number) => string): string {
  return interval ? `${show(value)} [${show(interval[0])}, ${show(interval[1])}]` : show(value);
}

export function valueCell(one: Value | undefined, show: (value: number) => string): Cell {
  return number(one && Number.isFinite(one.value) ? one.value : undefined, () => (one ? withEnds(one, show) : ''));
}
