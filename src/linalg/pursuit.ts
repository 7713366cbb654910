// Orthogonal matching pursuit: each signal as a sum of a few atoms of a dictionary.
import { type Matrix, multiply } from './products.ts';
import { rowOf, rowRange, squaredLengths } from './rows.ts';

/** Signals in few atoms each. */
export interface SparseCodes {
  /** Atoms of each signal, in the order in which they were taken, (signals, sparsity); −1 where no more were needed. */
  readonly atoms: Int32Array;
  /** Their coefficients, (signals, sparsity). */
  readonly values: Float64Array;
  readonly sparsity: number;
  /** ‖x − x̂‖² of each signal with 0, 1, … sparsity atoms, (signals, sparsity + 1). */
  readonly errors: Float64Array;
}

/** Signals whose products with all atoms are held at once. */
const block = 1024;

/**
 * Greedy: takes the atom that the rest of a signal correlates with most, fits all atoms taken so far by least squares,
 * and goes on until there are `sparsity` (Pati, Rezaiifar and Krishnaprasad 1993), with a growing Cholesky factor and
 * the atoms' Gram matrix in place of the rest itself (Rubinstein, Zibulevsky and Elad 2008).
 * @param signals (signals, size)
 * @param dictionary unit rows, (atoms, size)
 */
export async function matchingPursuit(signals: Matrix, dictionary: Matrix, sparsity: number): Promise<SparseCodes> {
  const gram = await multiply(dictionary, dictionary, { transposeB: true });
  const codes: SparseCodes = {
    atoms: new Int32Array(signals.rows * sparsity).fill(-1),
    values: new Float64Array(signals.rows * sparsity),
    sparsity,
    errors: new Float64Array(signals.rows * (sparsity + 1)),
  };
  const squares = squaredLengths(signals);
  for (let from = 0; from < signals.rows; from += block) {
    const part = rowRange(signals, from, Math.min(from + block, signals.rows));
    const products = await multiply(part, dictionary, { transposeB: true });
    for (let i = 0; i < products.rows; i++)
      pursue(rowOf(products, i), squares[from + i] as number, gram, codes, from + i);
  }
  return codes;
}

/** @param products of the signal with each atom, (atoms) */
function pursue(products: Float64Array, square: number, gram: Matrix, codes: SparseCodes, signal: number): void {
  const { sparsity } = codes;
  const taken: number[] = [];
  const factor = new Float64Array(sparsity * sparsity); // lower Cholesky factor of the taken atoms' Gram matrix
  let values: Float64Array = new Float64Array(0);
  const errors = codes.errors.subarray(signal * (sparsity + 1), (signal + 1) * (sparsity + 1)).fill(square);
  const rest = products.slice(); // of the signal's rest with each atom
  while (taken.length < sparsity) {
    const next = largest(rest);
    // Rounding is all that is left, or the atom lies within those taken.
    if (taken.includes(next) || Math.abs(rest[next] as number) <= 1e-12 * Math.sqrt(square)) break;
    if (!grow(factor, sparsity, taken, gram, next)) break;
    taken.push(next);
    const taking = taken.map((atom) => products[atom] as number);
    values = solve(factor, sparsity, taking);
    rest.set(products);
    let explained = 0;
    for (const [j, atom] of taken.entries()) {
      const value = values[j] as number;
      explained += value * (products[atom] as number);
      const row = atom * gram.cols;
      for (let k = 0; k < rest.length; k++) rest[k] = (rest[k] as number) - value * (gram.data[row + k] as number);
    }
    errors.fill(Math.max(0, square - explained), taken.length);
  }
  codes.atoms.set(taken, signal * sparsity);
  codes.values.set(values, signal * sparsity);
}

function largest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++)
    if (Math.abs(values[i] as number) > Math.abs(values[best] as number)) best = i;
  return best;
}

/** Adds an atom's row to the Cholesky factor; false where it depends on those before. */
function grow(factor: Float64Array, stride: number, taken: readonly number[], gram: Matrix, atom: number): boolean {
  const n = taken.length;
  const entry = (other: number) => gram.data[atom * gram.cols + other] as number;
  let rest = entry(atom);
  for (let i = 0; i < n; i++) {
    let value = entry(taken[i] as number);
    for (let j = 0; j < i; j++) value -= (factor[i * stride + j] as number) * (factor[n * stride + j] as number);
    value /= factor[i * stride + i] as number;
    factor[n * stride + i] = value;
    rest -= value * value;
  }
  factor[n * stride + n] = Math.sqrt(Math.max(rest, 0));
  return rest > 1e-12;
}

/** L Lᵀ v = b. */
function solve(factor: Float64Array, stride: number, b: readonly number[]): Float64Array {
  const v = Float64Array.from(b);
  for (let i = 0; i < v.length; i++) {
    for (let j = 0; j < i; j++) v[i] = (v[i] as number) - (factor[i * stride + j] as number) * (v[j] as number);
    v[i] = (v[i] as number) / (factor[i * stride + i] as number);
  }
  for (let i = v.length - 1; i >= 0; i--) {
    for (let j = i + 1; j < v.length; j++)
      v[i] = (v[i] as number) - (factor[j * stride + i] as number) * (v[j] as number);
    v[i] = (v[i] as number) / (factor[i * stride + i] as number);
  }
  return v;
}
