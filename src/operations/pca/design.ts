// The cells of a PCA study: thresholds and ranks in every mode, matched partners, controls.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { canonical } from '../../platform/canonical.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { getOrMake } from '../../platform/indexing.ts';
import type { PlannedControl, PlannedPair, SweepPlan, SweepRequest } from '../kind.ts';
import { noneKind } from '../none/kind.ts';
import type { NoneOperation } from '../none/spec.ts';
import { isOpenTo } from './controls.ts';
import { type Mode, separateOf } from './grouping.ts';
import {
  type Allocation,
  complete,
  defaultVariance,
  type MatchRule,
  type MeanRule,
  type PcaControl,
  type PcaOperation,
  type PcaSpec,
  type RankBudget,
} from './spec.ts';

/** Controls that a cell at a threshold has. */
const cellControls = ['random-subspace', 'noise', 'other-layer'] as const satisfies PcaControl[];

/**
 * Each cell once, most kept first: the components that one cell needs then serve all after it.
 * @throws SurgeryError `usage` for partners of modes that share nothing, and as an operation's completion does
 */
export function designSweep(
  { varied, fixed, match, controls }: SweepRequest<PcaSpec>,
  config: LlamaConfig,
): SweepPlan<PcaOperation | NoneOperation> {
  const named = varied.mode ?? ['separate', 'shared-kv'];
  const means = unique<MeanRule>(varied.mean ?? ['keep']);
  const allocations = unique<Allocation>(varied.allocate ?? ['uniform']);
  const layerLists = varied.layers ?? [undefined];
  /** Each mode that does something of its own in these layers. */
  const modesOf = (spec: PcaSpec) => unique<Mode>(named.map((mode) => complete({ ...spec, mode }, config).mode));
  const commonOf = (layers: readonly number[] | undefined): PcaSpec => ({
    kind: 'pca',
    ...fixed,
    ...(layers ? { layers } : {}),
  });
  if (match.length > 0 && !layerLists.some((layers) => modesOf(commonOf(layers)).some(separateOf)))
    throw new SurgeryError(
      'usage',
      `--match gives a shared mode its separate partner, --mode ${unique(named).join()} shares nothing${fixed.targets ? ` of ${fixed.targets.join()}` : ''}`,
    );
  const list = new CellList(config);

  /** The cells of every mode, their partners and controls. */
  const addModes = (modes: readonly Mode[], rest: Omit<PcaSpec, 'mode'>) => {
    const made = new Map<Mode, number>();
    for (const mode of modes) {
      const spec: PcaSpec = { ...rest, mode };
      const cell = list.add(spec);
      made.set(mode, cell);
      const alone = separateOf(mode);
      for (const rule of alone ? match : []) {
        if (!alone) continue;
        if (rule === 'variance') made.set(alone, list.add({ ...spec, mode: alone }));
        else list.pair(rule, cell, list.add({ ...spec, mode: alone, match: { rule: rule as MatchRule, of: mode } }));
      }
      if (!controls) continue;
      for (const control of cellControls)
        if (isOpenTo(complete(spec, config), control)) list.control(control, list.add({ ...spec, control }), cell);
    }
    for (const [mode, cell] of made) {
      const partner = made.get(separateOf(mode) ?? mode);
      // A partner that has fewer components than the rank is not of equal rank.
      if (partner !== undefined && partner !== cell && list.rankOf(partner) === list.rankOf(cell))
        list.pair(rest.rank === undefined ? 'variance' : 'rank', cell, partner);
    }
  };

  for (const layers of layerLists) {
    const common = commonOf(layers);
    const modes = modesOf(common);
    // What it costs to do nothing does not depend on the mode.
    if (controls) list.control('none', list.addNone(common));
    for (const mode of controls ? modes : [])
      list.control('full-rank', list.add({ ...common, mode, variance: 1, control: 'full-rank' }));
    for (const budget of budgets(varied)) {
      for (const mean of means) {
        for (const allocate of allocations) addModes(modes, { ...common, ...budget, mean, allocate });
        if (allocations.length < 2) continue;
        for (const mode of modes) {
          const cell = (allocate: Allocation) => list.add({ ...common, ...budget, mode, mean, allocate });
          list.pair('allocate', cell('global'), cell('uniform'));
        }
      }
    }
  }
  return list.design();
}

/** What the cells keep: thresholds from the highest on, then ranks from the largest on. */
export function budgets({ variance, rank }: SweepRequest<PcaSpec>['varied']): RankBudget[] {
  return [
    ...(variance ?? (rank ? [] : [defaultVariance])).map((one) => ({ variance: one })),
    ...(rank ?? []).map((one) => ({ rank: one })),
  ].sort(mostFirst);
}

export function mostFirst(a: RankBudget, b: RankBudget): number {
  if ('variance' in a) return 'variance' in b ? b.variance - a.variance : -1;
  return 'rank' in b ? b.rank - a.rank : 1;
}

/** Cells, pairs and controls, each once. */
class CellList {
  readonly #config: LlamaConfig;
  readonly #cells: SweepPlan<PcaOperation | NoneOperation>['cells'][number][] = [];
  readonly #places = new Map<string, number>();
  readonly #pairs = new Map<string, PlannedPair>();
  readonly #controls = new Map<string, PlannedControl>();

  constructor(config: LlamaConfig) {
    this.#config = config;
  }

  /** The cell's place in the list. */
  add(spec: PcaSpec): number {
    return this.#place(complete(spec, this.#config));
  }

  rankOf(cell: number): number | undefined {
    const operation = this.#cells[cell];
    return operation?.kind === 'pca' ? operation.rank : undefined;
  }

  addNone({ targets, layers }: PcaSpec): number {
    const where = { ...(targets ? { targets } : {}), ...(layers ? { layers } : {}) };
    return this.#place(noneKind.complete({ kind: 'none', ...where }, this.#config));
  }

  pair(rule: string, cell: number, partner: number): void {
    const pair = { rule, cell, partner };
    this.#pairs.set(canonical(pair), pair);
  }

  control(control: string, cell: number, of?: number): void {
    const one = { control, cell, ...(of === undefined ? {} : { of }) };
    this.#controls.set(canonical(one), one);
  }

  design(): SweepPlan<PcaOperation | NoneOperation> {
    return { cells: this.#cells, pairs: [...this.#pairs.values()], controls: [...this.#controls.values()] };
  }

  #place(operation: SweepPlan<PcaOperation | NoneOperation>['cells'][number]): number {
    return getOrMake(this.#places, canonical(operation), () => this.#cells.push(operation) - 1);
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
