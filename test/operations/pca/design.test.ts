import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellId } from '../../../src/experiments/design.ts';
import type { SweepRequest } from '../../../src/operations/kind.ts';
import type { NoneOperation } from '../../../src/operations/none/spec.ts';
import { hasControl } from '../../../src/operations/pca/controls.ts';
import { designSweep, mostFirst } from '../../../src/operations/pca/design.ts';
import { modes, separateOf } from '../../../src/operations/pca/grouping.ts';
import {
  complete,
  matchRules,
  type PcaControl,
  type PcaOperation,
  type PcaSpec,
} from '../../../src/operations/pca/spec.ts';
import { canonical } from '../../../src/platform/canonical.ts';
import { configWith } from '../../support/models.ts';

type Request = SweepRequest<PcaSpec>;
type Varied = Request['varied'];

const config = configWith({ num_hidden_layers: 4 });
const plan = ({ varied, ...rest }: Partial<Request> = {}) =>
  designSweep({ varied: { mode: ['shared-kv'], ...varied }, fixed: {}, match: [], controls: false, ...rest }, config);
const isPca = (cell: PcaOperation | NoneOperation | undefined): cell is PcaOperation => cell?.kind === 'pca';

/** A cell in a few words. */
function inWords(cell: PcaOperation | NoneOperation | undefined): string | undefined {
  if (!cell) return undefined;
  const where = cell.layers.length < config.layers && `in ${cell.layers.join('')}`;
  const what = isPca(cell)
    ? [
        cell.control,
        cell.mode,
        cell.variance ?? `rank ${cell.rank}`,
        cell.mean === 'drop' && 'drop',
        where,
        cell.match && `${cell.match.rule} of ${cell.match.of}`,
      ]
    : ['none', where];
  return what.filter(Boolean).join(' ');
}

const all = [0, 1, 2, 3];
/** Ranks are not spread over layers: where `global` is among the allocations, thresholds alone are varied. */
const requests: fc.Arbitrary<Request> = fc
  .record({
    mode: fc.uniqueArray(fc.constantFrom(...modes), { minLength: 1 }),
    kept: fc.array(
      fc.oneof(
        fc.constantFrom(1, 0.9, 0.5).map((variance) => ({ variance })),
        fc.constantFrom(1, 7).map((rank) => ({ rank })),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    mean: fc.uniqueArray(fc.constantFrom('keep' as const, 'drop' as const), { minLength: 1 }),
    layers: fc.oneof(
      fc.constant(undefined),
      fc.array(fc.constantFrom([0, 1], [2, 3], all), { minLength: 1, maxLength: 3 }),
    ),
    match: fc.uniqueArray(fc.constantFrom('variance' as const, ...matchRules)),
    controls: fc.boolean(),
    allocate: fc.constantFrom(['uniform'] as const, ['global'] as const, ['uniform', 'global'] as const),
    fixed: fc.constantFrom({}, { balance: true }, { center: false }),
  })
  .filter(
    ({ mode, match, kept, allocate }) =>
      (match.length === 0 || mode.some(separateOf)) &&
      (allocate.join() === 'uniform' || kept.every((one) => 'variance' in one)),
  )
  .map(({ mode, kept, mean, layers, match, controls, allocate, fixed }) => {
    const variance = kept.flatMap((one) => ('variance' in one ? [one.variance] : []));
    const rank = kept.flatMap((one) => ('rank' in one ? [one.rank] : []));
    const varied: Varied = {
      mode,
      mean,
      allocate,
      ...(variance.length > 0 ? { variance } : {}),
      ...(rank.length > 0 ? { rank } : {}),
      ...(layers ? { layers } : {}),
    };
    return { varied, fixed, match, controls };
  });
const settings = { seed: 41, numRuns: 60 };

test('a sweep has each cell once, and all that is asked for', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const { varied, fixed } = request;
      const names = designSweep(request, config).cells.map((cell) => cellId([cell], null));
      expect(new Set(names).size).toBe(names.length);
      const budgets = [
        ...(varied.variance ?? []).map((variance) => ({ variance })),
        ...(varied.rank ?? []).map((rank) => ({ rank })),
      ];
      for (const layers of varied.layers ?? [all])
        for (const kept of budgets)
          for (const mode of varied.mode ?? [])
            for (const mean of varied.mean ?? [])
              for (const allocate of varied.allocate ?? []) {
                const wanted = { kind: 'pca', mode, mean, ...kept, ...fixed, allocate, layers } as const;
                expect(names).toContain(cellId([complete(wanted, config)], null));
              }
    }),
    settings,
  );
});

test('it compares shared cells with their own partners, at an equal rest', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const { cells, pairs } = designSweep(request, config);
      expect(new Set(pairs.map(canonical)).size).toBe(pairs.length);
      for (const { rule, cell, partner } of pairs) {
        const [a, b] = [cells[cell], cells[partner]];
        if (!isPca(a) || !isPca(b)) throw new RangeError('a pair of a cell that is not there');
        if (rule === 'allocate') {
          expect([a.allocate, b]).toEqual(['global', { ...a, allocate: 'uniform' }]);
          continue;
        }
        expect(b.mode).toBe(separateOf(a.mode));
        expect(a.match).toBeUndefined();
        const matched = rule !== 'variance' && rule !== 'rank';
        expect(b.match).toEqual(matched ? { rule, of: a.mode } : undefined);
        expect(rule === 'rank' ? a.rank : (a.variance ?? a.rank)).toBeDefined();
        const rest = ({ mode: _, match: __, ...others }: PcaOperation) => canonical(others);
        expect(rest(b)).toBe(rest(a));
      }
      const shared = cells.filter((one) => isPca(one) && separateOf(one.mode) && !one.match && !one.control).length;
      for (const rule of matchRules)
        expect(pairs.filter((pair) => pair.rule === rule)).toHaveLength(request.match.includes(rule) ? shared : 0);
    }),
    settings,
  );
});

test('it has controls where they exist, each of its own cell, and each once', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const { cells, controls } = designSweep(request, config);
      expect(new Set(controls.map((one) => canonical(one))).size).toBe(controls.length);
      for (const { control, cell, of } of controls) {
        const [own, against] = [cells[cell], of === undefined ? undefined : cells[of]];
        expect(isPca(own) ? own.control : own?.kind).toBe(control);
        if (control === 'none' || control === 'full-rank') expect(of).toBeUndefined();
        else expect({ ...against, control }).toEqual(own);
        if (isPca(own)) expect(hasControl(own.mode, control as PcaControl)).toBe(true);
      }
      expect(controls.length > 0).toBe(request.controls);
      expect(cells.filter((one) => !isPca(one) || one.control)).toHaveLength(
        new Set(controls.map(({ cell }) => cell)).size,
      );
    }),
    settings,
  );
});

test('it goes from the most kept to the least, so that later cells find their components', () => {
  const { cells } = plan({ varied: { rank: [2, 8], variance: [0.5, 0.99], mode: ['shared-kv', 'separate'] } });
  expect(cells.map(inWords)).toEqual([
    'shared-kv 0.99',
    'separate 0.99',
    'shared-kv 0.5',
    'separate 0.5',
    'shared-kv rank 8',
    'separate rank 8',
    'shared-kv rank 2',
    'separate rank 2',
  ]);
  expect([{ rank: 1 }, { variance: 0.1 }].sort(mostFirst)).toEqual([{ variance: 0.1 }, { rank: 1 }]);
});

test('match variance adds the partner at the same threshold, and does not double one that is there', () => {
  const pairOf = (request: Partial<Request>) => {
    const { cells, pairs } = plan(request);
    return pairs.map(({ rule, cell, partner }) => `${rule}: ${inWords(cells[cell])} - ${inWords(cells[partner])}`);
  };
  expect(pairOf({ match: ['variance'] })).toEqual(['variance: shared-kv 0.9 - separate 0.9']);
  expect(pairOf({ varied: { mode: ['separate', 'shared-kv'] } })).toEqual(['variance: shared-kv 0.9 - separate 0.9']);
  expect(pairOf({ match: ['variance'], varied: { mode: ['separate', 'shared-qkv', 'cross-layer-kv'] } })).toEqual([
    'variance: shared-qkv 0.9 - separate 0.9',
    'variance: cross-layer-kv 0.9 - separate 0.9',
  ]);
  expect(pairOf({ match: ['variance'], varied: { mode: ['per-head-kv'] } })).toEqual([
    'variance: per-head-kv 0.9 - per-head 0.9',
  ]);
  expect(pairOf({ match: ['variance'], varied: { rank: [4] } })).toEqual(['rank: shared-kv rank 4 - separate rank 4']);
  expect(pairOf({})).toEqual([]);
  expect(pairOf({ match: ['error'], varied: { mean: ['keep', 'drop'] } })).toEqual([
    'error: shared-kv 0.9 - separate 0.9 error of shared-kv',
    'error: shared-kv 0.9 drop - separate 0.9 drop error of shared-kv',
  ]);
});

test('controls of two modes at two sets of layers', () => {
  const { cells, controls } = plan({
    varied: {
      mode: ['shared-kv', 'separate'],
      layers: [
        [0, 1],
        [2, 3],
      ],
    },
    controls: true,
  });
  expect(
    controls.map(({ cell, of }) => `${inWords(cells[cell])} - ${of === undefined ? '' : inWords(cells[of])}`),
  ).toEqual(
    ['01', '23'].flatMap((set) => [
      `none in ${set} - `,
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
  const names = (request: Partial<Request>) =>
    plan({ ...request, controls: true }).controls.map(({ control }) => control);
  expect(names({})).toContain('other-layer');
  expect(names({ varied: { layers: [[2]] } })).not.toContain('other-layer');
  expect(names({ fixed: { targets: ['q', 'k'] } })).not.toContain('other-layer');
  expect(names({ varied: { mode: ['shared-qkv'] }, fixed: { targets: ['q', 'v'] } })).toContain('other-layer');
});

test.each<[Partial<Request>, string]>([
  [{ match: ['variance', 'width'], varied: { mode: ['separate'] } }, '--mode separate shares nothing'],
  [{ varied: { rank: [4], allocate: ['global'] } }, 'allocate global spends what a threshold gives'],
  [{ varied: { rank: [4], variance: [0.9], allocate: ['uniform', 'global'] } }, 'it goes with a variance'],
  [{ varied: { layers: [[0], [4]] } }, "layer 4 is not there, this model's layers are 0 to 3"],
])('%j is refused', (request, message) => {
  expect(() => plan(request)).toThrow(message);
});

test('modes that group the same projections alike are one cell, and ranks beyond the last component one rank', () => {
  const cellsOf = (more: Partial<Request>) => plan(more).cells.map(inWords);
  const mode = [...modes];
  const mlp = { targets: ['gate', 'up', 'down'] } as const;
  expect(cellsOf({ varied: { mode, variance: [0.9] }, fixed: mlp })).toHaveLength(1);
  expect(plan({ varied: { mode, variance: [0.9] }, fixed: mlp }).pairs).toEqual([]);
  const only = (...targets: PcaOperation['targets'][number][]) =>
    plan({ varied: { mode, variance: [0.9] }, fixed: { targets } }).cells.map((cell) => isPca(cell) && cell.mode);
  expect(only('k')).toEqual(['separate', 'cross-layer-kv']);
  expect(only('k', 'v')).toEqual(['shared-kv', 'separate', 'cross-layer-kv']);
  expect(only('q', 'o')).toEqual(['separate', 'per-head']);
  const oneLayer = plan({ varied: { mode, variance: [0.9], layers: [[1]] } });
  expect(oneLayer.cells.map((cell) => isPca(cell) && cell.mode)).not.toContain('cross-layer-kv');
  expect(() => plan({ varied: { variance: [0.9] }, fixed: mlp, match: ['width'] })).toThrow(
    '--match gives a shared mode its separate partner, --mode shared-kv shares nothing of gate,up,down',
  );
  const { hiddenSize, headDim } = config;
  const ranks = plan({ varied: { rank: [10 * hiddenSize, hiddenSize + 1, 2] } }).cells;
  expect(ranks.map((cell) => isPca(cell) && cell.rank)).toEqual([hiddenSize, 2]);
  // k and v alone have one head's components each, and together twice as many.
  const both = plan({
    varied: { mode: ['shared-kv'], rank: [2 * headDim - 1] },
    fixed: { targets: ['k', 'v'] },
    match: ['variance', 'width'],
  });
  expect(both.cells.map((cell) => isPca(cell) && [cell.mode, cell.rank])).toEqual([
    ['shared-kv', 2 * headDim - 1],
    ['separate', headDim],
    ['separate', 2 * headDim - 1],
  ]);
  expect(both.pairs).toEqual([{ rule: 'width', cell: 0, partner: 2 }]);
});
