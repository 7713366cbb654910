// What linear probes predict and how well, each stated once: tables in a terminal and on pages, and the pages' charts.
import type {
  DepthEvaluation,
  Evaluation,
  MapEvaluation,
  PointEvaluation,
  ProbeResult,
  ProbeTask,
  Resemblance,
} from '../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../analyses/vocabulary.ts';
import type { Column } from './columns.ts';
import { integer } from './format.ts';
import { clippedShare, exact, share, sharesUp, type Value } from './values.ts';

type Variant = ProbeResult['variants'][number];

/** The probe of the input token's embedding, judged at held-out positions. */
const inputTask: ProbeTask = { map: 'probe', label: 'input', split: 'positions', target: 'embedding' };

/** How well a map does a task. @param wanted differs from the probe of the input token's embedding in this */
export function evaluationOf(
  all: readonly MapEvaluation[],
  wanted: Partial<ProbeTask> = {},
): MapEvaluation['reading'] | undefined {
  return mapEvaluationOf(all, wanted)?.reading;
}

export function mapEvaluationOf(
  all: readonly MapEvaluation[],
  wanted: Partial<ProbeTask> = {},
): MapEvaluation | undefined {
  const { map, label, split, target } = { ...inputTask, ...wanted };
  return all.find((one) => one.map === map && one.label === label && one.split === split && one.target === target);
}

/** By point; the mean predictor is the same at each. */
export function evaluationsOf(
  { points, chance }: DepthEvaluation,
  wanted: Partial<ProbeTask> = {},
): (Evaluation | undefined)[] {
  return points.map(({ readings }) => evaluationOf(wanted.map === 'mean' ? chance : readings, wanted));
}

/** Held-out positions that the probe is judged at. */
export function testRows({ variants: [first] }: ProbeResult, wanted: Partial<ProbeTask> = {}): number | undefined {
  return first && evaluationsOf(first, { ...wanted, map: 'probe' })[0]?.rows;
}

/** What is predicted and what is held out, the probe's own tables and figures each. */
export type TitledTask = Omit<ProbeTask, 'map'> & { readonly title: string };
export const probeTasks: readonly TitledTask[] = (['input', 'previous'] as const).flatMap((label) => {
  const token = label === 'input' ? 'The input token' : 'The previous token';
  return [
    { label, split: 'positions' as const, target: 'embedding' as const, title: `${token}’s embedding` },
    { label, split: 'types' as const, target: 'embedding' as const, title: `${token}’s embedding, held-out types` },
    { label, split: 'positions' as const, target: 'token' as const, title: `${token} itself` },
  ];
});

export interface EvaluationColumn extends Column<Evaluation> {
  /** Charts leave out what is below: untrained maps may be far off. */
  readonly least?: number;
}

const threeDecimals = (value: number) =>
  Math.abs(value) >= 100 ? value.toExponential(1) : value.toFixed(3).replace(/^-(0\.0+)$/, '$1');

export const r2: EvaluationColumn = {
  title: 'R²',
  label: 'R²',
  y: { label: 'of the target' },
  show: threeDecimals,
  showHalf: threeDecimals,
  of: (one) => one.r2,
  least: -0.25,
};
export const cosine: EvaluationColumn = {
  title: 'Cosine',
  label: 'cosine',
  y: { label: 'mean' },
  show: threeDecimals,
  of: (one) => one.cosine,
};
export const top1: EvaluationColumn = {
  title: 'Top-1 accuracy',
  label: 'top 1',
  y: { label: 'of positions', ...sharesUp },
  show: share,
  showHalf: (half) => share(half).replace(' %', ''),
  of: (one) => clippedShare(one.top1),
};
export const top5: EvaluationColumn = {
  title: 'Top-5 accuracy',
  label: 'top 5',
  y: { label: 'of positions', ...sharesUp },
  show: share,
  of: (one) => clippedShare(one.top5),
};

/** A token itself is predicted by a score for each, which has no cosine with a target. */
export function evaluationColumns(target: ProbeTask['target']): readonly EvaluationColumn[] {
  return target === 'embedding' ? [r2, cosine, top1, top5] : [r2, top1, top5];
}

/** Top-1 accuracy among tokens that occur about as often in the text; a band ends where the next begins. */
export interface BandColumn {
  readonly title: string;
  readonly label: string;
  readonly of: (evaluation: Evaluation | undefined) => Value | undefined;
}

export function bandColumns({ variants: [first] }: ProbeResult): BandColumn[] {
  const bands = (first && evaluationsOf(first)[0]?.bands) ?? [];
  return bands
    .filter(({ rows }) => rows > 0)
    .map(({ from, rows }) => ({
      title: `from ${integer(from)} times (${integer(rows)})`,
      label: `from ${integer(from)} (${integer(rows)})`,
      of: (evaluation) => {
        const own = evaluation?.bands.find((band) => band.from === from);
        return own && exact(own.top1);
      },
    }));
}

/** Measures of similarity of the token probe's matrix to one of the vocabulary's. */
export const similarityColumns: readonly {
  readonly key: keyof Resemblance;
  readonly title: string;
  readonly label: string;
}[] = [
  { key: 'rowCosine', title: 'Mean cosine of a token’s rows', label: 'row cosine' },
  { key: 'cka', title: 'Linear CKA', label: 'CKA' },
  { key: 'hiddenSpace', title: 'Leading subspaces of the residual space', label: 'hidden space' },
  { key: 'tokenSpace', title: 'Leading subspaces of the tokens’ space', label: 'token space' },
];
export const similarityText = (value: number) => value.toFixed(3);

/** What is summed over the components of a basis. */
export const weightAspects = [
  { of: 'weight', title: 'squared weight' },
  { of: 'signal', title: 'output' },
] as const;
export type WeightAspect = (typeof weightAspects)[number]['of'];

/** The token probe's shares at each point, the last layer first, then the matrices' own. */
export function weightRows(
  { ownShares }: ProbeResult,
  { points }: Variant,
  basis: VocabularyMatrix,
  of: WeightAspect,
): { readonly name: string; readonly shares: readonly number[] }[] {
  const own = ownShares[basis];
  return [
    ...points.map(({ point, weights }) => ({ name: point, shares: weights[basis][of] })).toReversed(),
    { name: 'embedding', shares: own.embed },
    { name: 'unembedding', shares: own.unembed },
  ];
}

/** The subspaces that probes are restricted to, and the whole space. */
export const subspaceColumns = [
  { of: 'leading', title: 'leading directions', label: 'lead' },
  { of: 'trailing', title: 'trailing directions', label: 'trail' },
  { of: 'random', title: 'random directions', label: 'rand' },
  { of: 'all', title: 'the whole space', label: 'all' },
] as const;
export type Subspace = (typeof subspaceColumns)[number]['of'];

/** Numbers of directions of the subspaces, smallest first. */
export function subspaceSizes({ variants: [first] }: ProbeResult): number[] {
  const sizes = first?.points[0]?.parts.map(({ dimensions }) => dimensions);
  return [...new Set(sizes)].sort((a, b) => a - b);
}

/** The probe of the input token's embedding within a subspace. */
export function withinSubspace(
  { readings, parts }: PointEvaluation,
  of: Subspace,
  dimensions: number,
): Evaluation | undefined {
  if (of === 'all') return evaluationOf(readings);
  return parts.find((one) => one.part === of && one.dimensions === dimensions)?.reading;
}
