import { expect, test } from 'vitest';
import { matchingPursuit } from '../../src/linalg/pursuit.ts';
import { golden, largestDifference } from '../support/goldens.ts';
import { fixture } from '../support/paths.ts';

interface Golden {
  readonly pursuit: {
    readonly size: number;
    readonly atoms: number[];
    readonly signals: number[];
    readonly codes: readonly { readonly atoms: number[]; readonly values: number[]; readonly errors: number[] }[];
  };
}

test('atoms, coefficients and errors are those of the reference, which fits by least squares at each step', async () => {
  const { size, atoms, signals, codes } = golden<Golden>(fixture(''), 'probes.json').pursuit;
  const matrix = (data: number[]) => ({ rows: data.length / size, cols: size, data: Float64Array.from(data) });
  const found = await matchingPursuit(matrix(signals), matrix(atoms), 4);
  expect(codes).toHaveLength(5);
  for (const [i, code] of codes.entries()) {
    expect([...found.atoms.subarray(4 * i, 4 * i + 4)]).toEqual(code.atoms);
    expect(largestDifference(found.values.subarray(4 * i, 4 * i + 4), code.values)).toBeLessThan(1e-10);
    expect(largestDifference(found.errors.subarray(5 * i, 5 * i + 5), code.errors)).toBeLessThan(1e-10);
  }
});

test('a signal that is an atom needs no second one', async () => {
  const atoms = { rows: 2, cols: 2, data: Float64Array.of(1, 0, 0.6, 0.8) };
  const {
    atoms: taken,
    values,
    errors,
  } = await matchingPursuit({ rows: 1, cols: 2, data: Float64Array.of(1.2, 1.6) }, atoms, 2);
  expect([...taken]).toEqual([1, -1]);
  expect(values[0]).toBeCloseTo(2, 12);
  expect(errors[2]).toBeLessThan(1e-12);
});

test('a signal of zeros takes nothing', async () => {
  const atoms = { rows: 1, cols: 2, data: Float64Array.of(1, 0) };
  const { atoms: taken, errors } = await matchingPursuit({ rows: 1, cols: 2, data: new Float64Array(2) }, atoms, 1);
  expect([...taken, ...errors]).toEqual([-1, 0, 0]);
});
