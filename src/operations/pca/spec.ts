// The parameters of the kind `pca`: each described once, with its default and its limits.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { Projection } from '../../checkpoint/names.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { number, oneOf, onOrOff, whole } from '../../platform/option-values.ts';
import type { Fields } from '../kind.ts';
import { completeWhere, layersField, targetsField } from '../where.ts';
import { type Dimensions, type Mode, modes, mostComponents, plainest } from './grouping.ts';

/** Whether rebuilt matrices get their column means back. */
export const means = ['keep', 'drop'] as const;
export type MeanRule = (typeof means)[number];

/**
 * `uniform`: each group reaches the threshold. `global`: the same total rank goes to the largest shares of variance
 * over all layers.
 */
export const allocations = ['uniform', 'global'] as const;
export type Allocation = (typeof allocations)[number];

/** Budgets at which a shared mode and its separate partner are compared, other than the threshold. */
export const matchRules = ['width', 'parameters', 'error'] as const;
export type MatchRule = (typeof matchRules)[number];

/**
 * Variants that a cell of a study is compared with. `full-rank` rebuilds weights from all components; `random-subspace`
 * takes random directions instead of the leading ones; `noise` adds noise as large as the error; `other-layer` stacks k
 * with the v of the next chosen layer.
 */
export const pcaControls = ['full-rank', 'random-subspace', 'noise', 'other-layer'] as const;
export type PcaControl = (typeof pcaControls)[number];

export interface PcaSpec {
  readonly kind: 'pca';
  /** Which projections share a PCA. Default: shared-kv. */
  readonly mode?: Mode;
  /** Share of the variance to keep, 0 < variance ≤ 1. Default 0.9, unless `rank` is given. */
  readonly variance?: number;
  /** Components to keep in every group (all if a group has fewer). */
  readonly rank?: number;
  /** Whether rebuilt matrices get their column means back. Default: keep. */
  readonly mean?: MeanRule;
  /** Whether column means are subtracted before the fit. Default: yes. */
  readonly center?: boolean;
  /** Whether projections that share a PCA are divided by their Frobenius norms before the fit. Default: no. */
  readonly balance?: boolean;
  /** Projections to decompose. Default: q, k, v. */
  readonly targets?: readonly Projection[];
  /** Layers, counted from 0. Default: all. */
  readonly layers?: readonly number[];
  /** How ranks are spread over the layers. Default: uniform. */
  readonly allocate?: Allocation;
  /** This is the separate partner of the same operation in a shared mode, at an equal budget. */
  readonly match?: { readonly rule: MatchRule; readonly of: Mode };
  readonly control?: PcaControl;
  /** Seed of a control's random draws. Default 0. */
  readonly seed?: number;
}

type WithDefault = 'mode' | 'mean' | 'center' | 'balance' | 'targets' | 'layers' | 'allocate' | 'seed';

/** A PCA with every default filled in. */
export interface PcaOperation extends Omit<PcaSpec, WithDefault>, Required<Pick<PcaSpec, WithDefault>> {}

/** Kept where neither a threshold nor a rank is given. */
export const defaultVariance = 0.9;

export const pcaFields: Fields<PcaSpec> = {
  mode: {
    flags: '--mode <mode>',
    help: `which projections share one PCA: ${modes.join(', ')}`,
    default: 'shared-kv',
    sweepDefault: 'separate,shared-kv',
    parse: oneOf('--mode', modes),
    several: 'commas',
  },
  variance: {
    flags: '--variance <t>',
    help: 'share of the variance to keep, above 0 up to 1',
    default: '0.9',
    parse: number('--variance', 0, 1, true),
    several: 'commas',
  },
  rank: {
    flags: '--rank <n>',
    help: 'components to keep in every group, instead of a share of the variance',
    parse: whole('--rank', 0),
    several: 'commas',
  },
  mean: {
    flags: '--mean <rule>',
    help: 'keep adds the column means back, drop does not (the original experiment)',
    default: 'keep',
    parse: oneOf('--mean', means),
    several: 'commas',
  },
  layers: layersField,
  targets: targetsField('q,k,v'),
  center: {
    flags: '--center <on|off>',
    help: 'off decomposes the weights without subtracting their column means',
    default: 'on',
    parse: onOrOff('--center'),
  },
  balance: {
    flags: '--balance',
    help: 'divide projections that share a PCA by their Frobenius norms for the fit, so that the larger one does not dominate',
    parse: onOrOff('--balance'),
  },
  allocate: {
    flags: '--allocate <rule>',
    help: 'uniform: the threshold in every layer; global: as many components in all, spent where they explain most',
    default: 'uniform',
    parse: oneOf('--allocate', allocations),
    several: 'commas',
  },
  match: {
    help: 'the separate partner of a shared mode at an equal budget, such as "width of shared-kv"',
    parse: (text) => {
      const [rule = '', of = ''] = text.split(' of ');
      return { rule: oneOf('match', matchRules)(rule), of: oneOf('match', modes)(of) };
    },
  },
  control: { help: `a control: ${pcaControls.join(', ')}`, parse: oneOf('control', pcaControls) },
  seed: { help: "of a control's random draws", parse: whole('seed', 0) },
};

/**
 * Fills in the defaults, so that specs with the same effect give the same operation: the mode becomes the simplest with the
 * same groups, and a rank is at most the number of components.
 * @throws SurgeryError `usage` for both a threshold and a rank, for one of them out of range, and for a layer or an
 * allocation that there is not
 */
export function complete(spec: PcaSpec, config: Pick<LlamaConfig, 'layers'> & Dimensions): PcaOperation {
  const { kind, mode: named = 'shared-kv', ...rest } = spec;
  const { variance, rank, allocate = 'uniform' } = rest;
  if (variance !== undefined && rank !== undefined)
    throw new SurgeryError('usage', `variance ${variance} and rank ${rank}: give one of them`);
  if (variance !== undefined && !(variance > 0 && variance <= 1))
    throw new SurgeryError('usage', `variance is ${variance}, allowed: a number above 0 up to 1`);
  if (rank !== undefined && !(Number.isInteger(rank) && rank >= 0))
    throw new SurgeryError('usage', `rank is ${rank}, allowed: a whole number from 0`);
  if (rank !== undefined && allocate === 'global')
    throw new SurgeryError('usage', 'allocate global spends what a threshold gives: it goes with a variance');
  const where = completeWhere(spec, config);
  const mode = plainest(named, where, config);
  const match = rest.match && { ...rest.match, of: plainest(rest.match.of, where, config) };
  return {
    kind, // first in what is written
    mode,
    mean: 'keep',
    center: true,
    balance: false,
    seed: 0,
    ...(rank === undefined ? { variance: defaultVariance } : {}),
    ...rest,
    ...(match ? { match } : {}),
    ...(rank === undefined ? {} : { rank: Math.min(rank, mostComponents(match?.of ?? mode, where, config)) }),
    allocate,
    ...where,
  };
}

/** How many components of a group are kept: the fewest that reach a share of the variance, or a fixed rank. */
export type RankBudget = { readonly variance: number } | { readonly rank: number };

/** The threshold or rank of an operation. */
export function budgetOf({ variance, rank, control }: Pick<PcaSpec, 'variance' | 'rank' | 'control'>): RankBudget {
  if (control === 'full-rank') return { variance: 1 };
  return rank === undefined ? { variance: variance ?? defaultVariance } : { rank };
}
