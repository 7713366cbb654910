// What an operation is: everything that decides a variant's weights, apart from the checkpoint.
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Projection } from '../checkpoint/names.ts';
import { SurgeryError } from '../errors.ts';
import { type Mode, projections } from './groups.ts';

/** What `--mean` says: whether the rebuilt matrix gets its column means back. */
export const means = ['keep', 'drop'] as const;
export type MeanRule = (typeof means)[number];

/** What is held equal between a shared operation and its separate partner, other than the threshold. */
export const matchRules = ['width', 'parameters', 'error'] as const;
export type MatchRule = (typeof matchRules)[number];

/**
 * What a result is held against. `none` replaces weights by themselves; `full-rank` rebuilds them from all components;
 * `random-subspace` takes random directions instead of the leading ones; `noise` adds noise as large as the error;
 * `other-layer` stacks k with the v of the next chosen layer.
 */
export const controls = ['none', 'full-rank', 'random-subspace', 'noise', 'other-layer'] as const;
export type Control = (typeof controls)[number];

export interface Operation {
  readonly mode: Mode;
  /** Share of the variance to keep, 0 < variance ≤ 1. Either this or `rank` is given. */
  readonly variance?: number;
  /** Components to keep in every group, as far as there are so many. */
  readonly rank?: number;
  /** Whether rebuilt matrices get their column means back. */
  readonly mean: MeanRule;
  /** Whether column means are taken off before the fit. Default: yes. */
  readonly center?: boolean;
  /** Whether projections that share a PCA are divided by their norms before the fit. Default: no. */
  readonly balance?: boolean;
  /** Default: q, k, v. */
  readonly targets?: readonly Projection[];
  /** Default: all. */
  readonly layers?: readonly number[];
  /** `global` spends the ranks that the threshold gives, all layers together, on the largest shares. Default: uniform. */
  readonly allocate?: 'uniform' | 'global';
  /** This is the separate partner of the same operation in a shared mode, at an equal budget. */
  readonly match?: { readonly rule: MatchRule; readonly of: Mode };
  readonly control?: Control;
  /** Of what a control draws at random. Default 0. */
  readonly seed?: number;
}

/** An operation with nothing left to default. */
export type Settled = Operation &
  Required<Pick<Operation, 'center' | 'balance' | 'targets' | 'layers' | 'allocate' | 'seed'>>;

/** Fills in the defaults; lists are put in order. */
export function settled(operation: Operation, config: Pick<LlamaConfig, 'layers'>): Settled {
  const { targets = ['q', 'k', 'v'], layers = Array.from({ length: config.layers }, (_, i) => i) } = operation;
  return {
    center: true,
    balance: false,
    allocate: 'uniform',
    seed: 0,
    ...operation,
    targets: projections.filter((projection) => targets.includes(projection)),
    layers: [...new Set(layers)].sort((a, b) => a - b),
  };
}

/** @throws SurgeryError `usage` for a variance, a rank or a layer that there is not */
export function requireSense(
  { variance, rank, layers = [], match }: Operation,
  config: Pick<LlamaConfig, 'layers'>,
): void {
  if (variance === undefined && rank === undefined && !match)
    throw new SurgeryError('usage', 'an operation says neither variance nor rank: give one of them');
  if (variance !== undefined && !(variance > 0 && variance <= 1))
    throw new SurgeryError('usage', `variance is ${variance}, allowed: a number above 0 up to 1`);
  if (rank !== undefined && !(Number.isInteger(rank) && rank >= 0))
    throw new SurgeryError('usage', `rank is ${rank}, allowed: a whole number from 0`);
  const wrong = layers.find((layer) => !Number.isInteger(layer) || layer < 0 || layer >= config.layers);
  if (wrong !== undefined)
    throw new SurgeryError('usage', `layer ${wrong} is not there, allowed: 0 to ${config.layers - 1}`);
}
