import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { summarised } from '../../src/experiments/summary.ts';
import { completeRecipe } from '../../src/operations/recipe.ts';
import type { CellResult, SensitivityResult, Study } from '../../src/results/study.ts';
import { configWith } from '../support/models.ts';
import { operatePca, type PcaParameters } from '../support/operations.ts';
import { fixture } from '../support/paths.ts';
import { type CellSums, cell, group, study } from '../support/studies.ts';

const shared = (sums: CellSums = {}) => cell('shared', { mode: 'shared-kv', variance: 0.9, mean: 'keep' }, sums);
const partner = (sums: CellSums = {}) => cell('separate', { mode: 'separate', variance: 0.9, mean: 'keep' }, sums);
const byId = (...cells: CellResult[]) => new Map(cells.map((each) => [each.id, each]));
/** A study of these two cells, paired by a rule. */
const paired = (rule: Study['pairs'][number]['rule']) =>
  study(['shared', 'separate'], {
    pairs: [{ rule, cell: 'shared', partner: 'separate', difference: null, met: null }],
  });

describe('a pair', () => {
  test('is the shared cell minus its partner, per token', () => {
    const cells = byId(shared({ nll: [23, 46], kl: [2, 7] }), partner({ nll: [20, 43], kl: [1, 2] }));
    const [pair] = summarised(paired('width'), cells).pairs;
    expect(pair?.met).toBe(true);
    expect(pair?.difference?.deltaNll).toBeCloseTo(6 / 30, 12);
    expect(pair?.difference?.deltaKl).toBeCloseTo(6 / 30, 12);
    const [low = 0, high = 0] = pair?.difference?.interval ?? [];
    expect(low).toBeLessThanOrEqual(0.2);
    expect(high).toBeGreaterThanOrEqual(0.2);
  });

  test('that differs by as much per token in every document has an interval of no width', () => {
    const cells = byId(shared({ nll: [25, 50] }), partner({ nll: [20, 40] }));
    expect(summarised(paired('variance'), cells).pairs[0]?.difference).toEqual({
      deltaNll: 0.5,
      interval: [0.5, 0.5],
      deltaKl: 0,
      intervalKl: [0, 0],
    });
  });

  test('of a single document has no interval, and without a cell no difference', () => {
    const alone = { nll: [21], kl: [1], tokens: [10] };
    const { difference } = summarised(paired('variance'), byId(shared(alone), partner(alone))).pairs[0] ?? {};
    expect(difference).toMatchObject({ deltaNll: 0, interval: null, intervalKl: null });
    expect(summarised(paired('error'), byId(shared())).pairs[0]).toMatchObject({ difference: null, met: null });
  });

  test('by error is met where the partner is as near over k and v', () => {
    const of = (k: number) => ({ groups: [group('k', 4, { k }), group('v', 4, { v: 0.5 })] });
    const met = (k: number) => summarised(paired('error'), byId(shared(of(0.5)), partner(of(k)))).pairs[0]?.met;
    expect([met(0.4), met(0.5), met(0.5 + 1e-6), met(0.51)]).toEqual([true, true, true, false]);
    expect(summarised(paired('width'), byId(shared(of(0.5)), partner(of(0.9)))).pairs[0]?.met).toBe(true);
  });

  test('of fits by error is met whatever their weights lose: it is their objective that is matched', () => {
    const asFit = (one: CellResult, mode: 'shared-kv' | 'separate'): CellResult => ({
      ...one,
      recipe: completeRecipe([{ kind: 'fit', mode, rank: 4 }], configWith({})),
    });
    const of = (error: number) => ({ groups: [group('k', 4, { k: error }), group('v', 4, { v: error })] });
    const cells = byId(asFit(shared(of(0.5)), 'shared-kv'), asFit(partner(of(0.6)), 'separate'));
    expect(summarised(paired('error'), cells).pairs[0]?.met).toBe(true);
  });

  test('by error is neither met nor missed where the weights have no relative error', () => {
    const without = { groups: [group('q', 4, { q: 0.5 })] };
    expect(summarised(paired('error'), byId(shared(without), partner(without))).pairs[0]).toMatchObject({
      difference: { deltaNll: 0 },
      met: null,
    });
  });

  test('by error of q, k and v together is met where the partner is as near over all three', async () => {
    const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
    for (const variance of [0.3, 0.5, 0.7, 0.9]) {
      const kept = { variance, mean: 'keep' } as const;
      const match = { rule: 'error', of: 'shared-qkv' } as const;
      const made = async (id: string, operation: PcaParameters) => {
        const { recipe, reports, footprint } = await operatePca(checkpoint, operation);
        return { ...cell(id, operation), recipe, reports, footprint };
      };
      const a = await made('shared', { mode: 'shared-qkv', ...kept });
      const b = await made('separate', { mode: 'separate', ...kept, match });
      expect(b.footprint?.relativeError).toBeLessThanOrEqual(a.footprint?.relativeError ?? 0);
      expect(summarised(paired('error'), byId(a, b)).pairs[0]?.met, `${variance}`).toBe(true);
    }
  });
});

test('a control is compared with its cell, if it has one', () => {
  const controls = [
    { control: 'none', cell: 'separate', of: null, difference: null },
    { control: 'noise', cell: 'shared', of: 'separate', difference: null },
    { control: 'noise', cell: 'shared', of: 'missing', difference: null },
  ] as const;
  const cells = byId(shared({ nll: [30, 60] }), partner());
  const found = summarised(study([], { controls }), cells).controls;
  expect(found.map(({ difference }) => difference?.deltaNll)).toEqual([undefined, 1, undefined]);
});

test('a study is complete with the original and every cell', () => {
  const two = study(['shared', 'separate']);
  expect(summarised(two, byId(shared())).complete).toBe(false);
  expect(summarised(two, byId(shared(), partner())).complete).toBe(true);
  expect(summarised(two, byId(shared(), partner(), { ...shared(), id: 'other' })).complete).toBe(true);
  expect(summarised({ ...two, original: null }, byId(shared(), partner())).complete).toBe(false);
});

describe('additivity', () => {
  const operation = { mode: 'separate', variance: 0.9, mean: 'keep' } as const;
  const sensitivity: SensitivityResult = {
    by: 'projection',
    kept: [{ variance: 0.9 }, { variance: 0.5 }],
    rows: [
      { layers: [0], targets: ['q'], cells: ['q9', 'q5'] },
      { layers: [0], targets: ['k'], cells: ['k9', 'k5'] },
    ],
    joint: ['all9', 'all5'],
    additivity: [null, null],
  };
  // Of an original of 20 and 40 nats in 10 and 20 tokens.
  const cells = byId(
    cell('q9', operation, { nll: [21, 42] }),
    cell('k9', operation, { nll: [22, 43] }),
    cell('all9', operation, { nll: [24, 48] }),
    cell('q5', operation, { nll: [30, 60] }),
    cell('all5', operation, { nll: [50, 90] }),
  );
  const summary = (original = study([]).original) =>
    summarised(study([], { kind: 'sensitivity', sensitivity, original }), cells).sensitivity?.additivity;

  test('is the effect of all at once less the sum of the effects', () => {
    const [first] = summary() ?? [];
    expect(first?.joint).toBeCloseTo((4 + 8) / 30, 12);
    expect(first?.sum).toBeCloseTo((3 + 5) / 30, 12);
    expect(first?.difference).toBeCloseTo((1 + 3) / 30, 12);
    expect((first?.joint ?? 0) - (first?.sum ?? 0)).toBeCloseTo(first?.difference ?? 1, 12);
    expect(first?.interval).not.toBeNull();
  });

  test('is missing where a part or the original is', () => {
    expect(summary()?.[1]).toBeNull();
    expect(summary(null)).toEqual([null, null]);
  });
});
