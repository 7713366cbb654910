// A text column of Parquet files.
import { messageOf, SurgeryError } from '../errors.ts';

/**
 * The texts of a column, row after row, file after file. A missing value is an empty text.
 * @param name what the files are, for messages
 * @throws SurgeryError `text` for what is no Parquet file, and for a column that is not there or holds no text
 */
export async function readParquetTexts(files: readonly string[], column: string, name: string): Promise<string[]> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const texts: string[] = [];
  for (const path of files) {
    const rows = await read(name, async () => {
      const file = await asyncBufferFromFile(path);
      const metadata = await parquetMetadataAsync(file);
      const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
      if (!columns.includes(column))
        throw new SurgeryError(
          'text',
          `${name} has no column ${JSON.stringify(column)}: --column takes one of ${columns.join(', ')}`,
        );
      return parquetReadObjects({ file, metadata, columns: [column], compressors });
    });
    for (const row of rows) texts.push(textOf(row[column], column, name));
  }
  return texts;
}

async function read<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    throw new SurgeryError('text', `${name} holds no Parquet file that can be read: ${messageOf(cause)}`, cause);
  }
}

function textOf(value: unknown, column: string, name: string): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  const kind = Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  throw new SurgeryError(
    'text',
    `${name}: column ${JSON.stringify(column)} holds ${kind}, not text: choose another --column`,
  );
}
