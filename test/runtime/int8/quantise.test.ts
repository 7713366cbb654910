import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantise } from '../../../src/runtime/int8/quantise.ts';

/** Every weight to half a step of its row, columns first. */
function expectClose(values: Float32Array, rows: number, cols: number): void {
  const { integers, scales } = quantise(values, rows, cols);
  expect([integers.length, scales.length]).toEqual([rows * cols, rows]);
  for (let row = 0; row < rows; row++) {
    const scale = scales[row] ?? 0;
    for (let col = 0; col < cols; col++) {
      const integer = integers[col * rows + row] ?? 0;
      expect(Math.abs(integer * scale - (values[row * cols + col] ?? 0))).toBeLessThanOrEqual(scale * 0.5001 + 1e-30);
      expect(integer).toBeGreaterThan(-128); // the scale is symmetric
    }
  }
}

test('8 bits hold every weight to half a step of its row', () => {
  const matrix = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 70 }))
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
  const { integers, scales } = quantise(Float32Array.of(0, 0, 0, 1, -4, 2), 2, 3);
  expect([...integers]).toEqual([0, 32, 0, -127, 0, 64]);
  expect([...scales]).toEqual([0, Math.fround(4 / 127)]);
});
