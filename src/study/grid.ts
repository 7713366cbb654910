// What a study consists of: the cells of its grid, and which of them are held against each other.
import { createHash } from 'node:crypto';
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Projection } from '../checkpoint/names.ts';
import { type Mode, separateOf } from '../decompose/groups.ts';
import { hasControl } from '../decompose/operate.ts';
import {
  type Control,
  type MatchRule,
  type MeanRule,
  type Operation,
  type Settled,
  settled,
} from '../decompose/operation.ts';

/** How much is kept: a share of the variance, or a number of components. */
export type Kept = { readonly variance: number } | { readonly rank: number };

export interface Grid {
  readonly modes: readonly Mode[];
  readonly kept: readonly Kept[];
  readonly means: readonly MeanRule[];
  /** Sets of layers; one undefined for all layers. */
  readonly layers: readonly (readonly number[] | undefined)[];
  /** What partners of shared cells have in common with them. */
  readonly match: readonly ('variance' | MatchRule)[];
  readonly allocate: readonly ('uniform' | 'global')[];
  readonly controls: boolean;
  /** What all cells have in common. */
  readonly common: Pick<Operation, 'center' | 'balance' | 'targets'>;
}

/** What a pair has in common: the threshold, the rank, a matched budget, or the number of components in all layers. */
export type PairRule = 'variance' | 'rank' | MatchRule | 'allocate';

/** A shared cell and its separate partner, or ranks spread over the layers and uniform ones; indices into the cells. */
export interface Pair {
  readonly rule: PairRule;
  readonly cell: number;
  readonly partner: number;
}

/** A control and the cell it is held against, as indices into the cells. */
export interface ControlOf {
  readonly control: Control;
  readonly cell: number;
  /** None for those that belong to no threshold. */
  readonly of?: number;
}

export interface Plan {
  readonly cells: readonly Operation[];
  readonly pairs: readonly Pair[];
  readonly controls: readonly ControlOf[];
}

/** Controls that a cell at a threshold has. */
const cellControls = ['random-subspace', 'noise', 'other-layer'] as const satisfies Control[];

/**
 * The cells of a grid, each once, most kept first: the components that one cell needs then serve all after it.
 * @param config of the model, for the layers there are
 */
export function planSweep(grid: Grid, config: Pick<LlamaConfig, 'layers'>): Plan {
  const cells: Operation[] = [];
  const index = new Map<string, number>();
  const pairs = new Map<string, Pair>();
  const controls = new Map<string, ControlOf>();
  const add = (operation: Operation): number => {
    const key = canonical(settled(operation, config));
    const known = index.get(key);
    if (known !== undefined) return known;
    index.set(key, cells.length);
    return cells.push(operation) - 1;
  };
  const pair = (one: Pair) => pairs.set(canonical({ ...one }), one);
  const control = (one: ControlOf) => controls.set(canonical({ ...one }), one);

  /** The cells of every mode, their partners and controls. */
  const addModes = (rest: Omit<Operation, 'mode'>) => {
    const made = new Map<Mode, number>();
    for (const mode of grid.modes) {
      const operation: Operation = { mode, ...rest };
      const cell = add(operation);
      made.set(mode, cell);
      const alone = separateOf(mode);
      for (const rule of alone ? grid.match : []) {
        if (!alone) continue;
        if (rule === 'variance') made.set(alone, add({ ...operation, mode: alone }));
        else pair({ rule, cell, partner: add({ ...operation, mode: alone, match: { rule, of: mode } }) });
      }
      if (!grid.controls) continue;
      for (const one of cellControls.filter((each) => isOpenTo(settled(operation, config), each)))
        control({ control: one, cell: add({ ...operation, control: one }), of: cell });
    }
    const rule = rest.rank === undefined ? 'variance' : 'rank';
    for (const [mode, cell] of made) {
      const partner = made.get(separateOf(mode) ?? mode);
      if (partner !== undefined && partner !== cell) pair({ rule, cell, partner });
    }
  };

  for (const layers of grid.layers) {
    const common = { ...grid.common, ...(layers ? { layers } : {}) };
    if (grid.controls) {
      // What it costs to do nothing does not depend on the mode.
      control({
        control: 'none',
        cell: add({ mode: 'separate', variance: 1, mean: 'keep', ...onlyWhere(common), control: 'none' }),
      });
      for (const mode of grid.modes) {
        const whole: Operation = {
          mode,
          variance: 1,
          mean: 'keep',
          ...common,
          allocate: 'uniform',
          control: 'full-rank',
        };
        control({ control: 'full-rank', cell: add(whole) });
      }
    }
    for (const kept of [...grid.kept].sort(mostFirst)) {
      for (const mean of grid.means) {
        for (const allocate of grid.allocate) addModes({ ...kept, mean, ...common, allocate });
        if (grid.allocate.length < 2) continue;
        for (const mode of grid.modes) {
          const [partner, cell] = (['uniform', 'global'] as const).map((allocate) =>
            add({ mode, ...kept, mean, ...common, allocate }),
          );
          if (cell !== undefined && partner !== undefined) pair({ rule: 'allocate', cell, partner });
        }
      }
    }
  }
  return { cells, pairs: [...pairs.values()], controls: [...controls.values()] };
}

/** What is operated on alone, beside everything together: by layer, by projection, or by both. */
export type Unit = 'layer' | 'projection' | 'both';

/** One row of a sensitivity study: some layers and projections, and their cells at each threshold. */
export interface SensitivityRow {
  readonly layers: readonly number[];
  readonly targets: readonly Projection[];
  /** By threshold, as indices into the cells. */
  readonly cells: readonly number[];
}

export interface SensitivityPlan {
  readonly cells: readonly Operation[];
  /** What is kept, most first. */
  readonly kept: readonly Kept[];
  readonly rows: readonly SensitivityRow[];
  /** Everything at once, by threshold. */
  readonly joint: readonly number[];
}

/** Cells that operate on one part of what the operation touches at a time, and on all of it. */
export function planSensitivity(
  operation: Omit<Operation, 'variance' | 'rank'>,
  kept: readonly Kept[],
  by: Unit,
  config: Pick<LlamaConfig, 'layers'>,
): SensitivityPlan {
  const { layers, targets } = settled({ ...operation, variance: 1 }, config);
  const parts = layers
    .flatMap((layer) => (by === 'projection' ? [] : [[layer]]))
    .concat(by === 'projection' ? [[...layers]] : [])
    .flatMap((some) =>
      by === 'layer' ? [{ layers: some, targets }] : targets.map((one) => ({ layers: some, targets: [one] })),
    );
  const cells: Operation[] = [];
  const rows = parts.map((part) => ({ ...part, cells: [] as number[] }));
  const joint: number[] = [];
  const sorted = [...kept].sort(mostFirst);
  for (const one of sorted) {
    joint.push(cells.push({ ...operation, ...one, layers, targets }) - 1);
    for (const row of rows)
      row.cells.push(cells.push({ ...operation, ...one, layers: row.layers, targets: row.targets }) - 1);
  }
  return { cells, kept: sorted, rows, joint };
}

/** The name of a cell: a hash of everything that decides its result. */
export function cellId(operation: Operation, context: unknown, config: Pick<LlamaConfig, 'layers'>): string {
  return createHash('sha256')
    .update(canonical({ operation: settled(operation, config), context }))
    .digest('hex')
    .slice(0, 16);
}

/** JSON with keys in alphabetical order, so that equal things are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Thresholds from the highest on, then ranks from the largest on. */
export function mostFirst(a: Kept, b: Kept): number {
  if ('variance' in a) return 'variance' in b ? b.variance - a.variance : -1;
  return 'rank' in b ? b.rank - a.rank : 1;
}

/** Whether a control is another cell than the one it is held against: a single layer has no other to share with. */
function isOpenTo({ mode, targets, layers }: Settled, control: Control): boolean {
  if (control !== 'other-layer') return hasControl(mode, control);
  const sharesV = targets.includes('k') || (mode === 'shared-qkv' && targets.includes('q'));
  return hasControl(mode, control) && layers.length > 1 && targets.includes('v') && sharesV;
}

/** What decides which weights are touched. */
function onlyWhere({ targets, layers }: Pick<Operation, 'targets' | 'layers'>) {
  return { ...(targets ? { targets } : {}), ...(layers ? { layers } : {}) };
}
