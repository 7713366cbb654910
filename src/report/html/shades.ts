// Matrices of shades with a text in each cell.
import { printable } from '../format.ts';
import { color, description, type Series, tipped } from './axes.ts';
import type { Html } from './html.ts';
import { drawn, type Spec, themeOf } from './vega.ts';

/** A matrix of shades, 0 to 1, or −1 to 1 where values have a sign, with a text in each. */
export interface Shades {
  readonly about: string;
  readonly rowLabel: string;
  readonly columnLabel: string;
  /** Pixels across a cell. Default: 76. */
  readonly width?: number;
  /** What is below and above 0, where values have a sign. */
  readonly signs?: readonly [below: Series, above: Series];
  readonly cells: readonly {
    readonly row: string;
    readonly column: string;
    readonly text: string;
    /** Undefined where nothing was measured. */
    readonly shade: number | undefined;
    readonly tip: string;
  }[];
}

export async function shadesSvg({ about, rowLabel, columnLabel, width = 76, signs, cells }: Shades): Promise<Html> {
  const values = cells.map(({ row, column, shade = 0, tip, ...rest }) => {
    const series = signs?.[shade < 0 ? 0 : 1];
    return {
      ...rest,
      row: printable(row),
      column: printable(column),
      shade: Math.abs(shade),
      colour: `var(--${series?.colour ?? 'heat'})`,
      tip: tipped(series, tip),
    };
  });
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
    width: { step: width },
    height: { step: 24 },
    config: themeOf(400),
    data: { name: 'cells' },
    encoding: { x, y },
    layer: [
      {
        mark: { type: 'rect', stroke: 'var(--paper)' },
        encoding: { color, opacity: { field: 'shade', type: 'quantitative', scale: null, legend: null }, description },
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
