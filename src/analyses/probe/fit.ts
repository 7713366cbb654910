// Linear maps that predict a token from the residual stream: ridge regressions from streamed moments.

import type { Matrix } from '../../linalg/products.ts';
import { meanEigenvalue, penalties, Ridge } from '../../linalg/ridge.ts';
import { pickRows, subtractRow } from '../../linalg/rows.ts';
import type { WorkerPool } from '../../platform/threads/pool.ts';
import type { Positions } from '../recorded-residuals.ts';
import { gramAbout, type LabelSums, Moments, meanOfRows, type Source, type Sums, sumsAbout } from './moments.ts';
import type { ProbeTask } from './result.ts';
import { rowsOfSubset, shuffleLabels, splitPositions, splitTypes, trainSubset, validationSubset } from './splits.ts';
import { type Target, tokenTarget } from './targets.ts';

/** Which token is predicted: the one at the position, or the one before it. */
export type Label = ProbeTask['label'];
/** What is held out: positions, or token types. */
export type Split = ProbeTask['split'];

/** Rows split into training, validation and test subsets, and the labels that are trained on it. */
export interface RowSplit {
  readonly split: Split;
  /** Of each row: see splits.ts. */
  readonly subsets: Uint8Array;
  readonly labellings: readonly Labelling[];
}

export interface Labelling {
  readonly label: Label;
  /** Labels shuffled among the training rows: a control task. */
  readonly shuffled: boolean;
  /** Token id of each row. */
  readonly labels: Int32Array;
}

/** A linear map from the residual stream, x ↦ (x − mean) · coefficients + offset. */
export interface LinearMap {
  /** (hidden) */
  readonly mean: Float64Array;
  /** (hidden, outputs) */
  readonly coefficients: Matrix;
  /** (outputs) */
  readonly offset: Float64Array;
}

/** A trained map, and what it was trained on. */
export interface Probe extends LinearMap {
  readonly label: Label;
  readonly split: Split;
  readonly shuffled: boolean;
  readonly target: Target['kind'];
  /** Token id of each output of a token target. */
  readonly outputs: readonly number[];
  readonly lambda: number;
  /** The penalty over the mean eigenvalue of the Gram matrix. */
  readonly relativeLambda: number;
}

/** Divides the positions at random, and by the types of each label. All that is drawn follows from the seed. */
export function splitRows(positions: Positions, seed: number): RowSplit[] {
  const subsets = splitPositions(positions.rows, seed);
  const labels = ['input', 'previous'] as const;
  const byPosition = labels.flatMap((label) => [
    { label, shuffled: false, labels: positions[label] },
    { label, shuffled: true, labels: shuffleLabels(positions[label], subsets, seed) },
  ]);
  const byType = labels.map((label): RowSplit => {
    const labelling = { label, shuffled: false, labels: positions[label] };
    return { split: 'types', subsets: splitTypes(positions[label], seed), labellings: [labelling] };
  });
  return [{ split: 'positions', subsets, labellings: byPosition }, ...byType];
}

/** Sums over the training and the validation rows. */
export interface SplitSums {
  readonly rowSplit: RowSplit;
  readonly train: Sums;
  readonly validation: Sums;
}

/** Reads the rows once for all splits. */
export async function momentsOf(source: Source, splits: readonly RowSplit[]): Promise<SplitSums[]> {
  const shift = await meanOfRows(source);
  const empty = (rowSplit: RowSplit, subset: number) =>
    new Moments(
      shift,
      rowSplit.labellings.map(({ labels }) =>
        Int32Array.from(rowsOfSubset(rowSplit.subsets, subset), (row) => labels[row] as number),
      ),
    );
  const all = splits.map((rowSplit) => ({
    rowSplit,
    train: empty(rowSplit, trainSubset),
    validation: empty(rowSplit, validationSubset),
  }));
  for await (const { from, x } of source.blocks()) {
    const rows = subtractRow(x, shift);
    for (const { rowSplit, train, validation } of all) {
      await addSubset(train, rowSplit, trainSubset, from, rows);
      await addSubset(validation, rowSplit, validationSubset, from, rows);
    }
  }
  return all;
}

async function addSubset(to: Moments, { subsets, labellings }: RowSplit, subset: number, from: number, x: Matrix) {
  const chosen = rowsOfSubset(subsets.subarray(from, from + x.rows), subset);
  await to.add(
    pickRows(x, chosen),
    labellings.map(({ labels }) => chosen.map((row) => labels[from + row] as number)),
  );
}

/** What is to be predicted. */
export interface Targets {
  readonly embedding?: Target;
  /** Whether the token itself is a target, for splits by position. */
  readonly tokens: boolean;
}

/**
 * The ridge regressions of all splits: of the embedding, and by position of the token itself too. (Of a type that was
 * never trained on, a token target has no weights.) Shuffled labels are trained for the embedding only.
 * @param pool of threads for large eigenproblems
 * @param onProgress called with the share of the labellings that are done
 * @throws SurgeryError `numeric` for activations that are not finite
 */
export async function fitProbes(
  sums: readonly SplitSums[],
  { embedding, tokens }: Targets,
  pool?: WorkerPool,
  onProgress?: (share: number) => void,
): Promise<Probe[]> {
  const probes: Probe[] = [];
  const total = sums.reduce((count, { rowSplit }) => count + rowSplit.labellings.length, 0);
  let done = 0;
  const penalised = sums.map(async ({ train, validation }) => {
    const gram = gramAbout(train, train.mean);
    const unit = meanEigenvalue(gram);
    return { unit, ridge: await Ridge.of(gram, gramAbout(validation, train.mean), pool) };
  });
  for (const [k, { ridge, unit }] of (await Promise.all(penalised)).entries()) {
    const { rowSplit, train, validation } = sums[k] as SplitSums;
    const mean = train.mean;
    for (const [i, { label, shuffled }] of rowSplit.labellings.entries()) {
      const learnt = labelSums(train, i);
      const held = labelSums(validation, i);
      const turned = {
        learnt: await ridge.turn(sumsAbout(learnt, mean)),
        held: await ridge.turn(sumsAbout(held, mean)),
      };
      const token = tokens && rowSplit.split === 'positions' && !shuffled ? [tokenTarget(learnt.types)] : [];
      for (const target of embedding ? [embedding, ...token] : token) {
        const offset = target.mean(learnt);
        const cross = await target.cross(turned.learnt, learnt.types, offset);
        const fit = await ridge.fit(cross, await target.cross(turned.held, held.types, offset), penalties(unit));
        probes.push({
          label,
          split: rowSplit.split,
          shuffled,
          target: target.kind,
          offset,
          outputs: target.kind === 'token' ? learnt.types : [],
          mean: mean.map((value, j) => value + (train.shift[j] as number)),
          coefficients: fit.coefficients,
          lambda: fit.lambda,
          relativeLambda: fit.lambda / unit,
        });
      }
      onProgress?.(++done / total);
    }
  }
  return probes;
}

function labelSums({ labels }: Sums, i: number): LabelSums {
  const found = labels[i];
  if (!found) throw new RangeError(`no labelling ${i}`);
  return found;
}
