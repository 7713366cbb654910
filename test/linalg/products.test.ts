import { Matrix as Reference } from 'ml-matrix';
import { describe, expect, test } from 'vitest';
import { gramOfRows, multiply, multiplyEach, multiplyInto, setProductThreads } from '../../src/linalg/products.ts';
import { numbers, random } from './matrices.ts';

const shape = (rows: number, cols: number, seed: number) => ({ rows, cols, data: numbers(rows * cols, random(seed)) });
const reference = (m: { rows: number; cols: number; data: Float64Array }) =>
  Reference.from1DArray(m.rows, m.cols, Array.from(m.data));

describe('multiply', () => {
  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('transposeA %s, transposeB %s', async (transposeA, transposeB) => {
    const a = transposeA ? shape(7, 5, 1) : shape(5, 7, 1);
    const b = transposeB ? shape(3, 7, 2) : shape(7, 3, 2);
    const expected = (transposeA ? reference(a).transpose() : reference(a)).mmul(
      transposeB ? reference(b).transpose() : reference(b),
    );
    const float64 = await multiply(a, b, { transposeA, transposeB });
    expect([float64.rows, float64.cols]).toEqual([5, 3]);
    expect(float64.data).toBeInstanceOf(Float64Array);
    const single = (m: typeof a) => ({ ...m, data: Float32Array.from(m.data) });
    const float32 = await multiply(single(a), single(b), { transposeA, transposeB });
    expect(float32.data).toBeInstanceOf(Float32Array);
    expected.to1DArray().forEach((x, i) => {
      expect(float64.data[i]).toBeCloseTo(x, 13);
      expect(float32.data[i]).toBeCloseTo(x, 5);
    });
  });

  test('views with an offset are read and written in place', async () => {
    const buffer = new ArrayBuffer(1024);
    const a = { rows: 2, cols: 2, data: new Float64Array(buffer, 8, 4) };
    const b = { rows: 2, cols: 1, data: new Float64Array(buffer, 400, 2) };
    const y = { rows: 2, cols: 1, data: new Float64Array(buffer, 808, 2) };
    a.data.set([1, 2, 3, 4]);
    b.data.set([5, 6]);
    await multiplyInto(y, a, b);
    expect([...y.data]).toEqual([17, 39]);
    await multiplyInto(y, a, b, { alpha: -2, accumulate: true });
    expect([...y.data]).toEqual([-17, -39]);
    expect([...new Float64Array(buffer, 0, 6)]).toEqual([0, 1, 2, 3, 4, 0]);
  });

  test('empty sides', async () => {
    const none = { rows: 0, cols: 3, data: new Float64Array() };
    expect((await multiply(none, shape(3, 2, 1))).data).toHaveLength(0);
    const inner = await multiply(
      { rows: 2, cols: 0, data: new Float64Array() },
      { rows: 0, cols: 2, data: new Float64Array() },
    );
    expect([...inner.data]).toEqual([0, 0, 0, 0]);
  });

  test('shapes that do not fit are named', async () => {
    await expect(multiply(shape(2, 3, 1), shape(2, 3, 1))).rejects.toThrow('2×3 float64 (6 numbers) and 2×3 float64');
    await expect(multiply({ ...shape(2, 3, 1), rows: 3 }, shape(3, 2, 1))).rejects.toMatchObject({ code: 'numeric' });
    const mixed = { rows: 3, cols: 1, data: new Float32Array(3) } as unknown as ReturnType<typeof shape>;
    await expect(multiply(shape(2, 3, 1), mixed)).rejects.toMatchObject({ code: 'numeric' });
  });
});

test('a number of threads can be chosen', async () => {
  setProductThreads(2);
  const a = shape(64, 64, 3);
  const two = await multiply(a, a);
  setProductThreads(1);
  const one = await multiply(a, a);
  setProductThreads(0);
  two.data.forEach((x, i) => {
    expect(x).toBeCloseTo(one.data[i] ?? Number.NaN, 12);
  });
});

test('multiplyEach multiplies pair by pair', async () => {
  const [a, b] = [shape(3 * 4, 5, 4), shape(3 * 5, 2, 5)];
  const y = new Float64Array(3 * 4 * 2);
  await multiplyEach(y, a.data, b.data, { count: 3, rows: 4, inner: 5, cols: 2 });
  for (let g = 0; g < 3; g++) {
    const alone = await multiply(
      { rows: 4, cols: 5, data: a.data.subarray(g * 20, g * 20 + 20) },
      { rows: 5, cols: 2, data: b.data.subarray(g * 10, g * 10 + 10) },
    );
    alone.data.forEach((x, i) => {
      expect(y[g * 8 + i]).toBeCloseTo(x, 14);
    });
  }
});

test('gramOfRows is the upper triangle of X Xᵀ', async () => {
  const n = 300; // more than one block of rows
  const x = shape(n, 3, 6);
  const full = await multiply(x, x, { transposeB: true });
  const { rows, cols, data } = await gramOfRows(x);
  expect([rows, cols]).toEqual([n, n]);
  const wrong = data.findIndex(
    (y, p) => p % n >= Math.floor(p / n) && Math.abs(y - (full.data[p] ?? Number.NaN)) > 1e-14,
  );
  expect(wrong).toBe(-1);
});
