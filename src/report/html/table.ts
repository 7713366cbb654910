// Tables: what a figure shows, in numbers. The page's script sorts them and hands them out as CSV.
import type { Interval } from '../../scores/token-sums.ts';
import { counted } from '../format.ts';
import { headOf, type ScoreDescription, type Scored, scoreText } from '../scores.ts';
import { type Html, html } from './html.ts';

/** A text, or a number as people read it together with all its digits, and with those of its interval's ends. */
export type Cell = string | { readonly text: string; readonly value: number; readonly interval?: Interval | undefined };

export interface DataTable {
  /** Of the CSV file, without its ending. */
  readonly name: string;
  readonly about: string;
  /** Titles; those that begin with `>` stand over numbers and are aligned right. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Rows that a table shows at once. The style sheet knows the number too. */
const mostRows = 60;

/**
 * A number in a table; an empty cell where there is none.
 * @param interval columns of their own in the CSV file; the text says it too
 */
export function number(
  value: number | null | undefined,
  text: (value: number) => string,
  interval?: Interval | null,
): Cell {
  return value === null || value === undefined ? '' : { text: text(value), value, interval: interval ?? undefined };
}

/** Titles of columns of scores, and a row's cells under them. */
export function scoreHeads(columns: readonly ScoreDescription[]): string[] {
  return columns.map((score) => (score.showsInterval ? headOf(score) : `>${headOf(score)}`));
}

export function scoreCells(columns: readonly ScoreDescription[], scored: Scored): Cell[] {
  return columns.map((score) =>
    number(score.of(scored), () => scoreText(score, scored), score.showsInterval && score.interval?.(scored)),
  );
}

/** @param label what no other part of the page is called */
export function tableHtml({ name, about, head, rows }: DataTable, label: string): Html {
  const isRight = head.map((title) => title.startsWith('>'));
  const cells = (row: readonly Cell[]) =>
    row.map((cell, i) => {
      const align = isRight[i] ? html` class="r"` : '';
      if (typeof cell === 'string') return html`<td${align}>${cell}</td>`;
      const ends = cell.interval && html` data-low="${cell.interval[0]}" data-high="${cell.interval[1]}"`;
      return html`<td${align} data-v="${cell.value}"${ends}>${cell.text}</td>`;
    });
  const titles = head.map(
    (title, i) => html`<th scope="col"${isRight[i] ? html` class="r"` : ''}>${title.replace(/^>/, '')}</th>`,
  );
  const more = rows.length - mostRows;
  return html`<div class="table"><div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table data-csv="${name}"><caption>${about}</caption><thead><tr>${titles}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${cells(row)}</tr>\n`)}</tbody></table></div>
${more > 0 && html`<label class="rest"><input type="checkbox"> ${counted(more, 'more row')}</label>`}</div>`;
}
