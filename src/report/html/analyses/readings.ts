// How well probes predict a token over depth, by the kind of map: R², cosine, top-1 and top-5 accuracy.
import type { DepthEvaluation, Evaluation, MapKind, ProbeResult, Task } from '../../../analyses/probe/result.ts';
import { intervalText, readingAt } from '../../findings.ts';
import { integer } from '../../format.ts';
import { clippedShare, share, sharesUp, type Value } from '../../values.ts';
import type { Scale, Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { type Cell, number } from '../table.ts';
import { type DepthCurve, depthPanels, valueCell } from './depth.ts';

type Variant = ProbeResult['variants'][number];
type Asked = Omit<Task, 'map'> & { readonly title: string };

const maps: Readonly<Record<MapKind, Series>> = {
  probe: { name: 'probe of the layer', colour: 's0', shape: 'circle' },
  pooled: { name: 'one probe for all layers', colour: 's1', shape: 'square' },
  identity: { name: 'the residual itself', colour: 's2', shape: 'diamond' },
  shuffled: { name: 'shuffled labels', colour: 'c0', shape: 'triangle-down', dashed: true },
  random: { name: 'random map', colour: 'c1', shape: 'cross', dashed: true },
  mean: { name: 'the mean', colour: 'c2', shape: 'triangle-up', dashed: true },
};
const kinds = ['mean', 'shuffled', 'random', 'identity', 'pooled', 'probe'] as const satisfies readonly MapKind[];

/** Points of a deep model. */
const deep = 16;

/** R² below this is left out of charts: untrained maps may be far off. */
const leastR2 = -0.25;

const plain = (value: number) => (Math.abs(value) >= 100 ? value.toExponential(1) : value.toFixed(3));

interface Measure {
  readonly title: string;
  readonly y: Scale;
  readonly show: (value: number) => string;
  readonly of: (reading: Evaluation) => Value | undefined;
}

const fit: Measure = {
  title: 'R²',
  y: { label: 'of the target' },
  show: plain,
  of: ({ r2 }) => (r2.value < leastR2 ? undefined : r2),
};
const cosine: Measure = { title: 'Cosine', y: { label: 'mean' }, show: plain, of: (reading) => reading.cosine };
const top1: Measure = {
  title: 'Top-1 accuracy',
  y: { label: 'of positions', ...sharesUp },
  show: share,
  of: (reading) => clippedShare(reading.top1),
};
const top5: Measure = {
  title: 'Top-5 accuracy',
  y: { label: 'of positions', ...sharesUp },
  show: share,
  of: (reading) => clippedShare(reading.top5),
};

/** One figure per label, split and target. */
export const readingTasks: readonly Asked[] = (['input', 'previous'] as const).flatMap((label) => {
  const what = label === 'input' ? 'token' : 'previous token';
  return [
    { label, split: 'positions' as const, target: 'embedding' as const, title: `The ${what}’s embedding over depth` },
    {
      label,
      split: 'types' as const,
      target: 'embedding' as const,
      title: `The same, for held-out token types`,
    },
    { label, split: 'positions' as const, target: 'token' as const, title: `The ${what} itself over depth` },
  ];
});

export async function readingFigure(result: ProbeResult, task: Asked): Promise<Figure> {
  const measures = task.target === 'embedding' ? [fit, cosine, top1, top5] : [fit, top1, top5];
  const panels: Figure['panels'][number][] = [];
  for (const measure of measures)
    panels.push(
      ...(await depthPanels(
        result.variants.map((variant) => ({
          ...measure,
          title: titled(result, measure.title, variant),
          points: result.points,
          curves: curvesOf(variant, task, measure),
        })),
      )),
    );
  const { readings = [] } = result.variants[0]?.points[0] ?? {};
  const shown = kinds.filter((map) => map === 'mean' || readingAt(readings, { ...task, map })).toReversed();
  return {
    title: task.title,
    caption: captionOf(result, task, shown),
    notShown: notShown(task),
    panels,
    legend: shown.map((map) => maps[map]),
    table: readingTable(result, task),
  };
}

/** The curves of all kinds of maps that have any place on the scale. */
function curvesOf(variant: Variant, task: Asked, { of }: Measure): DepthCurve[] {
  return kinds.flatMap((map): DepthCurve[] => {
    const values = readingsOf(variant, { ...task, map }).map((one) => one && of(one));
    return values.some((one) => one) ? [{ series: maps[map], values, bare: isBare(map, variant) }] : [];
  });
}

/** The mean is the same at every point. In a deep model the points of all baselines would double the page. */
function isBare(map: MapKind, { points }: Variant): boolean {
  return map === 'mean' || (points.length > deep && baselineWords[map] !== undefined);
}

const titled = ({ variants }: ProbeResult, title: string, { variant }: Variant) =>
  variants.length > 1 ? `${title}, ${variant}` : title;

/** A map's readings by point; the mean's is the same at each. */
function readingsOf({ points, chance }: DepthEvaluation, task: Task): (Evaluation | undefined)[] {
  return points.map(({ readings }) => readingAt(task.map === 'mean' ? chance : readings, task));
}

/** Baselines, in words. */
const baselineWords: Partial<Readonly<Record<MapKind, string>>> = {
  mean: 'the training mean',
  shuffled: 'labels shuffled before training',
  random: 'the probe’s singular values between random directions',
};

function captionOf({ variants: [first], rules, text }: ProbeResult, task: Asked, shown: readonly MapKind[]): string {
  const rows = first && readingsOf(first, { ...task, map: 'probe' })[0]?.rows;
  const left = task.target === 'embedding' ? ` The table also lists R² below ${leastR2}.` : '';
  return (
    `Test set: ${integer(rows ?? 0)} held-out positions${task.split === 'types' ? ' of held-out token types' : ''}. ` +
    `${rules.reading}. One probe for all layers: trained on one layer per position, drawn at random. ` +
    `Dashed, the baselines: ${shown.flatMap((map) => baselineWords[map] ?? []).join('; ')}.${left}${intervalText(text, `Error bars and brackets: ${rules.intervals}`)}`
  );
}

function notShown({ split, label }: Asked): string {
  if (split === 'types')
    return 'The test types are few and rare: their scores are a lower bound for a linear code that all tokens share.';
  return label === 'input'
    ? 'Most test positions have a token type seen in training: a probe may have memorised a code for each token. The model need not use what a probe predicts.'
    : 'The token itself partly determines the previous one: accuracy above chance does not prove that attention has moved it here.';
}

function readingTable(result: ProbeResult, task: Asked) {
  const head = ['model', 'layer', 'map', '>R²', '>cosine', '>top 1', '>top 5', '>λ, relative'];
  const rows = result.variants.flatMap((variant) =>
    variant.points.toReversed().flatMap(({ point, readings }) =>
      kinds.toReversed().flatMap((map): Cell[][] => {
        const one = [...readings, ...variant.chance].find(
          (each) =>
            each.map === map && each.label === task.label && each.split === task.split && each.target === task.target,
        );
        if (!one) return [];
        const { r2, cosine: angle, top1: first, top5: five } = one.reading;
        return [
          [
            variant.variant,
            point,
            maps[map].name,
            valueCell(r2, plain),
            valueCell(angle, plain),
            valueCell(clippedShare(first), share),
            valueCell(clippedShare(five), share),
            number(one.relativeLambda, (value) => value.toPrecision(2)),
          ],
        ];
      }),
    ),
  );
  return {
    name: `probe-${task.label}-${task.split}-${task.target}`,
    about: `${task.title}: all maps, the last layer first`,
    head,
    rows,
  };
}

/** Accuracy by how often a token occurs in the text. */
export async function bandsFigure(result: ProbeResult): Promise<Figure> {
  const task = { map: 'probe', label: 'input', split: 'positions', target: 'embedding' } as const;
  const bands =
    readingsOf(result.variants[0] ?? { points: [], chance: [] }, task)[0]?.bands.filter(({ rows }) => rows > 0) ?? [];
  const shapes = ['circle', 'square', 'triangle-up', 'diamond'] as const;
  const series = bands.map(
    ({ from, rows }, i): Series => ({
      name: `from ${integer(from)} times (${integer(rows)})`,
      colour: `q${i % 6}`,
      shape: shapes[i % shapes.length] ?? 'circle',
    }),
  );
  const valuesOf = (variant: Variant, from: number) =>
    readingsOf(variant, task).map((one): Value | undefined => {
      const band = one?.bands.find((each) => each.from === from);
      return band && { value: band.top1, interval: null };
    });
  const panels = await depthPanels(
    result.variants.map((variant) => ({
      ...top1,
      title: titled(result, top1.title, variant),
      points: result.points,
      curves: series.map((one, i) => ({ series: one, values: valuesOf(variant, bands[i]?.from ?? 0) })),
    })),
  );
  return {
    title: 'Accuracy by token frequency in the text',
    caption: `The layer’s own probe of the embedding; nearest of the vocabulary is the right one. A band begins at so many occurrences and ends at the next one’s; in brackets the positions that it is judged by. Chance: figure above.`,
    notShown:
      'Frequent tokens are also short and occur more often in training: the bands differ in more than frequency.',
    panels,
    legend: series,
    table: {
      name: 'probe-frequency',
      about: 'Nearest is the right one, by frequency, the last layer first',
      head: ['model', 'layer', ...series.map(({ name }) => `>${name}`)],
      rows: result.variants.flatMap((variant) =>
        variant.points
          .map(({ point }, i): Cell[] => [
            variant.variant,
            point,
            ...bands.map(({ from }) => valueCell(valuesOf(variant, from)[i], share)),
          ])
          .toReversed(),
      ),
    },
  };
}
