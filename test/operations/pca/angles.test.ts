import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { gaussian, seededRandom } from '../../../src/linalg/random.ts';
import { principalAngles, randomAngles } from '../../../src/operations/pca/angles.ts';
import { Decompositions } from '../../../src/operations/pca/decompositions.ts';
import type { Member } from '../../../src/operations/pca/group-pca.ts';
import { golden } from '../../support/goldens.ts';
import { fixture, pocket } from '../../support/paths.ts';

interface Golden {
  readonly principal_angles: readonly {
    readonly layer: number;
    readonly rank_k: number;
    readonly rank_v: number;
    readonly cosines: readonly number[];
  }[];
}

/** A projection of these values. */
const member = (projection: 'k' | 'v', rows: number, cols: number, values: ArrayLike<number>): Member => ({
  projection,
  name: projection,
  row: 0,
  shape: [rows, cols],
  values: Float32Array.from(values),
  writeAs: 'F32',
});
const normal = (rows: number, cols: number, seed: number) => gaussian(rows * cols, seededRandom(seed));

test.each(['pocket', 'mha-tied-f16', 'mqa-bias-f32', 'gqa-headdim-llama3-bf16-sharded'])(
  'cosines are those of the reference: %s',
  async (name) => {
    const decompositions = new Decompositions(await Checkpoint.open(name === 'pocket' ? pocket : fixture(name)));
    const { principal_angles } = golden<Golden>(fixture('operations'), `${name}.json`);
    expect(principal_angles.length).toBeGreaterThan(0);
    for (const { layer, rank_k, rank_v, cosines } of principal_angles) {
      const [angles] = await decompositions.angles(layer, [{ ranks: [rank_k, rank_v] }]);
      expect(angles?.dimensions).toEqual([rank_k, rank_v]);
      expect(angles?.cosines).toHaveLength(cosines.length);
      for (const [i, cosine] of cosines.entries())
        expect(Math.abs((angles?.cosines[i] ?? Number.NaN) - cosine), `layer ${layer}, ${i}`).toBeLessThan(1e-6);
    }
  },
);

describe.each([
  ['lying', 6, 10],
  ['standing', 14, 10],
])('matrices %s', (_, rows, cols) => {
  const k = member('k', rows, cols, normal(rows, cols, 1));

  test('the same subspace is at no angle, whatever is added to each row', async () => {
    const v = { ...k, projection: 'v' as const, values: k.values.map((value, i) => 2 * value + (i % cols)) };
    for (const { cosines } of await principalAngles([k, v], [{ ranks: [1, 1] }, { ranks: [4, 4] }, { variance: 0.8 }]))
      for (const cosine of cosines) expect(cosine).toBeCloseTo(1, 6);
  });

  test('subspaces of different coordinates are at right angles', async () => {
    const half = (own: 0 | 1) => normal(rows, cols, 2 + own).map((value, i) => (i % 2 === own ? value : 0));
    const [angles] = await principalAngles(
      [member('k', rows, cols, half(0)), member('v', rows, cols, half(1))],
      [{ ranks: [3, 4] }],
    );
    expect(angles?.dimensions).toEqual([3, 4]);
    expect(angles?.cosines).toHaveLength(3);
    for (const cosine of angles?.cosines ?? []) expect(Math.abs(cosine)).toBeLessThan(1e-6);
  });

  test('a small subspace within a large one is at no angle to it', async () => {
    const [angles] = await principalAngles([k, { ...k, projection: 'v' }], [{ ranks: [2, 5] }]);
    expect(angles?.dimensions).toEqual([2, 5]);
    expect(angles?.cosines).toEqual([expect.closeTo(1, 6), expect.closeTo(1, 6)]);
  });
});

test('no subspace is larger than the weight has directions, and of none there are no angles', async () => {
  const k = member('k', 3, 8, normal(3, 8, 4)); // centred, 2 directions are left
  const v = member('v', 3, 8, new Float32Array(24).fill(0.5));
  expect(await principalAngles([k, k], [{ ranks: [9, 9] }])).toMatchObject([{ dimensions: [2, 2] }]);
  expect(await principalAngles([k, v], [{ ranks: [2, 2] }, { variance: 0.9 }])).toMatchObject([
    { dimensions: [2, 0], cosines: [] },
    { dimensions: [2, 0], cosines: [] },
  ]);
});

test('random subspaces of r and s dimensions share max(r, s) / n of each other', async () => {
  for (const [r, s, size] of [
    [2, 5, 16],
    [6, 3, 12],
    [4, 4, 4],
  ] as const) {
    const all = await randomAngles([r, s], size, 40, 0);
    expect(all).toHaveLength(40);
    for (const cosines of all) {
      expect(cosines).toHaveLength(Math.min(r, s));
      expect(cosines).toEqual(cosines.toSorted((a, b) => b - a));
    }
    const squares = all.flat().map((cosine) => cosine ** 2);
    const mean = squares.reduce((sum, value) => sum + value, 0) / squares.length;
    expect(Math.abs(mean - Math.max(r, s) / size)).toBeLessThan(0.06);
  }
  expect(await randomAngles([2, 3], 9, 2, 5)).toEqual(await randomAngles([2, 3], 9, 2, 5));
  expect(await randomAngles([2, 3], 9, 2, 5)).not.toEqual(await randomAngles([2, 3], 9, 2, 6));
});
