import fc from 'fast-check';
import { expect, test } from 'vitest';
import { embedName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { hadamard, hadamardBlock } from '../../../src/graph/hadamard.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { quantise, readColumns, takeColumns } from '../../../src/runtime/int8/quantise.ts';
import { fixture } from '../../support/paths.ts';

/** (rows, cols) with each block of columns times a Hadamard matrix. */
function rotated(values: Float32Array, cols: number): Float32Array {
  const block = hadamardBlock(cols);
  const matrix = hadamard(block);
  return values.map((_, i) => {
    const begin = i - (i % block);
    let sum = 0;
    for (let j = 0; j < block; j++) sum += (values[begin + j] ?? 0) * (matrix[j * block + (i % block)] ?? 0);
    return sum;
  });
}

/** A matrix in 8 bits. */
const inInt8 = (values: Float32Array, rows: number, cols: number, unsigned = false) =>
  itemAt(quantise([{ values, rows, cols }], unsigned), 0);

/** Every rotated weight to half a step of its row, columns first. */
function expectClose(values: Float32Array, rows: number, cols: number): void {
  const { integers, scales } = inInt8(values, rows, cols);
  expect([integers.length, scales.length]).toEqual([rows * cols, rows]);
  const expected = rotated(values, cols);
  for (let row = 0; row < rows; row++) {
    const scale = scales[row] ?? 0;
    for (let col = 0; col < cols; col++) {
      const integer = integers[col * rows + row] ?? 0;
      const error = Math.abs(integer * scale - (expected[row * cols + col] ?? 0));
      expect(error).toBeLessThanOrEqual(scale * 0.501 + 1e-30);
      expect(integer).toBeGreaterThan(-128); // the scale is symmetric
    }
  }
}

test('8 bits hold every rotated weight to half a step of its row', () => {
  const matrix = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1, 3, 16, 24, 64, 70, 192))
    .chain(([rows, cols]) =>
      fc.tuple(
        fc.constant(rows),
        fc.constant(cols),
        fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: rows * cols, maxLength: rows * cols }),
      ),
    );
  fc.assert(
    fc.property(matrix, ([rows, cols, list]) => expectClose(Float32Array.from(list), rows, cols)),
    { seed: 10, numRuns: 100 },
  );
});

test('the largest weight of a row is its last step, and a row of zeros stays one', () => {
  const { integers, scales } = inInt8(Float32Array.of(0, 0, 0, 1, -4, 2), 2, 3);
  expect([...integers]).toEqual([0, 32, 0, -127, 0, 64]);
  expect([...scales]).toEqual([0, Math.fround(4 / 127)]);
  expect([...inInt8(Float32Array.of(0, 0, 0, 1, -4, 2), 2, 3, true).integers]).toEqual([128, 160, 128, 1, 128, 192]);
});

test('many rows are the same as few, and a weight that is no number leaves none of its row', () => {
  const [rows, cols] = [700, 416]; // more than are worked on at once, and no whole tiles at the end
  const values = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 11)));
  const { integers, scales } = inInt8(values, rows, cols);
  for (const row of [0, 15, 16, 629, 630, 699]) {
    const alone = inInt8(values.slice(row * cols, (row + 1) * cols), 1, cols);
    expect(scales[row]).toBe(alone.scales[0]);
    expect(Array.from(alone.integers, (_, col) => integers[col * rows + row])).toEqual([...alone.integers]);
  }
  values[5 * cols + 3] = Number.NaN;
  expect([...inInt8(values, rows, cols).scales].findIndex(Number.isNaN)).toBe(5);
});

test('columns of outliers are kept as they are, of some rows in memory and of all in a file', async () => {
  const columns = new Float32Array(4);
  takeColumns(columns, [0, 2], { values: Float32Array.of(700, -4, 3), rows: 2, cols: 3 }, 1);
  expect([...columns]).toEqual([0, 700, 0, 3]);
  const checkpoint = await Checkpoint.open(fixture('mqa-bias-f32'));
  const [rows = 0, cols = 0] = checkpoint.tensor(embedName).shape;
  const range = { name: embedName, ...checkpoint.byteRange(embedName), dtype: checkpoint.weightDtype(embedName) };
  const values = await checkpoint.readFloat32(embedName);
  const expected = [1, 5].flatMap((col) => Array.from({ length: rows }, (_, row) => values[row * cols + col]));
  expect([...readColumns({ ...range, rows, cols }, [1, 5])]).toEqual(expected);
});
