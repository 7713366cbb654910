// The parameters of the kind `fit`: each described once, with its default and its limits.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { Projection } from '../../checkpoint/names.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { number, oneOf, onOrOff, whole } from '../../platform/option-values.ts';
import { type CalibrationPart, calibrationParts, type Fields } from '../kind.ts';
import { type Dimensions, type Mode, mostComponents, plainest } from '../pca/grouping.ts';
import { type MatchRule, pcaFields } from '../pca/spec.ts';
import { completeWhere } from '../where.ts';

/**
 * The error that the kept directions minimise. `outputs`: that of the outputs on the calibration text. `scaled`: that of the
 * weights, each input scaled by the square root of its mean magnitude there (ASVD, α 0.5). `weights`: that of the weights,
 * without any text.
 */
export const objectives = ['outputs', 'scaled', 'weights'] as const;
export type Objective = (typeof objectives)[number];

/** Variants that a cell of a study is compared with: the same fit to another text, or other directions. */
export const fitControls = ['random-subspace', 'other-layer', ...calibrationParts] as const;
export type FitControl = (typeof fitControls)[number];

/**
 * How ranks are spread. `uniform`: each group keeps the same. `global`: the same parameters in total, spent where each keeps
 * most of its own group's energy (reverse water-filling). `v2`: among projections of one name, the removed share is
 * proportional to 1 / log of the loss at a uniform share (SVD-LLM v2, Wang et al. 2025).
 */
export const fitAllocations = ['uniform', 'global', 'v2'] as const;
export type FitAllocation = (typeof fitAllocations)[number];

export interface FitSpec {
  readonly kind: 'fit';
  /** Default: outputs. */
  readonly objective?: Objective;
  /** Which projections share a basis of their outputs. Default: shared-kv. */
  readonly mode?: Mode;
  /** Share of each group's parameters that is removed, 0 ≤ ratio < 1. Default 0.2, unless `rank` or `energy` is given. */
  readonly ratio?: number;
  /** Directions to keep in every group (all if a group has fewer). */
  readonly rank?: number;
  /** Share of the objective's energy to keep in every group, 0 < energy ≤ 1. */
  readonly energy?: number;
  /** Projections to fit. Default: q, k, v. */
  readonly targets?: readonly Projection[];
  /** Layers, counted from 0. Default: all. */
  readonly layers?: readonly number[];
  /** Whether each layer is fitted to the residual stream that the already edited layers before it write. Default: no. */
  readonly sequential?: boolean;
  /** How ranks are spread over the groups. Default: uniform. */
  readonly allocate?: FitAllocation;
  /** This is the separate partner of the same fit in a shared mode, at an equal budget. */
  readonly match?: { readonly rule: MatchRule; readonly of: Mode };
  readonly control?: FitControl;
  /** Seed of a control's random draws. Default 0. */
  readonly seed?: number;
}

type WithDefault = 'objective' | 'mode' | 'targets' | 'layers' | 'sequential' | 'allocate' | 'seed';

/** A fit with every default filled in. */
export interface FitOperation extends Omit<FitSpec, WithDefault>, Required<Pick<FitSpec, WithDefault>> {}

/** Share of parameters removed if neither ratio, rank nor energy is given. */
const defaultRatio = 0.2;

export const fitFields: Fields<FitSpec> = {
  objective: {
    flags: '--objective <what>',
    help: 'what is kept best: outputs on the calibration text; scaled: weights, each input times the root of its mean size there (ASVD); weights (plain SVD)',
    default: 'outputs',
    parse: oneOf('--objective', objectives),
    several: 'commas',
  },
  mode: pcaFields.mode,
  ratio: {
    flags: '--ratio <r>',
    help: 'share of the parameters that the factors do without',
    default: '0.2',
    parse: number('--ratio', 0, 1),
    several: 'commas',
  },
  rank: pcaFields.rank,
  energy: {
    flags: '--energy <t>',
    help: "share of the objective's energy to keep, above 0 up to 1",
    parse: number('--energy', 0, 1, true),
    several: 'commas',
  },
  layers: pcaFields.layers,
  targets: pcaFields.targets,
  sequential: {
    flags: '--sequential',
    help: 'fit each layer to what the operated layers before it write, instead of the original',
    parse: onOrOff('--sequential'),
  },
  allocate: {
    flags: '--allocate <rule>',
    help: pcaFields.allocate.help,
    default: 'uniform',
    parse: oneOf('--allocate', fitAllocations),
    several: 'commas',
  },
  match: pcaFields.match,
  control: { help: `a control: ${fitControls.join(', ')}`, parse: oneOf('control', fitControls) },
  seed: { help: "of a control's random draws", parse: whole('seed', 0) },
};

/** How many directions of a group are kept. */
export type FitBudget = { readonly ratio: number } | { readonly rank: number } | { readonly energy: number };

export function budgetOf({
  ratio = defaultRatio,
  rank,
  energy,
}: Pick<FitSpec, 'ratio' | 'rank' | 'energy'>): FitBudget {
  if (rank !== undefined) return { rank };
  return energy === undefined ? { ratio } : { energy };
}

/**
 * Fills in the defaults, so that specs with the same effect give the same operation, as for the kind pca.
 * @throws SurgeryError `usage` for two budgets, for one of them out of range, for a layer that there is not, and for a mode
 * or a control that a fit cannot have
 */
export function complete(spec: FitSpec, config: Pick<LlamaConfig, 'layers'> & Dimensions): FitOperation {
  const {
    kind,
    mode: named = 'shared-kv',
    objective = 'outputs',
    sequential = false,
    allocate = 'uniform',
    seed = 0,
    ...rest
  } = spec;
  const { ratio, rank, energy, control } = rest;
  const given = Object.entries({ ratio, rank, energy }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new SurgeryError('usage', `${given.map((one) => one.join(' ')).join(' and ')}: give one of them`);
  if (ratio !== undefined && !(ratio >= 0 && ratio < 1))
    throw new SurgeryError('usage', `ratio is ${ratio}, allowed: a number from 0 up to, but not, 1`);
  if (energy !== undefined && !(energy > 0 && energy <= 1))
    throw new SurgeryError('usage', `energy is ${energy}, allowed: a number above 0 up to 1`);
  if (rank !== undefined && !(Number.isInteger(rank) && rank >= 0))
    throw new SurgeryError('usage', `rank is ${rank}, allowed: a whole number from 0`);
  const where = completeWhere(spec, config);
  const mode = plainest(named, where, config);
  const match = rest.match && { ...rest.match, of: plainest(rest.match.of, where, config) };
  if (mode === 'cross-layer-kv')
    throw new SurgeryError(
      'usage',
      'a fit shares a basis of outputs, and layers have different inputs: mode cross-layer-kv is of the kind pca',
    );
  if (objective === 'weights' && sequential)
    throw new SurgeryError(
      'usage',
      'sequential has no effect on objective weights, which no text is read for: leave one out',
    );
  if (objective === 'weights' && partOf({ control }) !== undefined)
    throw new SurgeryError('usage', `control ${control} is of fits to a text, objective weights reads none`);
  for (const [option, isGiven] of [
    [`allocate ${allocate}`, allocate !== 'uniform'],
    ['a matched partner', match !== undefined],
    ['control other-layer', control === 'other-layer'],
  ] as const)
    if (sequential && isGiven)
      throw new SurgeryError(
        'usage',
        `${option} looks at all layers before the first one changes, and a sequential fit at one after the other: leave one out`,
      );
  if (allocate === 'v2' && (rank !== undefined || energy !== undefined))
    throw new SurgeryError('usage', 'allocate v2 spreads a share of the parameters: it goes with a ratio');
  return {
    kind, // first in what is written
    objective,
    mode,
    ...budgetOf(rest),
    ...(rank === undefined ? {} : { rank: Math.min(rank, mostComponents(match?.of ?? mode, where, config)) }),
    ...where,
    sequential,
    allocate,
    ...(match ? { match } : {}),
    ...(control ? { control } : {}),
    seed,
  };
}

/** The part of the calibration text that a control is fitted to. */
export function partOf({ control }: Pick<FitSpec, 'control'>): CalibrationPart | undefined {
  return calibrationParts.find((part) => part === control);
}
