import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockSizeFor } from '../../src/graph/llama.ts';
import { quantise } from '../../src/runtime/quantise.ts';

/** Every weight to half a step of its block. */
function expectClose(values: Float32Array, rows: number, cols: number, blockSize: number): void {
  const perRow = Math.ceil(cols / blockSize);
  const { bytes, scales } = quantise(values, rows, cols);
  expect([bytes.length, scales.length]).toEqual([rows * perRow * blockSize, rows * perRow]);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < perRow * blockSize; col++) {
      const block = row * perRow + Math.floor(col / blockSize);
      const byte = bytes[row * perRow * blockSize + col] ?? 0;
      const scale = scales[block] ?? 0;
      const value = col < cols ? (values[row * cols + col] ?? 0) : 0;
      expect(Math.abs((byte - 128) * scale - value)).toBeLessThanOrEqual(scale * 0.5001 + 1e-30);
      expect(byte).toBeGreaterThan(0); // −128 is never used: the scale is symmetric
    }
  }
}

test('8-bit blocks hold every weight to half a step of its block', () => {
  const matrix = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }))
    .chain(([rows, cols]) =>
      fc.tuple(
        fc.constant(rows),
        fc.constant(cols),
        fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: rows * cols, maxLength: rows * cols }),
      ),
    );
  fc.assert(
    fc.property(matrix, ([rows, cols, list]) => expectClose(Float32Array.from(list), rows, cols, 32)),
    { seed: 10, numRuns: 100 },
  );
});

test('wide matrices have larger blocks, the last one of a row padded', () => {
  const [rows, cols] = [2, 1100];
  expect(blockSizeFor(cols)).toBe(128);
  const values = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i) * (1 + (i % 300)));
  expectClose(values, rows, cols, 128);
});
