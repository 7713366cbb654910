// The cells of a study of fits: every combination of what is varied, matched partners of shared modes, controls.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { canonical } from '../../platform/canonical.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { getOrMake } from '../../platform/indexing.ts';
import { calibrationParts, type PlannedControl, type PlannedPair, type SweepPlan, type SweepRequest } from '../kind.ts';
import { noneKind } from '../none/kind.ts';
import type { NoneOperation } from '../none/spec.ts';
import { separateOf } from '../pca/grouping.ts';
import { type MatchRule, matchRules } from '../pca/spec.ts';
import { complete, type FitControl, type FitOperation, type FitSpec } from './spec.ts';

type Cell = FitOperation | NoneOperation;

/** Controls that a fit has: of a text, the same fit to its halves and to its tokens in another order. */
function controlsOf({ objective, sequential, layers }: FitOperation): FitControl[] {
  return [
    'random-subspace',
    ...(layers.length > 1 && !sequential ? (['other-layer'] as const) : []),
    ...(objective === 'weights' ? [] : calibrationParts),
  ];
}

/**
 * Each cell once, in the order of what is varied, with its partners and controls.
 * @throws SurgeryError `usage` for partners of modes that share nothing, and as a fit's completion does
 */
export function designFits(
  { varied, fixed, match, controls }: SweepRequest<FitSpec>,
  config: LlamaConfig,
): SweepPlan<Cell> {
  const cells: Cell[] = [];
  const places = new Map<string, number>();
  const place = (operation: Cell) => getOrMake(places, canonical(operation), () => cells.push(operation) - 1);
  const pairs = new Map<string, PlannedPair>();
  const pair = (one: PlannedPair) => void pairs.set(canonical(one), one);
  const found: PlannedControl[] = [];
  const specs = combinations({ kind: 'fit', ...fixed }, varied);
  if (controls) {
    const { targets, layers } = complete(specs[0] ?? { kind: 'fit' }, config);
    found.push({ control: 'none', cell: place(noneKind.complete({ kind: 'none', targets, layers }, config)) });
  }
  let shares = false;
  for (const spec of specs) {
    const operation = complete(spec, config);
    const cell = place(operation);
    const alone = separateOf(operation.mode);
    shares ||= alone !== undefined;
    for (const rule of alone ? match : []) {
      const rules: readonly string[] = matchRules;
      // At an equal share, rank or energy, which is not an equal budget.
      if (!rules.includes(rule))
        pair({ rule: budgetName(operation), cell, partner: place(complete({ ...spec, mode: alone }, config)) });
      else {
        const matched = { rule: rule as MatchRule, of: operation.mode };
        pair({ rule, cell, partner: place(complete({ ...spec, mode: alone, match: matched }, config)) });
      }
    }
    for (const control of controls ? controlsOf(operation) : [])
      found.push({ control, cell: place(complete({ ...spec, control }, config)), of: cell });
  }
  if (match.length > 0 && !shares)
    throw new SurgeryError(
      'usage',
      '--match gives a shared mode its separate partner, and no mode here shares anything',
    );
  return { cells, pairs: [...pairs.values()], controls: found };
}

const budgetName = ({ ratio, rank }: FitOperation) =>
  rank !== undefined ? 'rank' : ratio !== undefined ? 'ratio' : 'energy';

/** Budgets are alternatives, all else is combined. */
function combinations(fixed: FitSpec, { ratio, rank, energy, ...others }: SweepRequest<FitSpec>['varied']): FitSpec[] {
  const budgets: Partial<FitSpec>[] = [
    ...(ratio ?? []).map((one) => ({ ratio: one })),
    ...(rank ?? []).map((one) => ({ rank: one })),
    ...(energy ?? []).map((one) => ({ energy: one })),
  ];
  let specs = (budgets.length > 0 ? budgets : [{}]).map((budget): FitSpec => ({ ...fixed, ...budget }));
  for (const [key, values] of Object.entries(others))
    specs = specs.flatMap((spec) => (values as readonly unknown[]).map((value) => ({ ...spec, [key]: value })));
  return specs;
}
