// What charts of the report have in common: series, axes, and the words of each mark.
import { printable } from '../format.ts';
import { logTicks } from '../terminal/line-chart.ts';
import { separator } from './vega.ts';

/** A series: one colour and one name in a legend, shown or hidden together on the whole page. */
export interface Series {
  /** Empty for what needs no legend. */
  readonly name: string;
  /** A custom property of the page. */
  readonly colour: string;
  readonly shape?: 'circle' | 'square' | 'triangle-up' | 'diamond' | 'cross' | 'triangle-down';
  readonly dashed?: boolean;
  /** A straight line across the chart, such as the original's value. */
  readonly rule?: boolean;
}

export interface Scale {
  readonly label: string;
  readonly log?: boolean;
  readonly domain?: readonly [low: number, high: number];
  /** In d3's notation, such as `.0%`. */
  readonly format?: string;
  readonly ticks?: number;
  /** What 0, 1, 2 … are called: the axis has a place for each, and a name at as many as fit. */
  readonly names?: readonly string[];
}

export const color = { field: 'colour', scale: null };
export const description = { field: 'tip' };

export function axis(field: 'x' | 'y', scale: Scale) {
  const { label, log, domain, format = '~g', ticks = 5, names } = scale;
  if (names) return namedAxis(field, label, names);
  const ends = domain ? { domain: [...domain], nice: false } : { nice: field === 'y', ...(log ? {} : { zero: false }) };
  const values = log && domain ? { values: logTicks(domain[0], domain[1]) } : { tickCount: ticks };
  return {
    field,
    type: 'quantitative' as const,
    title: printable(label),
    scale: log ? { type: 'log' as const, ...ends } : ends,
    axis: { ...labelled(format), ...values },
  };
}

/** Names that an axis has room for. */
const mostNames = 9;

function namedAxis(field: 'x' | 'y', label: string, names: readonly string[]) {
  const last = names.length - 1;
  const step = Math.ceil(names.length / mostNames);
  const values = [...names.keys()].filter((i) => i % step === 0);
  // Vega's expressions take these two for the end of a line, JSON does not.
  const listed = JSON.stringify(names.map(printable)).replaceAll(/[\u2028\u2029]/g, ' ');
  const labelExpr = `${listed}[datum.value]`;
  return {
    field,
    type: 'quantitative' as const,
    title: printable(label),
    scale: { domain: [0, Math.max(last, 1)], nice: false },
    axis: { labelExpr, values, labelFlush: false },
  };
}

/** Each label by itself: Vega would cut all of an axis to as many digits as tell its ticks apart. */
export function labelled(format: string) {
  return { labelExpr: `format(datum.value, '${format}')` };
}

export function looks(series: Series, tip: string) {
  return { colour: `var(--${series.colour})`, shape: series.shape ?? 'circle', tip: tipped(series, tip) };
}

/** A mark's series and tooltip in one text, which {@link drawn} splits again. */
export function tipped(series: Series | undefined, tip: string): string {
  return `${printable(series?.name ?? '')}${separator}${printable(tip)}`;
}

export function withMargin(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0.1, 10];
  return [Math.min(...values) / 1.25, Math.max(...values) * 1.25];
}

export function isPlaced(value: number, { log }: Scale): boolean {
  return Number.isFinite(value) && (!log || value > 0);
}
