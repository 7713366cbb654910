// An operation on a checkpoint: groups, ranks, rebuilt weights, and what was lost.
import { createHash } from 'node:crypto';
import { projectionShape } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../errors.ts';
import { Fits, type FitsOptions, type OnProgress, type Preparation, type Rebuild } from './fits.ts';
import type { Budget, RebuiltGroup, RebuiltPart } from './group.ts';
import { type Group, groupsOf, type Mode, type Part } from './groups.ts';
import { type Control, type Operation, requireSense, type Settled, settled } from './operation.ts';
import { globalRanks, type Known, matchedRanks, uniformRanks } from './ranks.ts';
import { type Curve, curveOf } from './spectrum.ts';

/** What an operation did to one group, or to a layer's part of a group over several layers. */
export interface GroupReport {
  readonly name: string;
  readonly rank: number;
  /** Components there are: min(rows, columns) of the stacked matrix. */
  readonly of: number;
  /** Share of the variance that the kept components explain. */
  readonly explained: number;
  /** By projection, ‖W − Ŵ‖ / ‖W‖ in Frobenius norm, before rounding to the dtype. */
  readonly relativeError: Readonly<Record<string, number>>;
  /** By projection, ‖W‖². */
  readonly squaredNorm: Readonly<Record<string, number>>;
  /**
   * Parameters as dense matrices, and as `rank × (in + Σ out)` if the factors were kept instead. Layers that share a
   * group share its `rank × in` equally.
   */
  readonly parameters: { readonly dense: number; readonly factored: number };
}

export interface LayerReport {
  readonly layer: number;
  readonly groups: readonly GroupReport[];
}

/** A variant's tensors, (out_features, in_features) row-major, and how they came about. */
export interface Operated {
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** The layers operated on; none for the control that does nothing. */
  readonly layers: readonly LayerReport[];
  /** The spectrum of each group. */
  readonly curves: readonly Curve[];
  /** Groups whose components came from the cache. */
  readonly fromCache: number;
}

/**
 * Rebuilds the chosen projections of the chosen layers of a checkpoint, which stays as it is.
 * @returns the new weights, holding exactly what a file of their dtype holds, and what was kept and lost
 * @throws SurgeryError `usage` for an operation that makes no sense, `numeric`, by tensor name, for weights that are not
 * finite or do not fit the dtype
 */
export async function operate(
  checkpoint: Checkpoint,
  operation: Operation,
  { onProgress, ...options }: FitsOptions & { readonly onProgress?: OnProgress } = {},
): Promise<Operated> {
  const fits = new Fits(checkpoint, options);
  try {
    return await operateWith(fits, operation, onProgress);
  } finally {
    await fits.close();
  }
}

/**
 * Rebuilds the chosen projections of the chosen layers; a projection's bias stays as it is. The variant holds exactly
 * what a file of its dtype holds.
 * @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype
 * @throws SurgeryError `usage` for a control that the mode does not have
 */
export async function operateWith(fits: Fits, operation: Operation, onProgress?: OnProgress): Promise<Operated> {
  const { config } = fits.checkpoint;
  requireSense(operation, config);
  const whole = settled(operation, config);
  const groups = groupsOf(whole.mode, whole.targets, whole.layers, config);
  if (whole.control === 'none') return untouched(fits, groups);
  const budgets = await budgetsOf(fits, whole, groups);
  const wanted: Rebuild[] = withOtherLayers(groups, whole).map((group, i) => ({
    group,
    rebuilding: {
      budget: budgets[i] ?? { rank: 0 },
      mean: whole.mean,
      ...drawn(group, whole),
    },
  }));
  const rebuilt = await fits.rebuild(wanted, preparationOf(whole), onProgress);
  return {
    tensors: assembled(fits.checkpoint, rebuilt),
    layers: reports(wanted, rebuilt, whole.layers),
    curves: wanted.map(({ group }, i) => curveOf(group, rebuilt[i]?.explainedVarianceRatio ?? [])),
    fromCache: rebuilt.filter(({ fromCache }) => fromCache).length,
  };
}

/** Whether a control exists for a mode: only what shares k and v within a layer can share them with another layer's. */
export function hasControl(mode: Mode, control: Control): boolean {
  if (control !== 'other-layer') return true;
  return mode === 'shared-kv' || mode === 'shared-qkv' || mode === 'per-head-kv';
}

/** How much of each group is kept. */
async function budgetsOf(fits: Fits, operation: Settled, groups: readonly Group[]): Promise<Budget[]> {
  const { variance, rank, control, allocate, match } = operation;
  if (control === 'full-rank') return groups.map(() => ({ rank: Number.MAX_SAFE_INTEGER }));
  if (match) return (await partnerRanks(fits, operation, match.of, groups)).map((each) => ({ rank: each }));
  // The threshold itself, where it will do: then a matrix is looked at only once.
  if (allocate === 'uniform' && control !== 'other-layer')
    return groups.map(() => (variance === undefined ? { rank: rank ?? 0 } : { variance }));
  return ranksOf(operation, await known(fits, operation, groups)).map((each) => ({ rank: each }));
}

function ranksOf({ variance, rank, allocate }: Settled, groups: readonly Known[]): number[] {
  const limits = { ...(variance === undefined ? {} : { variance }), ...(rank === undefined ? {} : { rank }) };
  const uniform = uniformRanks(groups, limits);
  return allocate === 'global' ? globalRanks(groups, uniform) : uniform;
}

/** Ranks of an operation whose groups are the parts of a shared one, each alone, at the same budget. */
async function partnerRanks(fits: Fits, operation: Settled, of: Mode, groups: readonly Group[]): Promise<number[]> {
  const { targets, layers, mean, match } = operation;
  const shared = await known(fits, operation, groupsOf(of, targets, layers, fits.checkpoint.config));
  const sharedRanks = ranksOf(operation, shared);
  const alone = await known(fits, { ...operation, balance: false }, groups);
  const found = new Map<Group, number>();
  for (const [i, { group, spectrum }] of shared.entries()) {
    const rank = sharedRanks[i] ?? 0;
    const parts = group.parts.map((part) => alone.find((one) => samePart(one.group.parts[0], part)));
    if (parts.some((part) => part === undefined)) throw new TypeError(`${group.name} has a part that is not alone`);
    const partners = parts.filter((part) => part !== undefined);
    const shapes = group.parts.map((part) => shapeOf(fits.checkpoint, part));
    const squaredError = await squaredErrorOf(fits, operation, group, spectrum, rank);
    const ranks =
      partners.length === 1 || !match
        ? [rank]
        : matchedRanks(
            match.rule,
            { rank, squaredError, shapes },
            partners.map((partner) => partner.spectrum),
            mean,
          );
    for (const [j, partner] of partners.entries()) found.set(partner.group, ranks[j] ?? 0);
  }
  return groups.map((group) => found.get(group) ?? 0);
}

/** Σ ‖W − Ŵ‖² over the parts of a shared group, before rounding. */
async function squaredErrorOf(
  fits: Fits,
  operation: Settled,
  group: Group,
  { eigenvalues, meanSquares }: Known['spectrum'],
  rank: number,
): Promise<number> {
  const { mean, balance } = operation;
  if (!balance) return (mean === 'drop' ? meanSquares : 0) + sumFromSmallest(eigenvalues.subarray(rank));
  // The spectrum is that of the balanced matrix, which says nothing about the error of the parts.
  const wanted = [{ group, rebuilding: { budget: { rank }, mean } }];
  const [rebuilt] = await fits.rebuild(wanted, preparationOf(operation));
  return (rebuilt?.parts ?? []).reduce((sum, { squaredError }) => sum + squaredError, 0);
}

function sumFromSmallest(sorted: Float64Array): number {
  return sorted.reduceRight((sum, value) => sum + Math.max(value, 0), 0);
}

async function known(fits: Fits, operation: Settled, groups: readonly Group[]): Promise<Known[]> {
  const spectra = await fits.spectra(groups, preparationOf(operation));
  return groups.flatMap((group, i) => {
    const spectrum = spectra[i];
    return spectrum ? [{ group, spectrum }] : [];
  });
}

function preparationOf({ center, balance }: Settled): Preparation {
  return { center, balance };
}

/** For the control of that name: every v moves to the group of the chosen layer before it. */
function withOtherLayers(groups: readonly Group[], { control, mode, layers }: Settled): readonly Group[] {
  if (control !== 'other-layer') return groups;
  if (!hasControl(mode, control))
    throw new SurgeryError(
      'usage',
      `the control other-layer needs k and v to share a PCA in each layer, ${mode} has none`,
    );
  const next = (layer: number) => layers[(layers.indexOf(layer) + 1) % layers.length] ?? layer;
  return groups.map((group) =>
    group.parts.length === 1
      ? group
      : {
          ...group,
          parts: group.parts.map((part) => (part.projection === 'v' ? { ...part, layer: next(part.layer) } : part)),
        },
  );
}

/** What a control draws for a group: the same whatever else is done in the same process. */
function drawn({ name, layer }: Group, { control, seed }: Settled): Pick<Rebuild['rebuilding'], 'control'> {
  if (control !== 'random-subspace' && control !== 'noise') return {};
  const hash = createHash('sha256')
    .update(JSON.stringify([seed, control, name, layer]))
    .digest();
  return { control: { kind: control, seed: hash.readUIntBE(0, 6) } };
}

/** The control that does nothing: the weights themselves, by the same way as an operation's. */
async function untouched(fits: Fits, groups: readonly Group[]): Promise<Operated> {
  const parts: RebuiltPart[] = [];
  for (const group of groups) {
    for (const { name, row, shape, values } of await fits.members(group))
      parts.push({ name, row, cols: shape[1], values, squaredError: 0, squaredNorm: 0 });
  }
  return { tensors: assembled(fits.checkpoint, [{ parts }]), layers: [], curves: [], fromCache: 0 };
}

/** Whole tensors from the parts that were rebuilt. */
function assembled(
  checkpoint: Checkpoint,
  rebuilt: readonly Pick<RebuiltGroup, 'parts'>[],
): ReadonlyMap<string, Float32Array> {
  const tensors = new Map<string, Float32Array>();
  for (const { name, row, values } of rebuilt.flatMap(({ parts }) => parts)) {
    const [rows = 0, cols = 0] = checkpoint.tensor(name).shape;
    if (values.length === rows * cols) tensors.set(name, values);
    else {
      const tensor = tensors.get(name) ?? new Float32Array(rows * cols);
      tensor.set(values, row * cols);
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

function reports(
  wanted: readonly Rebuild[],
  rebuilt: readonly RebuiltGroup[],
  layers: readonly number[],
): LayerReport[] {
  return layers.map((layer) => ({
    layer,
    groups: wanted.flatMap(({ group }, i) => {
      const one = rebuilt[i];
      const own = group.layer ?? layer;
      return one && own === layer ? [reportOf(group, one, layer)] : [];
    }),
  }));
}

function reportOf(group: Group, { rank, of, explained, parts }: RebuiltGroup, layer: number): GroupReport {
  const relativeError: Record<string, number> = {};
  const norms: Record<string, number> = {};
  let outs = 0;
  let ins = 0;
  for (const [i, { projection, layer: from }] of group.parts.entries()) {
    const part = parts[i];
    if (!part || (group.layer === undefined && from !== layer)) continue;
    const { values, squaredError, squaredNorm } = part;
    relativeError[projection] = squaredNorm > 0 ? Math.sqrt(squaredError / squaredNorm) : 0;
    norms[projection] = squaredNorm;
    ins = part.cols;
    outs += values.length / ins;
  }
  const sharers = new Set(group.parts.map((part) => part.layer)).size;
  const parameters = { dense: ins * outs, factored: rank * (outs + ins / (group.layer === undefined ? sharers : 1)) };
  return { name: group.name, rank, of, explained, relativeError, squaredNorm: norms, parameters };
}

function shapeOf({ config }: Checkpoint, { projection, rows }: Part): [number, number] {
  const [all, cols] = projectionShape(config, projection);
  return [rows ? rows[1] - rows[0] : all, cols];
}

function samePart(a: Part | undefined, b: Part): boolean {
  return a?.layer === b.layer && a.projection === b.projection && a.rows?.[0] === b.rows?.[0];
}
