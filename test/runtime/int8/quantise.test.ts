import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hadamard, hadamardBlock } from '../../../src/graph/hadamard.ts';
import { quantise } from '../../../src/runtime/int8/quantise.ts';

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

/** Every rotated weight to half a step of its row, columns first. */
function expectClose(values: Float32Array, rows: number, cols: number): void {
  const { integers, scales } = quantise(values, rows, cols, []);
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
  const { integers, scales } = quantise(Float32Array.of(0, 0, 0, 1, -4, 2), 2, 3, []);
  expect([...integers]).toEqual([0, 32, 0, -127, 0, 64]);
  expect([...scales]).toEqual([0, Math.fround(4 / 127)]);
});

test('columns of outliers are kept as they are, and are zero for the rest of the row', () => {
  const { integers, scales, columns } = quantise(Float32Array.of(900, 2, 1, 700, -4, 3), 2, 3, [0, 2]);
  expect([...columns]).toEqual([900, 700, 1, 3]);
  expect([...integers]).toEqual([0, 0, 127, -127, 0, 0]);
  expect([...scales]).toEqual([Math.fround(2 / 127), Math.fround(4 / 127)]);
});
