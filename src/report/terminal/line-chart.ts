// Line charts for a terminal. svg.ts draws the same data.
import { itemAt } from '../../platform/indexing.ts';
import { counted, printable } from '../format.ts';
import { screenWidth } from '../screen.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Ends of y's interval, where there is one. Only the SVG shows them. */
  readonly low?: number;
  readonly high?: number;
}

export interface Axis {
  readonly label: string;
  /** Logarithmic; values that are not positive have no place on such an axis. */
  readonly log?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

const marks = 'ox+*#@%=ABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Where series meet. */
const meeting = '&';

/**
 * Points of several series, each with a mark of its own, joined by dots in the order of x.
 * @param rows height of the plot itself; title, axis and legend take five lines more
 */
export function lineChart(chart: LineChart, rows = 11, columns = screenWidth()): string {
  const { series, dropped } = shown(chart);
  const points = series.flatMap((each) => each.points);
  const note = droppedNote(dropped, chart);
  if (points.length === 0) return [printable(chart.title), 'No point to show.', note].filter(Boolean).join('\n');
  const x = scaleOf(
    points.map((point) => point.x),
    chart.x.log,
  );
  const y = scaleOf(
    points.map((point) => point.y),
    chart.y.log,
  );
  const gutter = Math.max(...y.ticks.map((tick) => number(tick).length));
  const width = columns - gutter - 2;
  const cells = draw(
    series.map((each) =>
      each.points.map((point) => ({
        column: x.place(point.x) * (width - 1),
        row: (1 - y.place(point.y)) * (rows - 1),
      })),
    ),
    rows,
    width,
  );
  const labels = new Map(y.ticks.map((tick) => [Math.round((1 - y.place(tick)) * (rows - 1)), number(tick)]));
  const lines = cells.map((line, row) => {
    const label = labels.get(row);
    return `${(label ?? '').padStart(gutter)} ${label ? '┤' : '│'}${line.join('')}`;
  });
  const ticks = x.ticks.map((tick) => ({ column: Math.round(x.place(tick) * (width - 1)), label: number(tick) }));
  const indent = ' '.repeat(gutter + 1);
  return [
    `${printable(chart.title)}: ${axisName(chart.y)}`,
    ...lines,
    `${indent}└${rule(ticks, width)}`,
    ` ${indent}${tickLabels(ticks, width)}`,
    ` ${indent}${axisName(chart.x).padStart(Math.ceil((width + axisName(chart.x).length) / 2))}`,
    ...legend(
      series.map(({ name }) => name),
      cells.some((line) => line.includes(meeting)),
      columns,
    ),
    note,
  ]
    .filter(Boolean)
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A chart without the points that cannot be placed, x ascending, and how many those are. */
export function shown(chart: LineChart): { series: LineChart['series']; dropped: number } {
  const fits = (value: number, { log }: Axis) => Number.isFinite(value) && (!log || value > 0);
  const series = chart.series.map(({ name, points }) => ({
    name,
    points: points.filter(({ x, y }) => fits(x, chart.x) && fits(y, chart.y)).toSorted((a, b) => a.x - b.x),
  }));
  const count = (all: LineChart['series']) => all.reduce((sum, { points }) => sum + points.length, 0);
  return { series, dropped: count(chart.series) - count(series) };
}

/** "2 points not shown: not finite"; nothing if none was dropped. */
export function droppedNote(dropped: number, { x, y }: LineChart): string {
  if (dropped === 0) return '';
  return `${counted(dropped, 'point')} not shown: not finite${x.log || y.log ? ', or not positive on a logarithmic axis' : ''}`;
}

interface Scale {
  /** Where a value lies, 0 to 1. */
  readonly place: (value: number) => number;
  /** Round values on the axis, ascending. */
  readonly ticks: readonly number[];
}

/** An axis that holds all values; one value alone lies in its middle. */
function scaleOf(values: readonly number[], log = false): Scale {
  const [to, from] = log ? [Math.log10, (power: number) => 10 ** power] : [Number, Number];
  let [low, high] = [to(Math.min(...values)), to(Math.max(...values))];
  if (low === high) {
    const margin = log ? 0.3 : Math.abs(low) / 2 || 1;
    [low, high] = [low - margin, high + margin];
  }
  const place = (value: number) => (to(value) - low) / (high - low);
  const ticks = log ? logTicks(from(low), from(high)) : linearTicks(low, high);
  return { place, ticks };
}

/** Up to six multiples of 1, 2 or 5 × 10ⁿ. */
function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten, with 2 and 5 between them where that leaves few; linear ticks within less than a factor of ten. */
export function logTicks(low: number, high: number): number[] {
  const powers = Math.log10(high / low);
  if (powers < 1) return linearTicks(low, high);
  const skip = Math.ceil(powers / 6);
  const out: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % skip !== 0) continue;
    out.push(...(powers < 3 ? [1, 2, 5] : [1]).map((factor) => Number(`${factor}e${power}`)));
  }
  return out.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
}

/** The characters of the plot, (rows, width): dots between a series' points first, so that no mark is covered. */
function draw(
  series: readonly (readonly { column: number; row: number }[])[],
  rows: number,
  width: number,
): string[][] {
  const cells = Array.from({ length: rows }, () => Array<string>(width).fill(' '));
  const put = (row: number, column: number, character: string) => {
    const line = cells[Math.round(row)];
    if (line) line[Math.round(column)] = character;
  };
  for (const points of series) {
    for (const [i, to] of points.entries()) {
      const from = points[i - 1] ?? to;
      const steps = Math.ceil(Math.max(Math.abs(to.column - from.column), Math.abs(to.row - from.row)));
      for (let step = 1; step < steps; step++) {
        const share = step / steps;
        put(from.row + share * (to.row - from.row), from.column + share * (to.column - from.column), '·');
      }
    }
  }
  for (const [i, points] of series.entries()) {
    for (const { row, column } of points) {
      const there = cells[Math.round(row)]?.[Math.round(column)] ?? ' ';
      put(row, column, there === ' ' || there === '·' || there === mark(i) ? mark(i) : meeting);
    }
  }
  return cells;
}

const mark = (series: number) => itemAt(marks, series % marks.length);

function rule(ticks: readonly { column: number }[], width: number): string {
  const line = Array<string>(width).fill('─');
  for (const { column } of ticks) line[column] = '┬';
  return line.join('');
}

/** Numbers under their ticks; one that would touch its neighbour is left out. */
function tickLabels(ticks: readonly { column: number; label: string }[], width: number): string {
  let line = '';
  for (const { column, label } of ticks) {
    const start = Math.min(Math.max(0, column - Math.floor(label.length / 2)), width - label.length);
    if (line === '' || start > line.length) line = line.padEnd(start) + label;
  }
  return line;
}

/** `o name   x name`, in as many lines as it takes. */
function legend(names: readonly string[], meet: boolean, columns: number): string[] {
  const entries = names.map((name, i) => `${mark(i)} ${printable(name)}`.slice(0, columns));
  if (meet) entries.push(`${meeting} several`);
  const lines: string[] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 3 + entry.length <= columns) lines[lines.length - 1] = `${last}   ${entry}`;
    else lines.push(entry);
  }
  return lines;
}

const axisName = ({ label, log }: Axis) => `${printable(label)}${log ? ' (logarithmic)' : ''}`;

/** A tick: as short as it can be. */
const number = (value: number) =>
  Math.abs(value) >= 1e6 ? value.toExponential().replace('e+', 'e') : String(value).replace('e+', 'e');
