// Heat maps for a terminal: shades and numbers. svg.ts draws the same data.
import { itemAt } from '../../platform/indexing.ts';
import { columnsOf, figure, printable, wrap } from '../format.ts';
import { hasColour, screenWidth, shaded } from '../screen.ts';

export interface HeatMap {
  readonly title: string;
  /** The name of the row axis, then each row's name. */
  readonly rowLabel: string;
  readonly rows: readonly string[];
  readonly columnLabel: string;
  readonly columns: readonly string[];
  /** (rows, columns); undefined where nothing was measured. */
  readonly values: readonly (readonly (number | undefined)[])[];
  /** Shade by the logarithm. */
  readonly log?: boolean;
  /** (rows, columns), shown in the numbers' place. */
  readonly texts?: readonly (readonly string[])[];
}

const shades = ['  ', '░░', '▒▒', '▓▓', '██'];

/** Numbers with a shade before each, the darkest the largest; a map that is too wide continues below. */
export function heatMap(map: HeatMap, width = screenWidth()): string {
  const shade = shadeOf(map);
  const cells = map.rows.map((_, row) =>
    map.columns.map((_, column) => {
      const value = map.values[row]?.[column];
      return {
        shade: itemAt(shades, Math.round((shade(value) ?? 0) * (shades.length - 1))),
        text: map.texts?.[row]?.[column] ?? cellText(value),
      };
    }),
  );
  const widest = Math.max(
    0,
    ...cells.flat().map(({ text }) => columnsOf(text)),
    ...map.columns.map((name) => columnsOf(name)),
  );
  const column = widest + 5; // two blanks, two of shade, one blank
  const gutter = Math.max(map.rowLabel.length, ...map.rows.map(({ length }) => length));
  const across = Math.max(1, Math.floor((width - gutter) / column));
  const part = (from: number) => {
    const head = map.columns.slice(from, from + across).map((name) => paddedStart(name, column));
    const body = map.rows.map((name, row) => {
      const texts = itemAt(cells, row).slice(from, from + across);
      return [name.padEnd(gutter), ...texts.map(({ shade, text }) => `  ${shade} ${paddedStart(text, widest)}`)];
    });
    return [[map.rowLabel.padEnd(gutter), ...head], ...body].map((line) => line.join('').trimEnd()).join('\n');
  };
  const parts = Array.from({ length: Math.ceil(map.columns.length / across) }, (_, i) => part(i * across));
  return coloured(printable(`${wrap(heatTitle(map), width)}\n${parts.join('\n\n')}`));
}

/** A map with shades of blue in place of characters, where stdout takes colour. */
function coloured(map: string): string {
  if (!hasColour()) return map;
  const blocks = new RegExp(shades.slice(1).join('|'), 'g');
  return map.replace(blocks, (block) => shaded('  ', shades.indexOf(block) / (shades.length - 1)));
}

const paddedStart = (text: string, columns: number) => `${' '.repeat(Math.max(0, columns - columnsOf(text)))}${text}`;

/** "KL (nats), by layer and variance". */
export function heatTitle({ title, rowLabel, columnLabel, log }: HeatMap): string {
  return `${title}, by ${rowLabel} and ${columnLabel}${log ? ' (shaded by the logarithm)' : ''}`;
}

export function cellText(value: number | undefined): string {
  return value === undefined ? '–' : figure(value);
}

/** Whether a value has a place on the scale of shades. */
const isPlaced = (value: number | undefined, log = false) =>
  value !== undefined && Number.isFinite(value) && (!log || value > 0);

/** Shade of a value, 0 for the smallest to 1 for the largest of the map; undefined for values off the scale. */
export function shadeOf({ values, log }: HeatMap): (value: number | undefined) => number | undefined {
  const known = values.flat().filter((value): value is number => isPlaced(value, log));
  if (known.length === 0) return () => undefined;
  const to = log ? Math.log : Number;
  const [low, high] = [to(Math.min(...known)), to(Math.max(...known))];
  return (value) => {
    if (value === undefined || Number.isNaN(value)) return undefined;
    if (low === high) return 0.5;
    const at = log && value <= 0 ? 0 : (to(value) - low) / (high - low);
    return Math.min(Math.max(at, 0), 1);
  };
}
