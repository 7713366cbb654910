// A text column of Parquet files.
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { requireColumn, textOf } from './tables.ts';

/** Whether bytes begin as a Parquet file does. */
export function isParquet(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'PAR1';
}

/**
 * The texts of a column, row after row, file after file. A missing value is an empty text.
 * @param files paths, or whole files
 * @param column (default: `text`)
 * @param name what the files are, for messages
 * @throws SurgeryError `text` for a file that is not Parquet, and for a column that is not there or holds no text
 */
export async function readParquetTexts(
  files: readonly (string | Uint8Array)[],
  column: string | undefined,
  name: string,
): Promise<string[]> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const texts: string[] = [];
  for (const source of files) {
    const { wanted, rows } = await read(name, async () => {
      const file = typeof source === 'string' ? await asyncBufferFromFile(source) : asyncBufferOf(source);
      const metadata = await parquetMetadataAsync(file);
      const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
      const wanted = requireColumn(columns, column, name);
      return { wanted, rows: await parquetReadObjects({ file, metadata, columns: [wanted], compressors }) };
    });
    for (const row of rows) texts.push(textOf(row[wanted], wanted, name));
  }
  return texts;
}

async function read<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    if (cause instanceof Error && 'syscall' in cause)
      throw new SurgeryError('text', `${name} cannot be read: ${systemMessage(cause)}`, cause);
    throw new SurgeryError('text', `${name} holds no Parquet file that can be read: ${messageOf(cause)}`, cause);
  }
}

function asyncBufferOf(bytes: Uint8Array): { byteLength: number; slice(from: number, to?: number): ArrayBuffer } {
  return { byteLength: bytes.length, slice: (from, to) => Uint8Array.from(bytes.subarray(from, to)).buffer };
}
