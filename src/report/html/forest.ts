// Rows with a value each and its interval, beneath each other: accuracies, differences of pairs, losses.
import { printable } from '../format.ts';
import { axis, color, description, labelled, looks, type Scale, type Series } from './axes.ts';
import { type Html, html } from './html.ts';
import type { Mark } from './panels.ts';
import { drawn, type Spec, themeOf } from './vega.ts';

/** Rows with a value each and its interval: differences of pairs, accuracies. */
export interface Forest {
  readonly about: string;
  readonly x: Scale;
  readonly rows: readonly (Omit<Mark, 'y'> & { readonly name: string; readonly series: Series })[];
  /** A vertical line, such as where there is no difference. */
  readonly at?: number;
  /** Values beyond this, on both sides of 0, are drawn logarithmically. */
  readonly linearWithin?: number;
  /** Bars from 0 in place of points: for amounts. */
  readonly bars?: boolean;
}

/** One row per value, with its interval: once with names next to the rows, and for narrow screens with names above them. */
export async function forestSvg(forest: Forest): Promise<Html> {
  return html`${await rowsSvg(forest, 'broad')}${await rowsSvg(forest, 'narrow')}`;
}

/** Letters of a name that a narrow screen has room for; the tooltip has all. */
const longestAbove = 52;

async function rowsSvg(forest: Forest, look: 'broad' | 'narrow'): Promise<Html> {
  const { about, x: scale, rows, at, linearWithin, bars: isBars } = forest;
  // A name may come twice: rows are kept apart by their number, which the label leaves out.
  const values = rows.map(({ series, tip, name, ...rest }, i) => ({
    ...rest,
    zero: 0,
    name: printable(name.length > longestAbove ? `${name.slice(0, longestAbove - 1)}…` : name),
    row: `${String(i).padStart(4, '0')}${printable(name)}`,
    ...looks(series, tip),
  }));
  const longest = Math.max(0, ...rows.map(({ name }) => name.length));
  const linear = axis('x', scale);
  const signed = { type: 'symlog' as const, constant: linearWithin };
  const x = linearWithin === undefined ? linear : { ...linear, scale: signed, axis: signedTicks(rows, linearWithin) };
  const names = {
    labelExpr: 'slice(datum.value, 4)',
    labelFontSize: 12,
    domain: false,
    ticks: false,
    // Flush left with the text of the page. Vega's own estimate of a text's width is half as long again.
    labelAlign: 'left' as const,
    labelPadding: longest * 7,
    labelLimit: longest * 12,
  };
  const y = { field: 'row', type: 'nominal' as const, title: null, axis: look === 'broad' ? names : null };
  const [low, high] = scale.domain ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const intervals = values.flatMap((value) =>
    value.low === undefined || value.high === undefined
      ? []
      : [{ ...value, low: Math.max(value.low, low), high: Math.min(value.high, high) }],
  );
  const spec: Spec = {
    width: look === 'broad' ? 420 : 340,
    height: { step: look === 'broad' ? 22 : 36 },
    config: themeOf(420),
    // By its own estimate Vega would make the chart as wide as the longest name.
    ...(look === 'broad' ? {} : { autosize: 'none', padding: { left: 6, right: 12, top: 4, bottom: 42 } }),
    layer: [
      ...(at === undefined
        ? []
        : [
            {
              data: { values: [{ at }] },
              mark: { type: 'rule' as const, color: 'var(--muted)', strokeDash: [2, 3] },
              encoding: { x: { ...x, field: 'at' } },
            },
          ]),
      ...(look === 'broad'
        ? []
        : [
            {
              data: { name: 'rows' },
              mark: { type: 'text' as const, x: 0, align: 'left' as const, dy: -11, fontSize: 12, color: 'var(--ink)' },
              encoding: { y, text: { field: 'name' } },
            },
          ]),
      ...(isBars
        ? [
            {
              data: { name: 'rows' },
              mark: { type: 'bar' as const, height: 10, opacity: 0.55 },
              encoding: { x: { ...x, field: 'zero' }, x2: { field: 'x' }, y, color, description },
            },
          ]
        : []),
      {
        data: { name: 'intervals' },
        mark: { type: 'rule', strokeWidth: isBars ? 1.5 : 2 },
        encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y, color, description },
      },
      ...(isBars
        ? []
        : [
            {
              data: { name: 'rows' },
              mark: { type: 'point' as const, filled: true, size: 52, opacity: 1 },
              encoding: { x, y, color, shape: { field: 'shape', scale: null }, description },
            },
          ]),
    ],
  };
  return drawn(spec, { intervals, rows: values }, about, look);
}

/** Ticks at 0 and at powers of ten on both sides, within the range of the rows. */
function signedTicks(rows: Forest['rows'], within: number) {
  const all = rows.flatMap(({ x, low = x, high = x }) => [x, low, high]);
  const most = Math.max(...all.map(Math.abs));
  const powers = Array.from({ length: 12 }, (_, i) => within * 10 ** i).filter((power) => power <= most * 2);
  const ticks = [...powers.map((power) => -power), 0, ...powers];
  const [low, high] = [Math.min(...all) * 1.3, Math.max(...all) * 1.3];
  const values = ticks.filter((tick) => tick >= Math.min(low, 0) && tick <= Math.max(high, within));
  return { ...labelled('~g'), values };
}
