// Numbers and tables as people read them. Rounding happens here and nowhere earlier.

import Table from 'cli-table3';
import stringWidth from 'string-width';
import { integer } from '../platform/counts.ts';
import { itemAt } from '../platform/indexing.ts';
import { screenWidth, styled } from './screen.ts';

export { counted } from '../platform/counts.ts';
export { integer };

export const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)} %`;

/** In percent; as a power of ten where that would be 0.0 %. */
export function probabilityText(value: number): string {
  return value > 0 && value < 0.0005 ? value.toExponential(0) : percent(value);
}

/** Four significant digits, without exponents in the range that people read. */
export function figure(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0 || !Number.isFinite(value)) return String(value);
  if (magnitude < 1e-4 || magnitude >= 1e6) return value.toExponential(3);
  return value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(magnitude))));
}

/** Four significant digits, and whole numbers from 1,000 on; as powers of ten from a million on. */
export function perplexity(value: number): string {
  if (value < 999.95) return figure(value);
  const whole = Math.round(value);
  return whole < 1e6 ? integer(whole) : figure(whole);
}

/** "+0.443 [0.39, 0.53]", or the value alone where there is no interval. */
export function withInterval(value: number, interval: readonly [low: number, high: number] | null): string {
  return signed(value) + between(interval);
}

/** " [0.39, 0.53]", or nothing where there is no interval. */
export function between(interval: readonly [low: number, high: number] | null): string {
  return interval ? ` [${short(interval[0], 2)}, ${short(interval[1], 2)}]` : '';
}

/** With a plus sign where it is above 0. */
export function signed(value: number, digits?: number): string {
  return `${value > 0 ? '+' : ''}${short(value, digits)}`;
}

/** A few significant digits. */
export function short(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e5) return value.toExponential(1);
  return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude))));
}

/** A size in decimal units, as disks and downloads are measured. */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A rule as the beginning of a sentence. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "a, b and c". */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/**
 * A table without lines, columns two spaces apart; `r` aligns a column right, `l` left. Where it is too wide, the texts of
 * its widest left-aligned columns are broken at spaces; words are never broken.
 */
export function table(
  head: readonly string[],
  align: string,
  rows: readonly (readonly string[])[],
  width = screenWidth(),
): string {
  const none = '';
  const widths = fittingWidths([head, ...rows], align, width);
  const fold = (row: readonly string[]) => row.map((text, i) => wrap(text, widths[i]));
  const out = new Table({
    head: fold(head),
    colAligns: [...align].map((c) => (c === 'r' ? 'right' : 'left')),
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: '  ',
    },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  out.push(...rows.map(fold));
  return trimLines(out.toString());
}

/** Widths of columns that fit a line, two spaces apart; no word is broken. */
function fittingWidths(rows: readonly (readonly string[])[], align: string, width: number): number[] {
  const longest = (texts: readonly string[]) => Math.max(1, ...texts.map((text) => columnsOf(text)));
  const columns = [...align].map((_, i) => rows.map((row) => row[i] ?? ''));
  const widths = columns.map(longest);
  const least = columns.map((texts, i) => (align[i] === 'r' ? longest(texts) : longest(texts.flatMap(words))));
  const slack = (i: number) => itemAt(widths, i) - itemAt(least, i);
  let over = widths.reduce((sum, each) => sum + each, 2 * (widths.length - 1)) - width;
  while (over > 0) {
    const open = [...widths.keys()].filter((i) => slack(i) > 0);
    const widest = open.sort((a, b) => itemAt(widths, b) - itemAt(widths, a))[0];
    if (widest === undefined) break;
    const cut = Math.min(over, slack(widest));
    widths[widest] = itemAt(widths, widest) - cut;
    over -= cut;
  }
  return widths;
}

const words = (text: string) => text.split(/[ \n]/);

/** Two texts side by side under their titles, in `width` columns. */
export function sideBySide(
  titles: readonly [string, string],
  texts: readonly [string, string],
  width = screenWidth(),
): string {
  const column = Math.floor((width - 3) / 2);
  const out = new Table({
    head: [...titles],
    colWidths: [column, column],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  const shown = texts.map((text) => breakLongWords(printable(text).replaceAll('\t', ' ').trim(), column - 2));
  out.push(fromFirstDifference(shown, (word) => styled(word, 'yellow')));
  return out.toString();
}

/** Texts with each of their words marked from the first on in which they differ. */
function fromFirstDifference(texts: readonly string[], mark: (word: string) => string): string[] {
  const [first = [], ...others] = texts.map((text) => text.split(/(?<=\s)(?=\S)/));
  const same = first.findIndex((word, i) => others.some((other) => other[i] !== word));
  const from = same < 0 ? first.length : same;
  return [first, ...others].map((words) => words.map((word, i) => (i < from ? word : mark(word))).join(''));
}

/** Text that a terminal shows as it is: control characters, which a damaged model may well write, become U+FFFD. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\uFFFD');
}

/** The table cuts a word off where it does not fit its column; samples of a damaged model are full of such words. */
function breakLongWords(text: string, width: number): string {
  return text.replace(/\S+/g, (word) => {
    const lines = [''];
    for (const character of word) {
      const line = `${lines.at(-1)}${character}`;
      if (columnsOf(line) <= width) lines[lines.length - 1] = line;
      else lines.push(character);
    }
    return lines.join('\n');
  });
}

/** Columns of a terminal that a text takes: two for most East Asian characters and emoji. */
export function columnsOf(text: string): number {
  // What most texts are, and much faster.
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text);
}

/** Text broken at spaces so that no line takes more than `width` columns of a terminal; its own line breaks stay. */
export function wrap(text: string, width = screenWidth()): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width))
    .join('\n');
}

function wrapLine(text: string, width: number): string {
  const [first = '', ...others] = text.split(' ');
  const lines = [first];
  let taken = columnsOf(first);
  for (const word of others) {
    const columns = columnsOf(word);
    const fits = taken + 1 + columns <= width;
    if (fits) lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
    taken = fits ? taken + 1 + columns : columns;
  }
  return lines.join('\n');
}

/** Columns that a line's label takes in a list of facts. */
const labelWidth = 11;

/** "Result     KL 9.07 …": a label, and a text whose further lines stand below its first. */
export function labelled(label: string, text: string, width = screenWidth()): string {
  return label.padEnd(labelWidth) + wrap(text, width - labelWidth).replaceAll('\n', `\n${' '.repeat(labelWidth)}`);
}

function trimLines(text: string): string {
  return text.replace(/ +$/gm, '');
}
