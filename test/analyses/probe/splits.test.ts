import { expect, test } from 'vitest';
import {
  rowsOfSubset,
  shuffleLabels,
  splitPositions,
  splitTypes,
  testSubset,
  trainSubset,
} from '../../../src/analyses/probe/splits.ts';

const labels = Int32Array.from({ length: 2000 }, (_, i) => Math.floor(Math.sqrt(i * 7919) % 90));
const sizes = (subsets: Uint8Array) => [0, 1, 2].map((subset) => rowsOfSubset(subsets, subset).length);

test('positions are dealt seven to one to two, by the seed', () => {
  expect(sizes(splitPositions(1000, 0))).toEqual([700, 100, 200]);
  expect(splitPositions(100, 3)).toEqual(splitPositions(100, 3));
  expect(splitPositions(100, 3)).not.toEqual(splitPositions(100, 4));
});

test('no type is in two subsets, and each subset has frequent and rare ones', () => {
  const subsets = splitTypes(labels, 0);
  const partsOf = new Map<number, Set<number>>();
  for (const [row, label] of labels.entries())
    partsOf.set(label, (partsOf.get(label) ?? new Set()).add(subsets[row] ?? -1));
  expect([...partsOf.values()].every(({ size }) => size === 1)).toBe(true);
  const types = [0, 1, 2].map((subset) => [...partsOf.values()].filter((own) => own.has(subset)).length);
  expect(types).toEqual([63, 9, 18]);
  for (const size of sizes(subsets)) expect(size).toBeGreaterThan(50);
});

test('labels change places among the training and the validation rows; those of test rows stay', () => {
  const subsets = splitPositions(labels.length, 0);
  const other = shuffleLabels(labels, subsets, 0);
  const of = (all: Int32Array, subset: number) => rowsOfSubset(subsets, subset).map((row) => all[row]);
  expect(of(other, testSubset)).toEqual(of(labels, testSubset));
  expect(of(other, trainSubset)).not.toEqual(of(labels, trainSubset));
  expect(of(other, trainSubset).sort()).toEqual(of(labels, trainSubset).sort());
});
