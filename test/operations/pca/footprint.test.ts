import { expect, test } from 'vitest';
import { footprint } from '../../../src/operations/pca/footprint.ts';
import { group } from '../../support/studies.ts';

test('is over all groups: mean rank, width, parameters, norm, errors', () => {
  const layers = [
    { layer: 0, groups: [group('q', 6, { q: 0.6 }), group('kv', 4, { k: 0.3, v: 0.5 })] },
    { layer: 3, groups: [group('q', 2, { q: 0.8 }), group('kv', 8, { k: 0.1, v: 0.7 })] },
  ];
  const squared = [0.36, 0.09, 0.25, 0.64, 0.01, 0.49];
  expect(footprint(layers)).toEqual({
    rank: 5,
    width: 6,
    parameters: { dense: 4000, reduced: 200 },
    squaredNorm: 6,
    relativeError: expect.closeTo(Math.sqrt(squared.reduce((a, b) => a + b) / 6), 12),
    relativeErrorKv: expect.closeTo(Math.sqrt((0.09 + 0.25 + 0.01 + 0.49) / 4), 12),
  });
});

test('weights count by their norms', () => {
  const one = { ...group('kv', 1, { k: 0.2, v: 0.6 }), squaredNorm: { k: 9, v: 1 } };
  const { relativeError, squaredNorm } = footprint([{ layer: 0, groups: [one] }]);
  expect(relativeError).toBeCloseTo(Math.sqrt((0.04 * 9 + 0.36) / 10), 12);
  expect(squaredNorm).toBe(10);
});

test('the width is that of k and v, apart or together, by head too, and of what there is without them', () => {
  const width = (...groups: ReturnType<typeof group>[]) => footprint([{ layer: 0, groups }]).width;
  expect(width(group('q', 9, { q: 0 }), group('k', 3, { k: 0 }), group('v', 4, { v: 0 }))).toBe(7);
  expect(width(group('q', 9, { q: 0 }), group('kv.0', 2, { k: 0, v: 0 }), group('kv.1', 3, { k: 0, v: 0 }))).toBe(5);
  expect(width(group('qkv', 11, { q: 0, k: 0, v: 0 }), group('up', 5, { up: 0 }))).toBe(11);
  expect(width(group('up', 5, { up: 0 }), group('down', 6, { down: 0 }))).toBe(11);
  expect(footprint([{ layer: 0, groups: [group('up', 5, { up: 0.5 })] }]).relativeErrorKv).toBeNull();
});

test('weights of nothing have no error', () => {
  const nothing = { ...group('k', 0, { k: 0 }), squaredNorm: { k: 0 } };
  expect(footprint([{ layer: 0, groups: [nothing] }])).toMatchObject({ relativeError: 0, relativeErrorKv: null });
});
