import { expect, test } from 'vitest';
import { normalised } from '../../src/analyses/residual-rows.ts';

test('rows are divided by the root of their mean square and ε, each by its own', () => {
  const rows = [3, 4, 0.003, 0.004, -3000, 4000];
  const found = normalised(Float32Array.from(rows), 2, 1e-6);
  const wanted = [0, 2, 4].flatMap((at) => {
    const [a = 0, b = 0] = rows.slice(at, at + 2);
    return [a, b].map((value) => value / Math.sqrt((a * a + b * b) / 2 + 1e-6));
  });
  for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 6);
  expect([...normalised(new Float32Array(2), 2, 1e-6)]).toEqual([0, 0]);
});
