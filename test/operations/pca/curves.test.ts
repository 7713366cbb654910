import { expect, test } from 'vitest';
import { curveOf } from '../../../src/operations/pca/curves.ts';

const group = { name: 'kv', layer: 3, members: [3, 3, 4].map((layer) => ({ layer, projection: 'k' as const })) };

test.each([1, 2, 7, 128, 2048])('a curve of %i components rises from the first to all of them', (of) => {
  const shares = Array.from({ length: of }, (_, i) => 1 / (i + 1));
  const total = shares.reduce((a, b) => a + b, 0);
  const curve = curveOf(
    group,
    shares.map((share) => share / total),
  );
  expect(curve).toMatchObject({ group: 'kv', layers: [3, 4], of });
  expect(curve.ranks[0]).toBe(1);
  expect(curve.ranks.at(-1)).toBe(of);
  expect(curve.ranks).toEqual([...new Set(curve.ranks)].sort((a, b) => a - b));
  expect(curve.ranks.length).toBeLessThanOrEqual(25);
  for (const [i, rank] of curve.ranks.entries()) {
    const sum = shares.slice(0, rank).reduce((a, b) => a + b, 0) / total;
    expect(Math.abs((curve.explained[i] ?? 0) - sum)).toBeLessThanOrEqual(5.1e-5);
  }
});
