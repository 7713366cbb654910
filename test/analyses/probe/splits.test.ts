import { expect, test } from 'vitest';
import {
  rowsOfPart,
  shuffleLabels,
  splitPositions,
  splitTypes,
  testPart,
  trainPart,
} from '../../../src/analyses/probe/splits.ts';

const labels = Int32Array.from({ length: 2000 }, (_, i) => Math.floor(Math.sqrt(i * 7919) % 90));
const sizes = (parts: Uint8Array) => [0, 1, 2].map((part) => rowsOfPart(parts, part).length);

test('positions are dealt seven to one to two, by the seed', () => {
  expect(sizes(splitPositions(1000, 0))).toEqual([700, 100, 200]);
  expect(splitPositions(100, 3)).toEqual(splitPositions(100, 3));
  expect(splitPositions(100, 3)).not.toEqual(splitPositions(100, 4));
});

test('no type is in two parts, and each part has frequent and rare ones', () => {
  const parts = splitTypes(labels, 0);
  const partsOf = new Map<number, Set<number>>();
  for (const [row, label] of labels.entries())
    partsOf.set(label, (partsOf.get(label) ?? new Set()).add(parts[row] ?? -1));
  expect([...partsOf.values()].every(({ size }) => size === 1)).toBe(true);
  const types = [0, 1, 2].map((part) => [...partsOf.values()].filter((own) => own.has(part)).length);
  expect(types).toEqual([63, 9, 18]);
  for (const size of sizes(parts)) expect(size).toBeGreaterThan(50);
});

test('labels change places among what is learnt from, and those that judge stay', () => {
  const parts = splitPositions(labels.length, 0);
  const other = shuffleLabels(labels, parts, 0);
  const of = (all: Int32Array, part: number) => rowsOfPart(parts, part).map((row) => all[row]);
  expect(of(other, testPart)).toEqual(of(labels, testPart));
  expect(of(other, trainPart)).not.toEqual(of(labels, trainPart));
  expect(of(other, trainPart).sort()).toEqual(of(labels, trainPart).sort());
});
