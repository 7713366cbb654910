// Overcomplete dictionaries: more atoms than dimensions, few of them in each signal.
import { itemAt } from '../platform/indexing.ts';
import { symmetricEigen } from './eigen/eigen.ts';
import { type Matrix, multiply } from './products.ts';
import { matchingPursuit, type SparseCodes } from './pursuit.ts';
import { seededRandom } from './random.ts';
import { pickRows, squaredLengths, unitRows } from './rows.ts';

export interface Dictionary {
  /** Unit rows, (atoms, size), the most used first. */
  readonly atoms: Matrix;
  /** The coefficients of the signals in these atoms. */
  readonly codes: SparseCodes;
}

export interface DictionaryOptions {
  readonly atoms: number;
  /** Atoms in each signal. */
  readonly sparsity: number;
  readonly seed: number;
  /** Default 30. */
  readonly iterations?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Two atoms whose |cosine| exceeds this count as the same: one of them is replaced. */
const sameAtom = 0.99;

/**
 * A dictionary in which every signal is a sum of few atoms: orthogonal matching pursuit for the codes and the method of
 * optimal directions for the atoms (Engan, Aase and Husøy 1999), D = (AᵀA)⁻¹ Aᵀ X, in turns. It begins at signals drawn
 * at random; atoms that nothing uses, or that have become the same as another, begin anew at the signals that are
 * represented worst. It ends in a local minimum.
 * @param signals (signals, size)
 */
export async function learnDictionary(signals: Matrix, options: DictionaryOptions): Promise<Dictionary> {
  const { atoms: count, sparsity, seed, iterations = 30, onProgress } = options;
  let atoms = unitRows(pickRows(signals, drawn(signals, count, seed)));
  for (let i = 0; i < iterations; i++) {
    const codes = await matchingPursuit(signals, atoms, sparsity);
    atoms = await renewed(unitRows(await optimalDirections(signals, codes, count)), signals, codes);
    onProgress?.(i + 1, iterations);
  }
  atoms = pickRows(atoms, byUse(await matchingPursuit(signals, atoms, sparsity), count));
  return { atoms, codes: await matchingPursuit(signals, atoms, sparsity) };
}

/** Up to `count` distinct non-zero signals. */
function drawn(signals: Matrix, count: number, seed: number): number[] {
  const random = seededRandom(seed);
  const lengths = squaredLengths(signals);
  const keys = Array.from(lengths, (length, i) => ({ i, key: length > 0 ? random() : 2 }));
  const order = keys.sort((a, b) => a.key - b.key).map(({ i }) => i);
  return Array.from({ length: count }, (_, k) => itemAt(order, k % order.length));
}

/** The atoms that serve these codes best, (atoms, size); zeros where an atom is not used. */
async function optimalDirections(signals: Matrix, codes: SparseCodes, count: number): Promise<Matrix> {
  const { sparsity } = codes;
  const uses = new Float64Array(count * count);
  const sums = new Float64Array(count * signals.cols);
  for (let i = 0; i < signals.rows; i++) {
    for (let a = i * sparsity; a < (i + 1) * sparsity; a++) {
      const atom = codes.atoms[a] as number;
      if (atom < 0) break;
      const value = codes.values[a] as number;
      for (let b = i * sparsity; b < (i + 1) * sparsity; b++) {
        const other = codes.atoms[b] as number;
        if (other < 0) break;
        const at = atom * count + other;
        uses[at] = (uses[at] as number) + value * (codes.values[b] as number);
      }
      for (let j = 0; j < signals.cols; j++) {
        const at = atom * signals.cols + j;
        sums[at] = (sums[at] as number) + value * (signals.data[i * signals.cols + j] as number);
      }
    }
  }
  return multiply(await pseudoInverse(uses, count), { rows: count, cols: signals.cols, data: sums });
}

/** The pseudo-inverse of a symmetric matrix (size, size), positive up to rounding, which is overwritten. */
async function pseudoInverse(data: Float64Array, size: number): Promise<Matrix> {
  const { values, vectors } = await symmetricEigen(data, size);
  const least = 1e-10 * (values[0] as number);
  const scaled = vectors.map((value, i) => {
    const eigenvalue = values[Math.floor(i / size)] as number;
    return eigenvalue > least ? value / eigenvalue : 0;
  });
  const square = (of: Float64Array) => ({ rows: size, cols: size, data: of });
  return multiply(square(vectors), square(scaled), { transposeA: true });
}

/** Puts the worst represented signals in the place of atoms that are zero or double. */
async function renewed(atoms: Matrix, signals: Matrix, codes: SparseCodes): Promise<Matrix> {
  const alike = await multiply(atoms, atoms, { transposeB: true });
  const idle: number[] = [];
  for (let k = 0; k < atoms.rows; k++) {
    const row = alike.data.subarray(k * atoms.rows, (k + 1) * atoms.rows);
    if ((row[k] as number) === 0 || row.subarray(0, k).some((cosine) => Math.abs(cosine) > sameAtom)) idle.push(k);
  }
  if (idle.length === 0) return atoms;
  const { sparsity, errors } = codes;
  const left = Array.from({ length: signals.rows }, (_, i) => errors[(i + 1) * (sparsity + 1) - 1] as number);
  const worst = [...left.keys()].sort((a, b) => itemAt(left, b) - itemAt(left, a)).slice(0, idle.length);
  const fresh = unitRows(pickRows(signals, worst));
  const data = atoms.data.slice();
  for (const [i, atom] of idle.slice(0, worst.length).entries())
    data.set(fresh.data.subarray(i * atoms.cols, (i + 1) * atoms.cols), atom * atoms.cols);
  return { ...atoms, data };
}

/** Numbers of the atoms, those with the largest Σ coefficient² first. */
function byUse({ atoms, values }: SparseCodes, count: number): number[] {
  const energy = new Float64Array(count);
  for (const [i, atom] of atoms.entries())
    if (atom >= 0) energy[atom] = (energy[atom] as number) + (values[i] as number) * (values[i] as number);
  return [...energy.keys()].sort((a, b) => (energy[b] as number) - (energy[a] as number));
}

/** Σ ‖x − x̂‖² / Σ ‖x‖² with 1, 2, … atoms in each signal. */
export function errorsBySparsity({ errors, sparsity }: SparseCodes): number[] {
  const sums = new Float64Array(sparsity + 1);
  for (let i = 0; i < errors.length; i++) {
    const atoms = i % (sparsity + 1);
    sums[atoms] = (sums[atoms] as number) + (errors[i] as number);
  }
  return Array.from(sums.subarray(1), (sum) => sum / (sums[0] || 1));
}
