// What the options say about an operation, checked against the model.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { projectionName } from '../checkpoint/names.ts';
import { classOf, groupsOf } from '../decompose/groups.ts';
import { type Operation, type Settled, settled } from '../decompose/operation.ts';
import { SurgeryError } from '../errors.ts';
import type { OperationInfo } from '../report/results.ts';
import type { Kept } from '../study/grid.ts';
import type { OperationOptions, SharedOperationOptions } from './options.ts';

/** Kept where neither a threshold nor a rank is given. */
export const defaultVariance = 0.9;

/**
 * The operation that the options of `run` ask for.
 * @throws SurgeryError `usage` for both a threshold and a rank, and for a layer that the model has not
 */
export function operationOf(options: OperationOptions, config: LlamaConfig): Settled {
  const { mode, variance, rank, allocate } = options;
  if (variance !== undefined && rank !== undefined)
    throw new SurgeryError('usage', `--variance ${variance} and --rank ${rank}: give one of them`);
  if (rank !== undefined && allocate === 'global') throw spreadRanks();
  const budget = rank === undefined ? { variance: variance ?? defaultVariance } : { rank };
  return settled({ mode, ...budget, ...sharedPart(options, config) }, config);
}

/**
 * What the cells of a study keep, by the options that take several values.
 * @throws SurgeryError `usage` for ranks that are to be spread, which only thresholds are
 */
export function keptOf({
  variance,
  rank,
  allocate,
}: {
  readonly variance?: readonly number[];
  readonly rank?: readonly number[];
  readonly allocate: string | readonly string[];
}): Kept[] {
  if (rank && allocate.includes('global')) throw spreadRanks();
  return [
    ...(variance ?? (rank ? [] : [defaultVariance])).map((each) => ({ variance: each })),
    ...(rank ?? []).map((each) => ({ rank: each })),
  ];
}

function spreadRanks(): SurgeryError {
  return new SurgeryError('usage', '--allocate global spends what a threshold gives: it goes with --variance');
}

/** The part of an operation that all cells of a sweep share. */
export function sharedPart(
  options: SharedOperationOptions,
  config: LlamaConfig,
): Omit<Operation, 'mode' | 'variance' | 'rank'> {
  const { mean, center, balance = false, targets, layers, allocate } = options;
  const over = layers?.find((layer) => layer >= config.layers);
  if (over !== undefined) {
    const last = config.layers - 1;
    throw new SurgeryError('usage', `--layers names layer ${over}, this model's layers are 0 to ${last}`);
  }
  return {
    mean,
    center: center === 'on',
    balance,
    allocate,
    ...(targets ? { targets } : {}),
    ...(layers ? { layers } : {}),
  };
}

/** An operation as results tell it. */
export function operationInfo(operation: Settled, config: LlamaConfig): OperationInfo {
  const groups = groupsOf(operation.mode, operation.targets, operation.layers, config).map(classOf);
  return { ...operation, groups: [...new Set(groups)] };
}

/** Names of the weights that operations touch. */
export function touched(operations: readonly Pick<Settled, 'targets' | 'layers'>[]): string[] {
  const names = operations.flatMap(({ targets, layers }) =>
    layers.flatMap((layer) => targets.map((target) => projectionName(layer, target))),
  );
  return [...new Set(names)];
}
