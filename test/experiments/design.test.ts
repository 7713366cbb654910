import { describe, expect, test } from 'vitest';
import { cellId, planSensitivity, planSweep, type Sweep } from '../../src/experiments/design.ts';
import { complete, type PcaOperation, type PcaSpec } from '../../src/operations/pca/spec.ts';
import { completeRecipe, type Recipe } from '../../src/operations/recipe.ts';
import { configWith } from '../support/models.ts';
import type { PcaParameters } from '../support/operations.ts';

const config = configWith({ num_hidden_layers: 4 });

describe('a sweep of a kind that has no design of its own', () => {
  const sweep = (more: Partial<Sweep>) =>
    planSweep({ kind: 'zero', varied: {}, fixed: {}, match: [], controls: false, ...more }, config);

  test('has every combination of what is varied, next to what is not', () => {
    const { cells, pairs, controls } = sweep({
      varied: { mlp: [[0], [1, 3]], heads: [['0.0'], ['2.1', '1.0']] },
      fixed: { attention: [2] },
    });
    expect(cells).toEqual([
      { kind: 'zero', mlp: [0], heads: ['0.0'], attention: [2] },
      { kind: 'zero', mlp: [0], heads: ['1.0', '2.1'], attention: [2] },
      { kind: 'zero', mlp: [1, 3], heads: ['0.0'], attention: [2] },
      { kind: 'zero', mlp: [1, 3], heads: ['1.0', '2.1'], attention: [2] },
    ]);
    expect([pairs, controls]).toEqual([[], []]);
  });

  test('has the control that does nothing, once and first', () => {
    const { cells, pairs, controls } = sweep({ varied: { blocks: [[1], [2]] }, controls: true });
    expect(cells.map(({ kind }) => kind)).toEqual(['none', 'zero', 'zero']);
    expect([pairs, controls]).toEqual([[], [{ control: 'none', cell: 0 }]]);
  });

  test('has a cell once that is asked for twice', () => {
    expect(
      sweep({
        varied: {
          blocks: [
            [1, 2],
            [2, 1, 1],
          ],
        },
      }).cells,
    ).toHaveLength(1);
  });
});

describe('sensitivity', () => {
  const operation = { kind: 'pca', mode: 'separate', mean: 'keep' } as const;
  const small = configWith({ num_hidden_layers: 3 });
  const rows = (by: 'layer' | 'projection' | 'both', more: Partial<PcaSpec> = {}) => {
    const found = planSensitivity({ ...operation, ...more, variance: [0.5, 0.9] }, by, small);
    for (const [threshold, one] of found.kept.entries()) {
      for (const { cells, layers, targets } of found.rows)
        expect(found.cells[cells[threshold] ?? -1]).toEqual(
          complete({ ...operation, ...more, ...one, layers, targets }, small),
        );
      const joint = found.cells[found.joint[threshold] ?? -1] as PcaOperation | undefined;
      expect(joint).toMatchObject(one);
      expect([joint?.layers, joint?.targets]).toEqual([
        [...new Set(found.rows.flatMap(({ layers }) => layers))],
        [...new Set(found.rows.flatMap(({ targets }) => targets))],
      ]);
    }
    expect(found.kept).toEqual([{ variance: 0.9 }, { variance: 0.5 }]);
    expect(found.cells).toHaveLength(2 * (found.rows.length + 1));
    expect(new Set(found.cells.map((cell) => cellId([cell], null))).size).toBe(found.cells.length);
    return found.rows.map(({ layers, targets }) => `${layers.join('')} ${targets.join('')}`);
  };

  test('of a kind that cuts units: one at a time, and all of them', () => {
    const found = planSensitivity({ kind: 'zero' }, 'kv-head', small);
    const { kvHeads } = small;
    expect(found.rows).toHaveLength(3 * kvHeads);
    expect(found.rows[kvHeads]).toEqual({ layers: [1], targets: [], unit: '1.0', cells: [kvHeads + 1] });
    expect(found.cells[kvHeads + 1]).toEqual({ kind: 'zero', kvHeads: ['1.0'] });
    const all = kvHeads > 1 ? `-${kvHeads - 1}` : '';
    expect(found.cells[0]).toEqual({ kind: 'zero', kvHeads: [`0.0${all}`, `1.0${all}`, `2.0${all}`] });
    expect([found.kept, found.joint]).toEqual([[{}], [0]]);
    const groups = planSensitivity({ kind: 'zero' }, 'neuron-group', small).rows.filter(
      ({ layers }) => layers[0] === 2,
    );
    expect(groups.length).toBeLessThanOrEqual(16);
    const ends = groups.map(({ unit = '' }) => unit.split('.')[1]?.split('-').map(Number) ?? []);
    expect(ends.flatMap(([from = 0, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => from + i))).toEqual(
      Array.from({ length: small.intermediateSize }, (_, i) => i),
    );
    expect(planSensitivity({ kind: 'zero' }, 'layer', small).cells[2]).toEqual({ kind: 'zero', blocks: [1] });
  });

  test('of other kinds that rewrite projections, at their own budgets', () => {
    const found = planSensitivity({ kind: 'quantise', bits: [2, 6], group: 'row' }, 'projection', small);
    expect(found.kept).toEqual([{ bits: 6 }, { bits: 2 }]);
    expect(found.rows).toHaveLength(7);
    expect(found.cells[found.rows[1]?.cells[1] ?? -1]).toEqual({
      kind: 'quantise',
      bits: 2,
      group: 'row',
      targets: ['k'],
      layers: [0, 1, 2],
    });
    expect(planSensitivity({ kind: 'quantise' }, 'layer', small).kept).toEqual([{ bits: 4 }]);
    expect(planSensitivity({ kind: 'fit', ratio: [0.5, 0.2] }, 'layer', small).kept).toEqual([
      { ratio: 0.2 },
      { ratio: 0.5 },
    ]);
    expect(planSensitivity({ kind: 'pca' }, 'layer', small).kept).toEqual([{ variance: 0.9 }]);
  });

  test('a unit that the kind does not have is refused in a line', () => {
    expect(() => planSensitivity({ kind: 'pca' }, 'head', small)).toThrow(
      /^--by head is of kinds that cut units, such as zero: pca takes layer, projection or both$/,
    );
    expect(() => planSensitivity({ kind: 'zero' }, 'both', small)).toThrow(
      /^--by both is of kinds that rewrite projections: zero takes layer, head, /,
    );
  });

  test('by layer, by projection, by both, and all at once', () => {
    expect(rows('layer')).toEqual(['0 qkv', '1 qkv', '2 qkv']);
    expect(rows('projection')).toEqual(['012 q', '012 k', '012 v']);
    expect(rows('both')).toEqual(['0 q', '0 k', '0 v', '1 q', '1 k', '1 v', '2 q', '2 k', '2 v']);
  });

  test('only of what the operation touches', () => {
    expect(rows('layer', { layers: [2, 0] })).toEqual(['0 qkv', '2 qkv']);
    expect(rows('both', { layers: [0, 2], targets: ['q', 'down'] })).toEqual(['0 q', '0 down', '2 q', '2 down']);
  });
});

describe('the name of a cell', () => {
  const operation: PcaParameters = { mode: 'shared-kv', variance: 0.9, mean: 'keep' };
  const context = { model: 'a', documents: 'b', tasks: null };
  const id = (recipe: Recipe, around: unknown = context) => cellId(completeRecipe(recipe, config), around);
  const name = (change: PcaParameters = {}, around: unknown = context) =>
    id([{ kind: 'pca', ...operation, ...change }], around);

  test('does not depend on the order of keys, nor on defaults that are written out', () => {
    expect(name()).toMatch(/^[0-9a-f]{16}$/);
    expect(
      id([{ mean: 'keep', variance: 0.9, mode: 'shared-kv', kind: 'pca' }], {
        tasks: null,
        documents: 'b',
        model: 'a',
      }),
    ).toBe(name());
    expect(id(completeRecipe([{ kind: 'pca', ...operation }], config))).toBe(name());
    for (const same of [
      { layers: [3, 1, 0, 2, 1] },
      { targets: ['v', 'k', 'q'] },
      { center: true, balance: false, allocate: 'uniform', seed: 0 },
    ] satisfies PcaParameters[])
      expect(name(same)).toBe(name());
  });

  test('changes with every field, with every operation and their order, and with the context', () => {
    const { variance: _, ...rest } = operation;
    const [pca, zero] = [{ kind: 'pca', ...operation } as const, { kind: 'zero', mlp: [0] } as const];
    const names = [
      name(),
      id([{ kind: 'pca', ...rest, rank: 9 }]),
      id([{ kind: 'none' }]),
      id([zero]),
      id([pca, zero]),
      id([zero, pca]),
      id([pca, pca]),
      ...(
        [
          { mode: 'separate' },
          { variance: 0.90001 },
          { mean: 'drop' },
          { center: false },
          { balance: true },
          { targets: ['q', 'k'] },
          { layers: [0, 1, 2] },
          { allocate: 'global' },
          { match: { rule: 'width', of: 'shared-kv' } },
          { match: { rule: 'error', of: 'shared-kv' } },
          { match: { rule: 'width', of: 'shared-qkv' } },
          { control: 'full-rank' },
          { control: 'noise' },
          { seed: 1 },
        ] satisfies PcaParameters[]
      ).map((change) => name(change)),
      name({}, { ...context, model: 'c' }),
      name({}, { ...context, tasks: 'b' }),
      name({}, { model: 'b', documents: 'a', tasks: null }),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});
