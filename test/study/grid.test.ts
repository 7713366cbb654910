import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { modes, separateOf } from '../../src/operations/pca/grouping.ts';
import { hasControl } from '../../src/operations/pca/operate.ts';
import { matchRules, type Operation, settled } from '../../src/operations/pca/spec.ts';
import { canonical, cellId, type Grid, mostFirst, planSensitivity, planSweep } from '../../src/study/grid.ts';

const config = { layers: 4 };
const plain: Grid = {
  modes: ['shared-kv'],
  allocate: ['uniform'],
  kept: [{ variance: 0.9 }],
  means: ['keep'],
  layers: [undefined],
  match: [],
  controls: false,
  common: {},
};
const plan = (grid: Partial<Grid>) => planSweep({ ...plain, ...grid }, config);
/** A cell in a few words. */
const told = (cell: Operation | undefined) =>
  cell &&
  [
    cell.control,
    cell.mode,
    cell.variance ?? `rank ${cell.rank}`,
    cell.mean === 'drop' && 'drop',
    cell.layers && `in ${cell.layers.join('')}`,
    cell.match && `${cell.match.rule} of ${cell.match.of}`,
  ]
    .filter(Boolean)
    .join(' ');

describe('a sweep', () => {
  const grids: fc.Arbitrary<Grid> = fc.record({
    modes: fc.uniqueArray(fc.constantFrom(...modes), { minLength: 1 }),
    kept: fc.array(
      fc.oneof(
        fc.constantFrom(1, 0.9, 0.5).map((variance) => ({ variance })),
        fc.constantFrom(1, 7).map((rank) => ({ rank })),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    means: fc.uniqueArray(fc.constantFrom('keep', 'drop'), { minLength: 1 }),
    layers: fc.array(fc.constantFrom(undefined, [0, 1], [2, 3], [0, 1, 2, 3]), { minLength: 1, maxLength: 3 }),
    match: fc.uniqueArray(fc.constantFrom('variance' as const, ...matchRules)),
    controls: fc.boolean(),
    allocate: fc.constantFrom(['uniform'] as const, ['global'] as const, ['uniform', 'global'] as const),
    common: fc.constantFrom({}, { balance: true }, { center: false }),
  });
  const settings = { seed: 41, numRuns: 60 };

  test('has each cell once, and all that the grid asks for', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        const { cells } = planSweep(grid, config);
        const names = cells.map((cell) => cellId(cell, null, config));
        expect(new Set(names).size).toBe(cells.length);
        for (const layers of grid.layers)
          for (const kept of grid.kept)
            for (const mode of grid.modes)
              for (const mean of grid.means) {
                for (const allocate of grid.allocate) {
                  const wanted = { mode, mean, ...kept, ...grid.common, allocate, ...(layers ? { layers } : {}) };
                  expect(names).toContain(cellId(wanted, null, config));
                }
              }
      }),
      settings,
    );
  });

  test('holds shared cells against their own partners, at an equal rest', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        const { cells, pairs } = planSweep(grid, config);
        expect(new Set(pairs.map(canonical)).size).toBe(pairs.length);
        for (const { rule, cell, partner } of pairs) {
          const [a, b] = [cells[cell], cells[partner]];
          if (!a || !b) throw new RangeError('a pair of a cell that is not there');
          if (rule === 'allocate') {
            expect([a.allocate, b]).toEqual(['global', { ...a, allocate: 'uniform' }]);
            continue;
          }
          expect(b.mode).toBe(separateOf(a.mode));
          expect(a.match).toBeUndefined();
          const matched = rule !== 'variance' && rule !== 'rank';
          expect(b.match).toEqual(matched ? { rule, of: a.mode } : undefined);
          expect(rule === 'rank' ? a.rank : (a.variance ?? a.rank)).toBeDefined();
          const rest = ({ mode: _, match: __, ...others }: Operation) =>
            canonical(settled({ mode: 'separate', ...others }, config));
          expect(rest(b)).toBe(rest(a));
        }
        const shared = cells.filter(({ mode, match, control }) => separateOf(mode) && !match && !control).length;
        for (const rule of matchRules)
          expect(pairs.filter((pair) => pair.rule === rule)).toHaveLength(grid.match.includes(rule) ? shared : 0);
      }),
      settings,
    );
  });

  test('has controls where they exist, each against its own cell, and each once', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        const { cells, controls } = planSweep(grid, config);
        expect(new Set(controls.map((one) => canonical(one))).size).toBe(controls.length);
        for (const { control, cell, of } of controls) {
          const [own, against] = [cells[cell], of === undefined ? undefined : cells[of]];
          expect(own?.control).toBe(control);
          expect(hasControl(own?.mode ?? 'separate', control)).toBe(true);
          if (control === 'none' || control === 'full-rank') expect(of).toBeUndefined();
          else expect({ ...against, control }).toEqual(own);
        }
        expect(controls.length > 0).toBe(grid.controls);
        expect(cells.filter(({ control }) => control)).toHaveLength(new Set(controls.map(({ cell }) => cell)).size);
      }),
      settings,
    );
  });

  test('goes from the most kept to the least, so that later cells find their components', () => {
    const { cells } = plan({
      kept: [{ rank: 2 }, { variance: 0.5 }, { rank: 8 }, { variance: 0.99 }],
      modes: ['shared-kv', 'separate'],
    });
    expect(cells.map(told)).toEqual([
      ...['shared-kv 0.99', 'separate 0.99', 'shared-kv 0.5', 'separate 0.5'],
      ...['shared-kv rank 8', 'separate rank 8', 'shared-kv rank 2', 'separate rank 2'],
    ]);
    expect([{ rank: 1 }, { variance: 0.1 }].sort(mostFirst)).toEqual([{ variance: 0.1 }, { rank: 1 }]);
  });

  test('match variance adds the partner at the same threshold, and does not double one that is there', () => {
    const pairOf = (grid: Partial<Grid>) => {
      const { cells, pairs } = plan(grid);
      return pairs.map(({ rule, cell, partner }) => `${rule}: ${told(cells[cell])} - ${told(cells[partner])}`);
    };
    expect(pairOf({ match: ['variance'] })).toEqual(['variance: shared-kv 0.9 - separate 0.9']);
    expect(pairOf({ modes: ['separate', 'shared-kv'] })).toEqual(['variance: shared-kv 0.9 - separate 0.9']);
    expect(pairOf({ match: ['variance'], modes: ['separate', 'shared-qkv', 'cross-layer-kv'] })).toEqual([
      'variance: shared-qkv 0.9 - separate 0.9',
      'variance: cross-layer-kv 0.9 - separate 0.9',
    ]);
    expect(pairOf({ match: ['variance'], modes: ['per-head-kv'] })).toEqual([
      'variance: per-head-kv 0.9 - per-head 0.9',
    ]);
    expect(pairOf({ match: ['variance'], kept: [{ rank: 4 }] })).toEqual(['rank: shared-kv rank 4 - separate rank 4']);
    expect(pairOf({})).toEqual([]);
    expect(pairOf({ match: ['error'], means: ['keep', 'drop'] })).toEqual([
      'error: shared-kv 0.9 - separate 0.9 error of shared-kv',
      'error: shared-kv 0.9 drop - separate 0.9 drop error of shared-kv',
    ]);
    expect(pairOf({ modes: ['separate'], match: ['variance', 'width'] })).toEqual([]);
  });

  test('controls of two modes at two sets of layers', () => {
    const { cells, controls } = plan({
      modes: ['shared-kv', 'separate'],
      layers: [
        [0, 1],
        [2, 3],
      ],
      controls: true,
    });
    expect(controls.map(({ cell, of }) => `${told(cells[cell])} - ${of === undefined ? '' : told(cells[of])}`)).toEqual(
      ['01', '23'].flatMap((set) => [
        `none separate 1 in ${set} - `,
        `full-rank shared-kv 1 in ${set} - `,
        `full-rank separate 1 in ${set} - `,
        `random-subspace shared-kv 0.9 in ${set} - shared-kv 0.9 in ${set}`,
        `noise shared-kv 0.9 in ${set} - shared-kv 0.9 in ${set}`,
        `other-layer shared-kv 0.9 in ${set} - shared-kv 0.9 in ${set}`,
        `random-subspace separate 0.9 in ${set} - separate 0.9 in ${set}`,
        `noise separate 0.9 in ${set} - separate 0.9 in ${set}`,
      ]),
    );
  });

  test('what only one layer or only k has cannot be shared with another layer', () => {
    const names = (grid: Partial<Grid>) => plan({ ...grid, controls: true }).controls.map(({ control }) => control);
    expect(names({})).toContain('other-layer');
    expect(names({ layers: [[2]] })).not.toContain('other-layer');
    expect(names({ common: { targets: ['q', 'k'] } })).not.toContain('other-layer');
    expect(names({ modes: ['shared-qkv'], common: { targets: ['q', 'v'] } })).toContain('other-layer');
  });
});

describe('sensitivity', () => {
  const operation = { mode: 'separate', mean: 'keep' } as const;
  const kept = [{ variance: 0.5 }, { variance: 0.9 }];
  const rows = (by: 'layer' | 'projection' | 'both', more: Partial<Operation> = {}) => {
    const found = planSensitivity({ ...operation, ...more }, kept, by, { layers: 3 });
    for (const [threshold, one] of found.kept.entries()) {
      for (const { cells, layers, targets } of found.rows)
        expect(found.cells[cells[threshold] ?? -1]).toEqual({ ...operation, ...more, ...one, layers, targets });
      const joint = found.cells[found.joint[threshold] ?? -1];
      expect(joint).toMatchObject(one);
      expect([joint?.layers, joint?.targets]).toEqual([
        [...new Set(found.rows.flatMap(({ layers }) => layers))],
        [...new Set(found.rows.flatMap(({ targets }) => targets))],
      ]);
    }
    expect(found.kept).toEqual([{ variance: 0.9 }, { variance: 0.5 }]);
    expect(found.cells).toHaveLength(2 * (found.rows.length + 1));
    expect(new Set(found.cells.map((cell) => cellId(cell, null, { layers: 3 }))).size).toBe(found.cells.length);
    return found.rows.map(({ layers, targets }) => `${layers.join('')} ${targets.join('')}`);
  };

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
  const operation: Operation = { mode: 'shared-kv', variance: 0.9, mean: 'keep' };
  const context = { model: 'a', documents: 'b', tasks: null };
  const name = (change: Partial<Operation> = {}, around: unknown = context) =>
    cellId({ ...operation, ...change }, around, config);

  test('does not depend on the order of keys, nor on defaults that are written out', () => {
    expect(name()).toMatch(/^[0-9a-f]{16}$/);
    expect(
      cellId({ mean: 'keep', variance: 0.9, mode: 'shared-kv' }, { tasks: null, documents: 'b', model: 'a' }, config),
    ).toBe(name());
    expect(cellId(settled(operation, config), context, config)).toBe(name());
    for (const same of [
      { layers: [3, 1, 0, 2, 1] },
      { targets: ['v', 'k', 'q'] },
      { center: true, balance: false, allocate: 'uniform', seed: 0 },
    ] satisfies Partial<Operation>[])
      expect(name(same)).toBe(name());
  });

  test('changes with every field, and with the context', () => {
    const { variance: _, ...rest } = operation;
    const names = [
      name(),
      cellId({ ...rest, rank: 9 }, context, config),
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
          { control: 'none' },
          { control: 'noise' },
          { seed: 1 },
        ] satisfies Partial<Operation>[]
      ).map((change) => name(change)),
      name({}, { ...context, model: 'c' }),
      name({}, { ...context, tasks: 'b' }),
      name({}, { model: 'b', documents: 'a', tasks: null }),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});

test('equal things are equal texts, and the text is the thing', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shuffled: unknown = JSON.parse(JSON.stringify(value), (_, part) =>
        part && typeof part === 'object' && !Array.isArray(part)
          ? Object.fromEntries(Object.entries(part).reverse())
          : part,
      );
      expect(canonical(shuffled)).toBe(canonical(value));
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { seed: 42, numRuns: 200 },
  );
  expect(canonical({ b: [2, 1], a: { d: null, c: 'x' } })).toBe('{"a":{"c":"x","d":null},"b":[2,1]}');
});
