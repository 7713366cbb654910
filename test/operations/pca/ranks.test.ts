import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainedRatios, fitPca, rankForVariance, solveByGram } from '../../../src/linalg/pca.ts';
import type { GroupSpectrum } from '../../../src/operations/pca/group-pca.ts';
import {
  type GroupSpectra,
  globalRanks,
  type Matched,
  matchedRanks,
  uniformRanks,
} from '../../../src/operations/pca/ranks.ts';

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const spectrum = (eigenvalues: readonly number[], meanSquares = 0): GroupSpectrum => ({
  eigenvalues: Float64Array.from(eigenvalues),
  explainedVarianceRatio: explainedRatios(Float64Array.from(eigenvalues)),
  meanSquares,
});
/** Groups of these names with these spectra, a layer each. */
const known = (...groups: (readonly [name: string, eigenvalues: readonly number[]])[]): GroupSpectra[] =>
  groups.map(([name, eigenvalues], layer) => ({
    group: { name, layer, members: [] },
    spectrum: spectrum(eigenvalues),
  }));
/** Squared error of dropping all but the first of each. */
const lost = (spectra: readonly GroupSpectrum[], ranks: readonly number[]) =>
  sum(spectra.map(({ eigenvalues }, i) => sum(eigenvalues.subarray(ranks[i]))));

const eigenvalues = fc
  .array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 8 })
  .map((values) => values.sort((a, b) => b - a));
const settings = { seed: 31, numRuns: 300 };

describe('uniform ranks', () => {
  test('reach the threshold in every group by itself', () => {
    const variance = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(eigenvalues, { minLength: 1, maxLength: 4 }), variance, (lists, threshold) => {
        const groups = known(...lists.map((list) => ['q', list] as const));
        const expected = lists.map((list) => rankForVariance(explainedRatios(Float64Array.from(list)), threshold));
        expect(uniformRanks(groups, { variance: threshold })).toEqual(expected);
      }),
      settings,
    );
  });

  test('or are a number of components, as far as there are so many', () => {
    const groups = known(['q', [3, 2, 1]], ['kv', [5, 0]]);
    expect(uniformRanks(groups, { rank: 3 })).toEqual([3, 2]);
    expect(uniformRanks(groups, { rank: 0 })).toEqual([0, 0]);
  });
});

describe('global ranks', () => {
  const grids = fc
    .array(fc.tuple(fc.constantFrom('q', 'kv.0', 'kv.1'), eigenvalues), { minLength: 1, maxLength: 6 })
    .chain((groups) => fc.tuple(fc.constant(groups), fc.double({ min: 0.01, max: 1, noNaN: true })));
  const classOf = (name: string) => name.slice(0, 2);

  test('spend as much in each class, and never lose more of the shares', () => {
    fc.assert(
      fc.property(grids, ([list, variance]) => {
        const groups = known(...list);
        const uniform = uniformRanks(groups, { variance });
        const ranks = globalRanks(groups, uniform);
        const shares = groups.map((group) => spectrum([...explainedRatios(group.spectrum.eigenvalues)]));
        for (const name of ['q', 'kv']) {
          const own = (all: readonly number[]) => all.filter((_, i) => classOf(list[i]?.[0] ?? '') === name);
          expect(sum(own(ranks))).toBe(sum(own(uniform)));
          // The largest shares of the class: nothing else loses as little.
          const left = shares
            .flatMap(({ eigenvalues: all }, i) => (classOf(list[i]?.[0] ?? '') === name ? [...all] : []))
            .sort((a, b) => b - a)
            .slice(sum(own(uniform)));
          const spectra = shares.filter((_, i) => classOf(list[i]?.[0] ?? '') === name);
          expect(lost(spectra, own(ranks))).toBeCloseTo(sum(left), 12);
        }
        expect(lost(shares, ranks)).toBeLessThanOrEqual(lost(shares, uniform) + 1e-12);
        for (const [i, rank] of ranks.entries()) expect(rank).toBeLessThanOrEqual(list[i]?.[1].length ?? 0);
      }),
      settings,
    );
  });

  test('heads of one kind are one class, another name is another', () => {
    const groups = known(['k.0', [8, 1, 1]], ['k.1', [4, 4, 2]], ['v.0', [9, 1]]);
    expect(globalRanks(groups, [1, 2, 1])).toEqual([1, 2, 1]);
    expect(globalRanks(groups, [2, 0, 0])).toEqual([1, 1, 0]);
  });

  test('ties go to the earlier group', () => {
    expect(globalRanks(known(['q', [2, 2]], ['q', [2, 2]], ['q', [2, 2]]), [1, 1, 1])).toEqual([2, 1, 0]);
  });

  test('a group without variance gets none', () => {
    expect(globalRanks(known(['q', [0, 0]], ['q', [3, 1]]), [0, 2])).toEqual([0, 2]);
  });
});

describe('ranks of a partner', () => {
  const matched = fc
    .record({
      lists: fc.array(eigenvalues, { minLength: 2, maxLength: 3 }),
      rows: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
      cols: fc.integer({ min: 1, max: 12 }),
      rank: fc.integer({ min: 0, max: 12 }),
      squaredError: fc.integer({ min: 0, max: 5000 }),
    })
    .map(({ lists, rows, cols, rank, squaredError }) => ({
      members: lists.map((list) => spectrum(list)),
      of: { rank, squaredError, shapes: lists.map((_, i) => [rows[i] ?? 1, cols] as const) } satisfies Matched,
    }));
  /** Components of all members, largest first, those of the earlier member before their equals. */
  const merged = (members: readonly GroupSpectrum[]) =>
    members
      .flatMap(({ eigenvalues: all }, member) => [...all].map((value) => ({ member, value })))
      .sort((a, b) => b.value - a.value || a.member - b.member);
  const cost = ({ shapes }: Matched, ranks: readonly number[]) =>
    sum(ranks.map((rank, i) => rank * ((shapes[i]?.[0] ?? 0) + (shapes[i]?.[1] ?? 0))));

  test('by any rule are the largest components of all members together', () => {
    fc.assert(
      fc.property(matched, fc.constantFrom('width', 'parameters', 'error'), ({ members, of }, rule) => {
        const ranks = matchedRanks(rule, of, members, 'keep');
        const taken = merged(members).slice(0, sum(ranks));
        expect(ranks).toEqual(members.map((_, i) => taken.filter(({ member }) => member === i).length));
      }),
      settings,
    );
  });

  test('by width are as many as the shared rank', () => {
    fc.assert(
      fc.property(matched, ({ members, of }) => {
        const there = sum(members.map(({ eigenvalues: all }) => all.length));
        expect(sum(matchedRanks('width', of, members, 'keep'))).toBe(Math.min(of.rank, there));
      }),
      settings,
    );
  });

  test('by parameters fit the shared ones, and the next component would not', () => {
    fc.assert(
      fc.property(matched, ({ members, of }) => {
        const budget = of.rank * ((of.shapes[0]?.[1] ?? 0) + sum(of.shapes.map(([rows]) => rows)));
        const ranks = matchedRanks('parameters', of, members, 'keep');
        expect(cost(of, ranks)).toBeLessThanOrEqual(budget);
        const next = merged(members)[sum(ranks)];
        if (next) expect(cost(of, ranks.with(next.member, (ranks[next.member] ?? 0) + 1))).toBeGreaterThan(budget);
      }),
      settings,
    );
  });

  test('by error reach the shared one, and one component less would not', () => {
    fc.assert(
      fc.property(matched, ({ members, of }) => {
        const ranks = matchedRanks('error', of, members, 'keep');
        expect(lost(members, ranks)).toBeLessThanOrEqual(of.squaredError * (1 + 1e-9));
        const last = merged(members)[sum(ranks) - 1];
        if (last)
          expect(lost(members, ranks.with(last.member, (ranks[last.member] ?? 0) - 1))).toBeGreaterThan(
            of.squaredError,
          );
      }),
      settings,
    );
  });

  test('what dropped means lose counts as error; where that alone is too much, all components are taken', () => {
    const members = [spectrum([5, 3, 1], 2), spectrum([4, 2], 1)];
    const ranks = (squaredError: number, mean: 'keep' | 'drop') =>
      matchedRanks(
        'error',
        {
          rank: 2,
          squaredError,
          shapes: [
            [3, 4],
            [3, 4],
          ],
        },
        members,
        mean,
      );
    expect(ranks(6, 'keep')).toEqual([1, 1]);
    expect(ranks(6, 'drop')).toEqual([2, 1]);
    expect(ranks(3, 'drop')).toEqual([3, 2]);
    expect(ranks(2.9, 'drop')).toEqual([3, 2]);
  });

  test('components of nothing are not needed to lose nothing', () => {
    const of = {
      rank: 1,
      squaredError: 0,
      shapes: [
        [2, 2],
        [2, 2],
      ],
    } as const;
    expect(matchedRanks('error', of, [spectrum([3, 0]), spectrum([0, 0])], 'keep')).toEqual([1, 0]);
  });
});

describe('Eckart and Young, on matrices whose means were taken off before', () => {
  const stacks = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 8 }))
    .chain(([a, b, cols]) =>
      fc
        .array(fc.integer({ min: -4000, max: 4000 }), { minLength: (a + b) * cols, maxLength: (a + b) * cols })
        .map((values) => {
          const rows = Array.from({ length: a + b }, (_, i) =>
            values.slice(i * cols, (i + 1) * cols).map((value) => value / 1000),
          );
          return [withoutMeans(rows.slice(0, a)), withoutMeans(rows.slice(a))] as const;
        }),
    );
  const withoutMeans = (rows: readonly (readonly number[])[]) =>
    rows.map((row) => row.map((value, j) => value - sum(rows.map((each) => each[j] ?? 0)) / rows.length));
  const spectrumOf = async (rows: readonly (readonly number[])[]) => {
    const x = { rows: rows.length, cols: rows[0]?.length ?? 0, data: Float64Array.from(rows.flat()) };
    return spectrum(
      [...(await fitPca(x, () => 0, solveByGram, { center: false })).eigenvalues].map((value) => Math.max(value, 0)),
    );
  };

  test('at equal width sharing never has the larger error, at equal rank of each never the smaller', async () => {
    await fc.assert(
      fc.asyncProperty(stacks, async ([a, b]) => {
        const [shared, alone] = [await spectrumOf([...a, ...b]), [await spectrumOf(a), await spectrumOf(b)]];
        const shapes = [a, b].map((rows) => [rows.length, rows[0]?.length ?? 0] as const);
        const total = sum(shared.eigenvalues) + 1;
        for (let rank = 0; rank <= shared.eigenvalues.length; rank++) {
          const squaredError = lost([shared], [rank]);
          const width = matchedRanks('width', { rank, squaredError, shapes }, alone, 'keep');
          expect(squaredError).toBeLessThanOrEqual(lost(alone, width) + 1e-9 * total);
          expect(squaredError).toBeGreaterThanOrEqual(lost(alone, [rank, rank]) - 1e-9 * total);
          const reached = matchedRanks('error', { rank, squaredError, shapes }, alone, 'keep');
          expect(sum(reached)).toBeGreaterThanOrEqual(squaredError > 1e-6 * total ? rank : 0);
        }
      }),
      { seed: 32, numRuns: 100 },
    );
  });
});
