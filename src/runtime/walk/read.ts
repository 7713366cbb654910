// Tensors as float32, read and converted in a thread while the main one computes with those before.
import { closeSync, openSync, readSync } from 'node:fs';
import { bytesPerElement, type WeightDtype, widenInto } from '../../checkpoint/dtypes.ts';
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
 * @param spare memory to use again, by size: memory that is new costs more than the reading
 * @throws SurgeryError `checkpoint` naming tensor and file where one cannot be read or ends early
 */
export function readTensors(ranges: readonly TensorRange[], spare: readonly Float32Array[] = []): Float32Array[] {
  const left = [...spare];
  return ranges.map((range) => {
    const length = elementsOf(range);
    const at = left.findIndex((one) => one.length === length);
    const [out = new Float32Array(length)] = at < 0 ? [] : left.splice(at, 1);
    withFile(range, (read) => widenInto(out, range.dtype, (bytes, from) => read(bytes, range.begin + from)));
    return out;
  });
}

/**
 * Single rows of a matrix, one after the other.
 * @param rowBytes of a row in the file
 * @throws SurgeryError as {@link readTensors}
 */
export function readRows(range: TensorRange, rowBytes: number, rows: readonly number[]): Float32Array {
  const width = elementsOf({ ...range, begin: 0, end: rowBytes });
  const out = new Float32Array(rows.length * width);
  withFile(range, (read) => {
    for (const [i, row] of rows.entries())
      widenInto(out.subarray(i * width, (i + 1) * width), range.dtype, (bytes, from) =>
        read(bytes, range.begin + row * rowBytes + from),
      );
  });
  return out;
}

const elementsOf = ({ begin, end, dtype }: TensorRange) => (end - begin) / bytesPerElement(dtype);

type Read = (bytes: Uint8Array, position: number) => void;

/** Reads a tensor's file. @throws SurgeryError as {@link readTensors} */
export function withFile({ name, path }: TensorRange, use: (read: Read) => void): void {
  const file = openSync(path, 'r');
  try {
    use((bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30), position + done);
        if (read === 0)
          throw new SurgeryError(
            'checkpoint',
            `${path} ended at byte ${position + done}, inside tensor ${name}, while it was read: did it change?`,
          );
        done += read;
      }
    });
  } finally {
    closeSync(file);
  }
}
