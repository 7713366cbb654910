// How well probes predict a token over depth, by the kind of map: R², cosine, top-1 and top-5 accuracy.
import type { MapKind, ProbeResult } from '../../../analyses/probe/result.ts';
import { intervalText } from '../../findings.ts';
import { integer } from '../../format.ts';
import {
  bandColumns,
  cosine,
  type EvaluationColumn,
  evaluationColumns,
  evaluationOf,
  evaluationsOf,
  mapEvaluationOf,
  r2,
  type TitledTask,
  testRows,
  top1,
  top5,
} from '../../probe-columns.ts';
import { share } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { type Cell, number } from '../table.ts';
import { type DepthCurve, depthPanels, valueCell } from './depth.ts';

type Variant = ProbeResult['variants'][number];

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

export async function taskFigure(result: ProbeResult, task: TitledTask): Promise<Figure> {
  const panels: Figure['panels'][number][] = [];
  for (const column of evaluationColumns(task.target))
    panels.push(
      ...(await depthPanels(
        result.variants.map((variant) => ({
          title: titled(result, column.title, variant),
          y: column.y,
          show: column.show,
          points: result.points,
          curves: curvesOf(variant, task, column),
        })),
      )),
    );
  const [first] = result.variants;
  const shown = kinds.filter((map) => first && evaluationsOf(first, { ...task, map })[0]).toReversed();
  return {
    title: `${task.title} over depth`,
    caption: captionOf(result, task, shown),
    notShown: notShown(task),
    panels,
    legend: shown.map((map) => maps[map]),
    table: taskTable(result, task),
  };
}

/** The curves of all kinds of maps that have any value within the axis. */
function curvesOf(
  variant: Variant,
  task: TitledTask,
  { of, least = Number.NEGATIVE_INFINITY }: EvaluationColumn,
): DepthCurve[] {
  return kinds.flatMap((map): DepthCurve[] => {
    const values = evaluationsOf(variant, { ...task, map }).map((one) => {
      const found = one && of(one);
      return found && found.value >= least ? found : undefined;
    });
    return values.some((one) => one) ? [{ series: maps[map], values, bare: isBare(map, variant) }] : [];
  });
}

/** The mean is the same at every point. In a deep model the points of all baselines would double the page. */
function isBare(map: MapKind, { points }: Variant): boolean {
  return map === 'mean' || (points.length > deep && baselineWords[map] !== undefined);
}

const titled = ({ variants }: ProbeResult, title: string, { variant }: Variant) =>
  variants.length > 1 ? `${title}, ${variant}` : title;

/** Baselines, in words. */
const baselineWords: Partial<Readonly<Record<MapKind, string>>> = {
  mean: 'the training mean',
  shuffled: 'labels shuffled before training',
  random: 'the probe’s singular values between random directions',
};

function captionOf(result: ProbeResult, task: TitledTask, shown: readonly MapKind[]): string {
  const { rules } = result;
  const rows = testRows(result, task);
  const left = task.target === 'embedding' ? ` The table also lists R² below ${r2.least}.` : '';
  return (
    (rows === undefined
      ? ''
      : `Test set: ${integer(rows)} held-out positions${task.split === 'types' ? ' of held-out token types' : ''}. `) +
    `${rules.reading}. One probe for all layers: trained on one layer per position, drawn at random. ` +
    `Dashed, the baselines: ${shown.flatMap((map) => baselineWords[map] ?? []).join('; ')}.${left}${intervalText(result.text, `Error bars and brackets: ${rules.intervals}`)}`
  );
}

function notShown({ split, label }: TitledTask): string {
  if (split === 'types')
    return 'The test types are few and rare: their scores are a lower bound for a linear code that all tokens share.';
  return label === 'input'
    ? 'Most test positions have a token type seen in training: a probe may have memorised a code for each token. The model need not use what a probe predicts.'
    : 'The token itself partly determines the previous one: accuracy above chance does not prove that attention has moved it here.';
}

function taskTable(result: ProbeResult, task: TitledTask): Figure['table'] {
  const columns = [r2, cosine, top1, top5];
  const rows = result.variants.flatMap((variant) =>
    variant.points.toReversed().flatMap(({ point, readings }) =>
      kinds.toReversed().flatMap((map): Cell[][] => {
        const one = mapEvaluationOf([...readings, ...variant.chance], { ...task, map });
        if (!one) return [];
        return [
          [
            variant.variant,
            point,
            maps[map].name,
            ...columns.map(({ of, show }) => valueCell(of(one.reading), show)),
            number(one.relativeLambda, (value) => value.toPrecision(2)),
          ],
        ];
      }),
    ),
  );
  return {
    name: `probe-${task.label}-${task.split}-${task.target}`,
    about: `${task.title}: all maps, the last layer first`,
    head: ['model', 'layer', 'map', ...columns.map(({ label }) => `>${label}`), '>λ, relative'],
    rows,
  };
}

/** Accuracy by how often a token occurs in the text. */
export async function bandsFigure(result: ProbeResult): Promise<Figure> {
  const shapes = ['circle', 'square', 'triangle-up', 'diamond'] as const;
  const bands = bandColumns(result).map(({ title, of }, i) => {
    const series: Series = { name: title, colour: `q${i % 6}`, shape: shapes[i % shapes.length] ?? 'circle' };
    return { series, of };
  });
  const panels = await depthPanels(
    result.variants.map((variant) => ({
      title: titled(result, top1.title, variant),
      y: top1.y,
      show: top1.show,
      points: result.points,
      curves: bands.map(({ series, of }) => ({ series, values: evaluationsOf(variant).map(of) })),
    })),
  );
  return {
    title: 'Accuracy by token frequency in the text',
    caption: `The layer’s own probe of the embedding: how often the right token is the nearest of the vocabulary. A band begins at the given number of occurrences and ends where the next begins; in brackets its test positions. Chance level: figure above.`,
    notShown:
      'Frequent tokens are also short and occur more often in training: the bands differ in more than frequency.',
    panels,
    legend: bands.map(({ series }) => series),
    table: {
      name: 'probe-frequency',
      about: 'Top-1 accuracy by frequency, the last layer first',
      head: ['model', 'layer', ...bands.map(({ series }) => `>${series.name}`)],
      rows: result.variants.flatMap((variant) =>
        variant.points
          .map(({ point, readings }): Cell[] => [
            variant.variant,
            point,
            ...bands.map(({ of }) => valueCell(of(evaluationOf(readings)), share)),
          ])
          .toReversed(),
      ),
    },
  };
}
