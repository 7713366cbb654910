// A statistic of a table or a chart, described once for the terminal and for pages.
import type { Scale } from './html/axes.ts';
import { type Value, withoutNoise } from './values.ts';

export interface Column<Row> {
  /** On pages. */
  readonly title: string;
  /** In a terminal's tables. */
  readonly label: string;
  readonly of: (row: Row) => Value | undefined;
  readonly show: (value: number) => string;
  /** Shows half the width of the interval in a terminal's tables, which show none without it. */
  readonly showHalf?: (value: number) => string;
  readonly y: Scale;
}

export const columnLabels = (columns: readonly Pick<Column<never>, 'label'>[]) => columns.map(({ label }) => label);

/** A column's text in a terminal: "1.234 ±0.010". */
export function columnText<Row>({ of, show, showHalf }: Omit<Column<Row>, 'y'>, row: Row): string {
  const one = withoutNoise(of(row));
  const half = one?.interval ? (one.interval[1] - one.interval[0]) / 2 : 0;
  // Where no document differs from another there is nothing to resample.
  return plain(one, show) + (half > 0 && showHalf ? ` ±${showHalf(half)}` : '');
}

/** A value without its interval. */
export function plain(one: Value | undefined, show: (value: number) => string): string {
  return one ? show(one.value) : '–';
}
