import { describe, expect, test } from 'vitest';
import { type GroupEnergies, rankOf, spreadRanks } from '../../../src/operations/fit/ranks.ts';
import { complete, type FitSpec } from '../../../src/operations/fit/spec.ts';
import { SurgeryError } from '../../../src/platform/errors.ts';
import { configWith } from '../../support/models.ts';

const config = configWith({ num_hidden_layers: 4 });
const completed = (spec: Omit<FitSpec, 'kind'>) => complete({ kind: 'fit', ...spec }, config);
const group = (
  name: string,
  layer: number,
  values: readonly number[],
  shape: [number, number] = [8, 8],
): GroupEnergies => ({
  group: { name, layer, members: [] },
  eigenvalues: Float64Array.from(values),
  shape,
});
const falling = (size: number, base: number) => Array.from({ length: size }, (_, i) => base ** -i);

test('a ratio removes that share of the parameters, as papers count it', () => {
  const full = new Float64Array(576).fill(1);
  const ranks = (m: number, n: number) =>
    [0.2, 0.4, 0.1].map((ratio) => rankOf({ eigenvalues: full, shape: [m, n] }, { ratio }));
  expect(ranks(576, 576)).toEqual([230, 172, 259]);
  expect(ranks(192, 576)).toEqual([115, 86, 129]);
  expect(ranks(1536, 576)).toEqual([335, 251, 377]);
});

test('an energy is reached, a rank is at most all', () => {
  const one = { eigenvalues: Float64Array.of(6, 3, 1), shape: [3, 5] as const };
  expect([0.6, 0.61, 0.89, 1].map((energy) => rankOf(one, { energy }))).toEqual([1, 2, 2, 3]);
  expect(rankOf(one, { rank: 9 })).toBe(3);
});

describe('ranks spread over groups', () => {
  const groups = [
    group('q', 0, falling(32, 1.6), [32, 32]),
    group('q', 1, falling(32, 1.02), [32, 32]),
    group('k', 0, falling(16, 1.1), [16, 32]),
  ];

  test('globally take no more parameters, and lose less of the relative energies', () => {
    const [uniform, global] = [
      spreadRanks(completed({ rank: 8 }), groups),
      spreadRanks(completed({ rank: 8, allocate: 'global' }), groups),
    ];
    const parameters = (ranks: readonly number[]) =>
      groups.reduce((sum, { shape: [m, n] }, i) => sum + (ranks[i] ?? Number.NaN) * (m + n), 0);
    const lost = (ranks: readonly number[]) =>
      groups.reduce((sum, { eigenvalues }, i) => {
        const all = eigenvalues.reduce((a, b) => a + b, 0);
        return sum + eigenvalues.subarray(ranks[i]).reduce((a, b) => a + b, 0) / all;
      }, 0);
    expect(uniform).toEqual([8, 8, 8]);
    expect(parameters(global)).toBeLessThanOrEqual(parameters(uniform));
    expect(lost(global)).toBeLessThan(lost(uniform));
  });

  test('by v2 remove more where the loss is less, the same on average', () => {
    const large = [
      group(
        'q',
        0,
        falling(64, 1.2).map((x) => 1e8 * x),
        [64, 64],
      ),
      group(
        'q',
        1,
        falling(64, 1.2).map((x) => 1e4 * x),
        [64, 64],
      ),
    ];
    const ranks = spreadRanks(completed({ ratio: 0.5, allocate: 'v2' }), large);
    const uniform = rankOf(large[0] as GroupEnergies, { ratio: 0.5 });
    const losses = large.map(({ eigenvalues }) => Math.sqrt(eigenvalues.subarray(uniform).reduce((a, b) => a + b, 0)));
    const weights = losses.map((loss) => 1 / Math.log(loss));
    const mean = (weights[0] as number) / 2 + (weights[1] as number) / 2;
    expect(ranks).toEqual(weights.map((weight) => Math.floor(32 * (1 - (0.5 * weight) / mean))));
    expect(ranks[0]).toBeGreaterThan(ranks[1] as number);
  });

  test('by v2 are refused where a loss has no positive logarithm', () => {
    expect(() => spreadRanks(completed({ ratio: 0.5, allocate: 'v2' }), groups)).toThrow(SurgeryError);
    expect(() => spreadRanks(completed({ ratio: 0.5, allocate: 'v2' }), groups)).toThrow(/^allocate v2 takes 1 \/ log/);
  });
});

test.each<[Omit<FitSpec, 'kind'>, string]>([
  [{ ratio: 0.2, rank: 3 }, 'ratio 0.2 and rank 3: give one of them'],
  [{ ratio: 1 }, 'ratio is 1, allowed'],
  [{ energy: 0 }, 'energy is 0, allowed'],
  [{ rank: 1.5 }, 'rank is 1.5, allowed'],
  [{ mode: 'cross-layer-kv' }, 'a fit shares a basis of outputs'],
  [{ objective: 'weights', sequential: true }, 'sequential has no effect'],
  [{ objective: 'weights', control: 'permuted' }, 'control permuted is of fits to a text'],
  [{ sequential: true, allocate: 'global' }, 'allocate global looks at all layers'],
  [{ rank: 3, allocate: 'v2' }, 'allocate v2 spreads a share'],
])('%j is refused in a line', (spec, message) => {
  expect(() => completed(spec)).toThrow(message);
  expect(() => completed(spec)).toThrow(SurgeryError);
});
