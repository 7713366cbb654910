// Probes over the depth of a model: one for each point of the residual stream, one for all of them, and baselines.

import { type Matrix, productThreads } from '../../linalg/products.ts';
import { seededRandom } from '../../linalg/random.ts';
import { pickRows, transpose } from '../../linalg/rows.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import { WorkerPool } from '../../platform/threads/pool.ts';
import type { Activations, Positions } from '../recorded-residuals.ts';
import { type ProbeSetup, splitFor } from './baselines.ts';
import { evaluateMaps } from './evaluation.ts';
import { fitProbes, type LinearMap, momentsOf, type Probe, type RowSplit, type SplitSums, splitRows } from './fit.ts';
import { described } from './matrix-similarity.ts';
import { gramAbout, type Source } from './moments.ts';
import type { DepthEvaluation, MapEvaluation, MapKind, PointEvaluation, ProbeTask } from './result.ts';
import { fitInSubspaces } from './subspace-probes.ts';
import { embeddingTarget } from './targets.ts';
import { identityMap, meanMap, randomMap } from './untrained-maps.ts';
import { inRuns, signalShares, weightShares } from './weight-spectrum.ts';

/** Runs of components that weights are summed over. */
export const runs = 8;

/** Share of the work at a point that is done after each stage, for progress. */
const trained = 0.35;
const evaluated = 0.6;
const inside = 0.95;

/**
 * Fits and evaluates probes at all points.
 * @param names of the points
 * @param onProgress called with the points done, the share of the one under way included
 * @throws SurgeryError `numeric` for activations that are not finite
 */
export async function probeDepth(
  activations: Activations,
  names: readonly string[],
  setup: ProbeSetup,
  onProgress?: (done: number, total: number) => void,
): Promise<DepthEvaluation> {
  const { splits, seed } = setup;
  const targets = { embedding: embeddingTarget(setup.vocabulary.embedding), tokens: true };
  const anyPoint = seededRandom(seed + 5);
  const sample = Uint8Array.from({ length: activations.rows }, () => Math.floor(anyPoint() * activations.points));
  onProgress?.(0, names.length);
  const sampled = await momentsOf(activations.atEach(sample), splits.map(withoutShuffled));
  onProgress?.(0, names.length);
  const pool = new WorkerPool(productThreads());
  try {
    const together = await fitProbes(sampled, targets, pool, () => onProgress?.(0, names.length));
    const pooled = together.map((probe) => trainedMap('pooled', probe));
    const points: PointEvaluation[] = [];
    let chance: MapEvaluation[] = [];
    for (const [i, point] of names.entries()) {
      const between = (from: number, to: number) => (share: number) =>
        onProgress?.(i + from + (to - from) * share, names.length);
      const source = activations.at(i);
      const sums = await momentsOf(source, splits);
      const probes = await fitProbes(sums, targets, pool, between(0, trained));
      const own = probes.map((probe) => trainedMap(probe.shuffled ? 'shuffled' : 'probe', probe));
      const entries = [...own, ...pooled, ...(await baselines(probes, setup))];
      const readings = await evaluate(entries, source, setup, between(trained, evaluated));
      if (i === 0) chance = await evaluate(probes.filter(({ shuffled }) => !shuffled).map(meanEntry), source, setup);
      const parts = await evaluateSubspaces(sums, source, setup, pool, between(evaluated, inside));
      points.push({ point, readings, parts, ...(await describeTokenProbe(probes, sums, setup)) });
      onProgress?.(i + 1, names.length);
    }
    return { chance, points };
  } finally {
    await pool.close();
  }
}

/** A map and its task. */
interface Entry extends ProbeTask, Pick<Probe, 'outputs'> {
  readonly linear: LinearMap;
  /** Mean of the target over the training rows. */
  readonly mean: Float64Array;
  readonly relativeLambda?: number;
}

function trainedMap(map: MapKind, probe: Probe, linear: LinearMap = probe): Entry {
  const { label, split, target, outputs, offset, relativeLambda } = probe;
  const penalty = linear === probe ? { relativeLambda } : {};
  return { map, label, split, target, outputs, linear, mean: offset, ...penalty };
}

const meanEntry = (probe: Probe) => trainedMap('mean', probe, meanMap(probe));

/** The identity, and a random map as large as the probe: for the probes of the embedding. */
async function baselines(
  probes: readonly Probe[],
  { random: [left, right], embeddingSize }: ProbeSetup,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const identity = identityMap(left.rows, embeddingSize);
  for (const probe of probes) {
    if (probe.target !== 'embedding' || probe.shuffled) continue;
    entries.push(trainedMap('identity', probe, identity));
    if (probe.split === 'positions') entries.push(trainedMap('random', probe, await randomMap(probe, left, right)));
  }
  return entries;
}

async function evaluate(
  entries: readonly Entry[],
  source: Source,
  setup: ProbeSetup,
  onProgress?: (share: number) => void,
): Promise<MapEvaluation[]> {
  const evaluations = await evaluateMaps(
    source,
    entries.map(({ linear, label, split, target, outputs, mean }) => ({
      map: linear,
      target,
      outputs,
      mean,
      ...splitFor(setup.splits, label, split),
    })),
    setup.positions.document,
    setup.vocabulary,
    onProgress,
  );
  return evaluations.map((reading, i) => {
    const { map, label, split, target, relativeLambda } = itemAt(entries, i);
    return { map, label, split, target, ...(relativeLambda === undefined ? {} : { relativeLambda }), reading };
  });
}

/** Predicts the input's embedding from each subspace of the residual space. */
async function evaluateSubspaces(
  sums: readonly SplitSums[],
  source: Source,
  setup: ProbeSetup,
  pool: WorkerPool,
  onProgress: (share: number) => void,
): Promise<PointEvaluation['parts']> {
  const { rowSplit } = splitFor(setup.splits, 'input', 'positions');
  const moments = sums.find((one) => one.rowSplit === rowSplit);
  if (!moments) throw new RangeError('no sums of the rows by position');
  const target = embeddingTarget(setup.vocabulary.embedding);
  const probes = await fitInSubspaces(moments, setup.subspaces, target, pool, (share) => onProgress(share / 2));
  const entries = probes.map((probe) => trainedMap('probe', probe));
  const readings = await evaluate(entries, source, setup, (share) => onProgress((1 + share) / 2));
  return setup.subspaces.map(({ name, from, to }, i) => {
    return { part: name, dimensions: to - from, reading: itemAt(readings, i).reading };
  });
}

/** Similarity of the input token probe's matrix to the vocabulary's own, and where its weight lies. */
async function describeTokenProbe(
  probes: readonly Probe[],
  sums: readonly SplitSums[],
  { references, bases, compared }: ProbeSetup,
): Promise<Pick<PointEvaluation, 'resemblance' | 'weights'>> {
  const probe = probes.find(({ target, label }) => target === 'token' && label === 'input');
  const moments = sums.find(({ rowSplit }) => rowSplit.split === 'positions');
  if (!probe || !moments) throw new RangeError('there is no probe of the token');
  const weights = transpose(probe.coefficients); // (types, hidden)
  const at = new Map(probe.outputs.map((type, i) => [type, i]));
  const rows = pickRows(
    weights,
    compared.map((type) => entryOf(at, type)),
  );
  const gram = gramAbout(moments.train, moments.train.mean);
  const along = async (basis: Matrix): Promise<PointEvaluation['weights']['embed']> => {
    const shares = await weightShares(weights, basis);
    return { weight: inRuns(shares, runs), signal: inRuns(await signalShares(shares, basis, gram), runs) };
  };
  const own = await described(rows);
  return {
    resemblance: { embed: await references.embed.compare(own), unembed: await references.unembed.compare(own) },
    weights: { embed: await along(bases.embed), unembed: await along(bases.unembed) },
  };
}

const withoutShuffled = (rowSplit: RowSplit): RowSplit => ({
  ...rowSplit,
  labellings: rowSplit.labellings.filter(({ shuffled }) => !shuffled),
});

/**
 * How the weight of the input's token probe is spread over any directions, at each point.
 * @param directions unit rows, (directions, hidden)
 * @returns (points, directions), shares of ‖W‖²
 */
export async function weightOver(
  activations: Activations,
  positions: Positions,
  directions: Matrix,
  seed: number,
  onProgress?: (done: number, total: number) => void,
): Promise<number[][]> {
  const { rowSplit } = splitFor(splitRows(positions, seed), 'input', 'positions');
  const onlyInput = { ...rowSplit, labellings: rowSplit.labellings.slice(0, 1) };
  const points: number[][] = [];
  for (let point = 0; point < activations.points; point++) {
    const sums = await momentsOf(activations.at(point), [onlyInput]);
    const [probe] = await fitProbes(sums, { tokens: true });
    if (!probe) throw new RangeError('there is no probe of the token');
    points.push([...(await weightShares(transpose(probe.coefficients), directions))]);
    onProgress?.(point + 1, activations.points);
  }
  return points;
}
