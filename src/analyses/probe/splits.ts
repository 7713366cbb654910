// Seeded train / validation / test splits of a probe's rows.

import { seededRandom } from '../../linalg/random.ts';
import { entryOf } from '../../platform/indexing.ts';

/** What a row is for. */
export const trainSubset = 0;
export const validationSubset = 1;
export const testSubset = 2;

/** Of every ten: seven to train, one to validate, two to test. */
const tenth = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2];

/** The rules in words, printed with the results. */
export const splitRules = {
  positions: 'positions split at random, 7 : 1 : 2 into training, validation (for the penalty) and test sets',
  types:
    'for unseen tokens the same is done with token types, in tens of equal frequency, so that no type is in two sets',
} as const;

/** The subset of each of `rows` positions, at random, seven : one : two. */
export function splitPositions(rows: number, seed: number): Uint8Array {
  const order = shuffled(rows, seededRandom(seed));
  const subsets = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) subsets[order[i] as number] = tenth[i % 10] as number;
  return subsets;
}

/**
 * The subset of each row by its label: all rows of one label are in the same subset, so that no test row has a label that
 * was trained on. Types are put in order of their frequency and every ten neighbours are dealt out at random, so that frequent and rare
 * ones are in all subsets.
 * @param labels token id of each row
 */
export function splitTypes(labels: Int32Array, seed: number): Uint8Array {
  const counts = countLabels(labels);
  const random = seededRandom(seed + 1);
  const types = byFrequency(counts);
  const subsetOf = new Map<number, number>();
  for (let at = 0; at < types.length; at += 10) {
    const order = shuffled(10, random);
    for (const [i, type] of types.slice(at, at + 10).entries()) subsetOf.set(type, tenth[order[i] as number] as number);
  }
  return Uint8Array.from(labels, (label) => entryOf(subsetOf, label));
}

/** Labels exchanged at random among the training and the validation rows; those of the test rows stay. */
export function shuffleLabels(labels: Int32Array, subsets: Uint8Array, seed: number): Int32Array {
  const out = labels.slice();
  const random = seededRandom(seed + 2);
  for (const subset of [trainSubset, validationSubset]) {
    const rows = rowsOfSubset(subsets, subset);
    const order = shuffled(rows.length, random);
    for (const [i, row] of rows.entries()) out[row] = labels[rows[order[i] as number] as number] as number;
  }
  return out;
}

export function rowsOfSubset(subsets: Uint8Array, subset: number): number[] {
  const out: number[] = [];
  for (let row = 0; row < subsets.length; row++) if (subsets[row] === subset) out.push(row);
  return out;
}

/** Labels by how often they occur, the most frequent first; among equals the smaller first. */
export function byFrequency(counts: ReadonlyMap<number, number>): number[] {
  return [...counts].sort(([a, x], [b, y]) => y - x || a - b).map(([label]) => label);
}

/** How often each label occurs. */
export function countLabels(labels: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

/** 0 … count − 1 in a random order (Fisher and Yates). */
export function shuffled(count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
