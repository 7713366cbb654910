// Tensors as float32, read and converted in a thread while the main one computes with those before.
import { closeSync, openSync, readSync } from 'node:fs';
import { toFloat32, type WeightDtype } from '../../checkpoint/dtypes.ts';
import { SurgeryError } from '../../platform/errors.ts';

/** Where a tensor, or some of its rows, lie. */
export interface TensorRange {
  readonly name: string;
  readonly path: string;
  readonly begin: number;
  readonly end: number;
  readonly dtype: WeightDtype;
}

/**
 * The values of tensors, in the order of `ranges`.
 * @throws SurgeryError `checkpoint` naming tensor and file where one cannot be read or ends early
 */
export function readTensors(ranges: readonly TensorRange[]): Float32Array[] {
  return ranges.map((range) => withFile(range, (read) => toFloat32(read(range.begin, range.end), range.dtype)));
}

/**
 * Single rows of a matrix, one after the other.
 * @param rowBytes of a row in the file
 * @throws SurgeryError as {@link readTensors}
 */
export function readRows(range: TensorRange, rowBytes: number, rows: readonly number[]): Float32Array {
  return withFile(range, (read) => {
    const bytes = new Uint8Array(rows.length * rowBytes);
    for (const [i, row] of rows.entries()) {
      const begin = range.begin + row * rowBytes;
      bytes.set(read(begin, begin + rowBytes), i * rowBytes);
    }
    return toFloat32(bytes, range.dtype);
  });
}

function withFile<T>({ name, path }: TensorRange, use: (read: (begin: number, end: number) => Uint8Array) => T): T {
  const file = openSync(path, 'r');
  try {
    return use((begin, end) => {
      const bytes = new Uint8Array(end - begin);
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30), begin + done);
        if (read === 0)
          throw new SurgeryError(
            'checkpoint',
            `${path} ended at byte ${begin + done}, inside tensor ${name}, while it was read: did it change?`,
          );
        done += read;
      }
      return bytes;
    });
  } finally {
    closeSync(file);
  }
}
