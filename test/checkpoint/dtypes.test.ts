import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromFloat32, roundTo, toFloat32 } from '../../src/checkpoint/dtypes.ts';

const seed = 1;
const allHalves = Uint16Array.from({ length: 65536 }, (_, i) => i);
const bytesOf = (values: Uint16Array) => new Uint8Array(values.buffer);

/** The nearest value among all that the dtype has, ties to the even significand: slow and plain. */
function nearest(value: number, dtype: 'F16' | 'BF16'): number {
  const table = toFloat32(bytesOf(allHalves), dtype);
  let best = 0;
  for (let i = 0; i < table.length; i++) {
    const candidate = table[i] ?? 0;
    if (!Number.isFinite(candidate) || Object.is(candidate, -0)) continue;
    const distance = Math.abs(candidate - value) - Math.abs((table[best] ?? 0) - value);
    if (distance < 0 || (distance === 0 && candidate !== table[best] && (i & 1) === 0)) best = i;
  }
  return table[best] ?? 0;
}

describe.each(['F16', 'BF16'] as const)('%s', (dtype) => {
  test('every bit pattern survives the way there and back', () => {
    const values = toFloat32(bytesOf(allHalves), dtype);
    const exponent = dtype === 'F16' ? 0x7c00 : 0x7f80;
    const back = new Uint16Array(fromFloat32(values, dtype, 'w').buffer);
    for (let i = 0; i < allHalves.length; i++) {
      const notANumber = (i & exponent) === exponent && (i & ~(exponent | 0x8000)) !== 0;
      if (notANumber) expect(values[i]).toBeNaN();
      else expect(back[i], `pattern ${i}`).toBe(i);
    }
  });

  test('rounds to the nearest value, ties to even', () => {
    const limit = dtype === 'F16' ? 65000 : 1e30;
    const value = fc.oneof(
      fc.float({ min: Math.fround(-limit), max: Math.fround(limit), noNaN: true }),
      fc.float({ min: Math.fround(-1e-6), max: Math.fround(1e-6), noNaN: true }), // subnormal halves
    );
    fc.assert(
      fc.property(value, (x) => {
        const [rounded = 0] = toFloat32(fromFloat32(Float32Array.of(x), dtype, 'w'), dtype);
        expect(Math.abs(rounded)).toBe(Math.abs(nearest(x, dtype)));
      }),
      { seed, numRuns: 60 },
    );
  });

  test('ties go to the even neighbour', () => {
    const table = toFloat32(bytesOf(allHalves), dtype);
    for (const i of [0x3c00, 0x3c01, 0x0001, 0x0002, 0x4321]) {
      const middle = ((table[i] ?? 0) + (table[i + 1] ?? 0)) / 2;
      const even = i % 2 === 0 ? table[i] : table[i + 1];
      expect(toFloat32(fromFloat32(Float32Array.of(middle), dtype, 'w'), dtype)[0]).toBe(even);
    }
  });

  test('NaN and infinity stay what they are', () => {
    const [nan, up, down] = toFloat32(fromFloat32(Float32Array.of(Number.NaN, Infinity, -Infinity), dtype, 'w'), dtype);
    expect(nan).toBeNaN();
    expect([up, down]).toEqual([Infinity, -Infinity]);
  });
});

test('a finite value that the dtype cannot hold is refused by name', () => {
  expect(() => fromFloat32(Float32Array.of(70000), 'F16', 'model.w')).toThrow(
    /model\.w holds 70000, too large for F16/,
  );
  expect(() => fromFloat32(Float32Array.of(3.4e38), 'BF16', 'model.w')).toThrow(/too large for BF16/);
});

test.each(['F32', 'F16', 'BF16'] as const)('rounding to %s in place is what writing and reading gives', (dtype) => {
  const values = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i) * 10 ** ((i % 9) - 6));
  const expected = toFloat32(fromFloat32(values, dtype, 'w'), dtype);
  expect(roundTo(dtype, values.slice(), 'w')).toEqual(expected);
  if (dtype !== 'F32')
    expect(() => roundTo(dtype, Float32Array.of(3.4e38), 'model.w')).toThrow(/model\.w holds .* too large/);
});

test('bytes may start anywhere in their buffer', () => {
  const file = new Uint8Array(11);
  file.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 3);
  expect([...toFloat32(file.subarray(3), 'F32')]).toEqual([1.5, -2]);
});
