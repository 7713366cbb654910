// Rows with a value each and its interval, beneath each other: accuracies, differences of pairs.
import { printable } from '../format.ts';
import { axis, color, description, labelled, looks, type Scale, type Series } from './axes.ts';
import type { Html } from './html.ts';
import type { Mark } from './panels.ts';
import { drawn, type Spec, themeOf } from './vega.ts';

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
    ...rest,
    row: `${String(i).padStart(4, '0')}${printable(name)}`,
    ...looks(series, tip),
  }));
  const longest = Math.max(0, ...rows.map(({ name }) => name.length));
  const linear = axis('x', scale);
  const signed = { type: 'symlog' as const, constant: linearWithin };
  const x = linearWithin === undefined ? linear : { ...linear, scale: signed, axis: signedTicks(rows, linearWithin) };
  const y = {
    field: 'row',
    type: 'nominal' as const,
    title: null,
    axis: {
      labelExpr: 'slice(datum.value, 4)',
      labelFontSize: 12,
      domain: false,
      ticks: false,
      // Flush left with the text of the page. Vega's own estimate of a text's width is half as long again.
      labelAlign: 'left' as const,
      labelPadding: longest * 7,
      labelLimit: longest * 12,
    },
  };
  const spec: Spec = {
    width: 420,
    height: { step: 22 },
    config: themeOf(420),
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
