// surgery sweep: a grid of operations on the same documents, matched comparisons, controls.

import type { Mode } from '../decompose/groups.ts';
import { separateOf } from '../decompose/groups.ts';
import type { MatchRule, MeanRule } from '../decompose/operation.ts';
import { SurgeryError } from '../errors.ts';
import { type Grid, type Plan, planSweep } from '../study/grid.ts';
import type { Study } from '../study/results.ts';
import { keptOf, sharedPart } from './operations.ts';
import type { SharedOperationOptions } from './options.ts';
import { showStudy } from './showing.ts';
import { makeStudy, type StudyOptions } from './study.ts';

export type SweepOptions = StudyOptions &
  Omit<SharedOperationOptions, 'mean' | 'layers' | 'allocate'> & {
    readonly variance?: readonly number[];
    readonly rank?: readonly number[];
    readonly mode: readonly Mode[];
    readonly mean: readonly MeanRule[];
    readonly layers?: readonly (readonly number[])[];
    readonly match?: readonly ('variance' | MatchRule)[];
    readonly allocate: readonly ('uniform' | 'global')[];
    readonly controls?: boolean;
  };

export async function sweep(options: SweepOptions, command: string): Promise<void> {
  const finished = await makeStudy(
    options,
    ({ config }) => {
      const grid = gridOf(options, config);
      const plan = planSweep(grid, config);
      const thresholds = grid.kept.flatMap((kept) => ('variance' in kept ? [kept.variance] : []));
      return {
        kind: 'sweep',
        cells: plan.cells,
        relations: (ids) => relationsOf(plan, ids),
        angles: options.controls ? thresholds : [],
      };
    },
    command,
  );
  showStudy(options, finished);
}

function gridOf(options: SweepOptions, config: Parameters<typeof sharedPart>[1]): Grid {
  const { mode, mean, layers, match = [], controls = false } = options;
  const kept = keptOf(options);
  if (match.length > 0 && !mode.some(separateOf))
    throw new SurgeryError(
      'usage',
      `--match gives a shared mode its separate partner, --mode ${mode.join()} shares nothing`,
    );
  const sets = layers ?? [undefined];
  const shared = { ...options, mean: 'keep', layers: layers?.flat(), allocate: 'uniform' } as const;
  const { center, balance, targets } = sharedPart(shared, config);
  return {
    modes: [...new Set(mode)],
    kept,
    means: [...new Set(mean)],
    layers: sets,
    match: [...new Set(match)],
    controls,
    allocate: [...new Set(options.allocate)],
    common: { center, balance, ...(targets ? { targets } : {}) },
  };
}

/** What is compared with what, by the cells' names; nothing is known of them yet. */
function relationsOf({ pairs, controls }: Plan, ids: readonly string[]): Pick<Study, 'pairs' | 'controls'> {
  const name = (index: number) => ids[index] ?? '';
  return {
    pairs: pairs.map(({ rule, cell, partner }) => ({
      ...{ rule, cell: name(cell), partner: name(partner) },
      ...{ difference: null, met: null },
    })),
    controls: controls.map(({ control, cell, of }) => ({
      ...{ control, cell: name(cell), of: of === undefined ? null : name(of) },
      difference: null,
    })),
  };
}
