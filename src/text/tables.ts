// Texts in columns: comma- and tab-separated values, and which column is meant in any table.

import { messageOf, SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';

/** The column, or the field of a JSON object, that is read where none is named. */
export const defaultColumn = 'text';

/** Columns that an error lists. */
const listed = 20;

/**
 * The column that holds the text.
 * @param columns that there are
 * @param name of what has them, for messages
 * @throws SurgeryError `text` where there is none of that name, or several
 */
export function requireColumn(columns: readonly string[], column: string | undefined, name: string): string {
  const wanted = column ?? defaultColumn;
  const found = columns.filter((one) => one === wanted).length;
  if (found === 1) return wanted;
  if (found > 1)
    throw new SurgeryError('text', `${name} has ${found} columns ${JSON.stringify(wanted)}: rename all but one`);
  const list = columns.slice(0, listed).map((one) => (one.trim() === one && one !== '' ? one : JSON.stringify(one)));
  throw new SurgeryError(
    'text',
    `${name} has no column ${JSON.stringify(wanted)}: --column takes one of ${list.join(', ')}${columns.length > listed ? ', …' : ''}`,
  );
}

/**
 * A value of a column as text; a missing one is an empty text.
 * @throws SurgeryError `text` for any other type
 */
export function textOf(value: unknown, column: string, name: string): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  const kind = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  throw new SurgeryError(
    'text',
    `${name}: column ${JSON.stringify(column)} holds ${kind}, not text: choose another --column`,
  );
}

/**
 * The texts of a column of separated values, as RFC 4180 has them, the names of the columns in the first row. Empty lines
 * are no rows; line ends of any kind count outside quotes and are kept inside.
 * @throws SurgeryError `text` for a column that is not there, and for a row that is damaged, with its number and line
 */
export async function readSeparatedTexts(
  text: string,
  delimiter: ',' | '\t',
  column: string | undefined,
  name: string,
): Promise<string[]> {
  const [header, ...rows] = await separatedRows(text, delimiter, name);
  const names = header?.fields ?? [];
  const at = names.indexOf(requireColumn(names, column, name));
  return rows.map(({ fields, line }, i) => {
    if (fields.length !== names.length)
      throw damaged(name, i + 2, line, `it has ${fields.length} fields, the first row has ${names.length}`);
    return itemAt(fields, at);
  });
}

interface Row {
  readonly fields: readonly string[];
  /** The row's last line, from 1. */
  readonly line: number;
}

async function separatedRows(text: string, delimiter: string, name: string): Promise<Row[]> {
  const { CsvError, parse } = await import('csv-parse/sync');
  try {
    const lines: number[] = [];
    const rows = parse(text, {
      delimiter,
      skip_empty_lines: true,
      // Its own guess is the first that comes, and keeps the others in the fields.
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true, // ragged rows are found above, with their numbers
      max_record_size: 0, // else a document of 128,000 characters is refused
      on_record: (fields, info) => {
        lines.push(info.lines);
        return fields;
      },
    });
    return rows.map((fields, i) => ({ fields, line: itemAt(lines, i) }));
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw damaged(name, Number(cause.records) + 1, Number(cause.lines), quoting[cause.code] ?? messageOf(cause), cause);
  }
}

/** What is wrong with a row's quotes, by the parser's codes. */
const quoting: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_INVALID_CLOSING_QUOTE: 'a field goes on after its closing quote',
  INVALID_OPENING_QUOTE: 'a quote stands inside a field that has none around it',
};

function damaged(name: string, row: number, line: number, why: string, cause?: unknown): SurgeryError {
  return new SurgeryError(
    'text',
    `${name}, row ${row} (line ${line}): ${why}. A field with quotes, separators or line breaks stands in double quotes, those inside it doubled`,
    cause,
  );
}
