import type {
  Chance,
  Evaluation,
  Likeness,
  MapKind,
  PointEvaluation,
  ProbeResult,
  ProbeTask,
} from '../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../analyses/vocabulary.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { type Column, columnLabels, columnText, plain } from '../columns.ts';
import { fewDocumentsWords, intervalText, layerRule, probeWords, readWords, trusted } from '../findings.ts';
import { counted, integer, labelled, table, wrap } from '../format.ts';
import {
  bandColumns,
  evaluationColumns,
  evaluationOf,
  evaluationsOf,
  probeTasks,
  r2,
  similarityColumns,
  similarityText,
  subspaceColumns,
  subspaceSizes,
  testRows,
  top1,
  type WeightAspect,
  weightAspects,
  weightRows,
  withinSubspace,
} from '../probe-columns.ts';
import { screenWidth } from '../screen.ts';
import { share } from '../values.ts';
import type { HeatMap } from './heat-map.ts';
import { type LineChart, lineChart } from './line-chart.ts';
import { calibrationLines, modelText } from './text.ts';

type Variant = ProbeResult['variants'][number];

/**
 * @param full whether all tables are wanted
 * @param output the folder that the result was written to
 */
export function probeText(whole: ProbeResult, full: boolean, output?: string, width = screenWidth()): string {
  const result = trusted(whole, whole.text);
  const { model, recipe, text } = result;
  return [
    [
      modelText(model),
      recipe && labelled('Operation', describeRecipe(recipe, model.layers), width),
      ...calibrationLines(result.calibration, width),
      labelled('Text', readWords(text, text.positions), width),
      fewDocumentsWords(text),
    ]
      .filter(Boolean)
      .join('\n'),
    labelled('Result', probeWords(result).join(' '), width),
    ...result.variants.map((variant) => (full ? variantText(result, variant) : briefText(result, variant, width))),
    full && lineChart(depthChart(result, top1)),
    `${rulesText(result, full, width)}${full ? '' : '\n--full prints all tables.'}`,
    output !== undefined && `Written    ${output}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** What the probes recover over depth, next to the baseline, in one table. */
function briefText(result: ProbeResult, variant: Variant, width: number): string {
  const columns: readonly (readonly [string, Partial<ProbeTask>, typeof cellText])[] = [
    ['input', {}, cellText],
    ['shuffled labels', { map: 'shuffled' }, valueText],
    ['residual itself', { map: 'identity' }, valueText],
    ['unseen types', { split: 'types' }, cellText],
    ['previous', { label: 'previous' }, cellText],
  ];
  const rows = upward(variant, ({ readings }) =>
    columns.map(([, task, text]) => text(top1, evaluationOf(readings, task))),
  );
  const name = result.variants.length > 1 ? `, ${variant.variant} model` : '';
  const text = table(['layer', ...columns.map(([head]) => head)], 'lrrrrr', rows, width);
  return `Top-1 accuracy of the probes, %${name}\n${text}`;
}

/** A row for each point, the last layer first. */
function upward({ points }: Variant, cells: (point: PointEvaluation) => readonly string[]): string[][] {
  return points.toReversed().map((point) => [point.point, ...cells(point)]);
}

/** Accuracies in %, without the sign; blank where a map was not evaluated. */
function cellText(column: Column<Evaluation>, evaluation: Evaluation | undefined): string {
  return evaluation ? columnText(column, evaluation).replace(' %', '') : '';
}

/** {@link cellText} without the interval. */
function valueText({ of, show }: Column<Evaluation>, evaluation: Evaluation | undefined): string {
  return evaluation ? plain(of(evaluation), show).replace(' %', '') : '';
}

function variantText(result: ProbeResult, variant: Variant): string {
  const name = result.variants.length > 1 ? `The ${variant.variant} model. ` : '';
  const [first, ...others] = probeTasks;
  const matrices = ['embed', 'unembed'] as const;
  const about = (task: (typeof probeTasks)[number]) => `${task.title}\n${taskTable(variant, task)}`;
  return [
    first && `${name}Accuracies in %. ${about(first)}`,
    `Baselines (R², top 1)\n${baselineTable(variant)}`,
    `Top 1 by token frequency in the text\n${bandTable(result, variant)}`,
    ...others.map(about),
    ...matrices.map((matrix) => {
      const title = `Similarity of the token probe's matrix to ${result.rules.matrices[matrix]}, ${integer(result.compared)} tokens`;
      return `${wrap(title)}\n${similarityTable(variant, matrix)}`;
    }),
    ...matrices.flatMap((basis) =>
      weightAspects.map(({ of, title }) => {
        const what = `Share of the token probe's ${title} over eighths of the principal components of ${result.rules.matrices[basis]}, %`;
        return `${wrap(what)}\n${weightTable(result, variant, basis, of)}`;
      }),
    ),
    ...[r2, top1].map((column) => {
      const title =
        `${column.title} of the input, predicted from a subspace: leading and trailing components of ` +
        `${result.rules.matrices.unembed}, random directions; ${subspaceSizes(result).join(', ')} of them`;
      return `${wrap(title)}\n${subspaceTable(result, variant, column)}`;
    }),
  ].join('\n\n');
}

function taskTable(variant: Variant, task: Omit<ProbeTask, 'map'>): string {
  const columns = evaluationColumns(task.target);
  const pooled = [r2, top1];
  const rows = upward(variant, ({ readings }) => [
    ...columns.map((column) => cellText(column, evaluationOf(readings, { ...task, map: 'probe' }))),
    ...pooled.map((column) => valueText(column, evaluationOf(readings, { ...task, map: 'pooled' }))),
  ]);
  const mean = evaluationOf(variant.chance, { ...task, map: 'mean' });
  rows.push(['mean', ...columns.map((column) => valueText(column, mean)), '', '']);
  const head = ['layer', ...columnLabels(columns), ...columnLabels(pooled).map((label) => `pooled ${label}`)];
  return table(head, `l${'r'.repeat(head.length - 1)}`, rows);
}

function baselineTable(variant: Variant): string {
  const maps: readonly (readonly [MapKind, ProbeTask['split']])[] = [
    ['identity', 'positions'],
    ['shuffled', 'positions'],
    ['random', 'positions'],
    ['identity', 'types'],
  ];
  const rows = upward(variant, ({ readings }) =>
    maps.flatMap(([map, split]) => {
      const own = evaluationOf(readings, { map, split });
      return [r2, top1].map((column) => valueText(column, own));
    }),
  );
  const head = ['layer', 'identity', '', 'shuffled', '', 'random', '', 'identity, held out', ''];
  return table(head, 'lrrrrrrrr', rows);
}

function bandTable(result: ProbeResult, variant: Variant): string {
  const columns = bandColumns(result);
  const rows = upward(variant, ({ readings }) =>
    columns.map(({ of }) => plain(of(evaluationOf(readings)), share).replace(' %', '')),
  );
  return table(['layer', ...columnLabels(columns)], `l${'r'.repeat(columns.length)}`, rows);
}

function similarityTable(variant: Variant, matrix: VocabularyMatrix): string {
  const rows = upward(variant, ({ resemblance }) =>
    similarityColumns.map(({ key }) => similarityText(resemblance[matrix][key].value)),
  );
  const range = (of: (likeness: Likeness) => Chance | null) =>
    similarityColumns.map(({ key }) => {
      const draws = variant.points.flatMap(({ resemblance }) => of(resemblance[matrix][key]) ?? []);
      if (draws.length === 0) return '–';
      const [least, most] = [draws.map((one) => one.least), draws.map((one) => one.most)];
      return `${similarityText(Math.min(...least))}…${similarityText(Math.max(...most))}`;
    });
  rows.push(['rows permuted', ...range(({ permuted }) => permuted)]);
  rows.push(['random', ...range(({ random }) => random)]);
  return table(['layer', ...columnLabels(similarityColumns)], 'lrrrr', rows);
}

function weightTable(result: ProbeResult, variant: Variant, basis: VocabularyMatrix, of: WeightAspect): string {
  const runs = result.ownShares[basis].embed.length;
  const uniform = { name: 'uniform', shares: Array.from({ length: runs }, () => 1 / runs) };
  const rows = [...weightRows(result, variant, basis, of), uniform].map(({ name, shares }) => [
    name,
    ...shares.map((one) => share(one).replace(' %', '')),
  ]);
  return table(['layer', ...Array.from({ length: runs }, (_, i) => `${i + 1}/${runs}`)], `l${'r'.repeat(runs)}`, rows);
}

function subspaceTable(result: ProbeResult, variant: Variant, column: Column<Evaluation>): string {
  const [all, within] = [
    subspaceColumns.filter(({ of }) => of === 'all'),
    subspaceColumns.filter(({ of }) => of !== 'all'),
  ];
  const columns = [
    ...subspaceSizes(result).flatMap((dimensions) => within.map((one) => ({ ...one, dimensions }))),
    ...all.map((one) => ({ ...one, dimensions: 0 })),
  ];
  const rows = upward(variant, (point) =>
    columns.map(({ of, dimensions }) => valueText(column, withinSubspace(point, of, dimensions))),
  );
  return table(['layer', ...columnLabels(columns)], `l${'r'.repeat(columns.length)}`, rows);
}

/** @param full whether all tables are there, and with them what is explained of them alone */
function rulesText(result: ProbeResult, full: boolean, width: number): string {
  const { rules, seed, precision, text } = result;
  const judged = testRows(result);
  return wrap(
    `${layerRule} Positions: ${rules.positions}. ` +
      `Ridge regressions in float64, ${precision}, seed ${seed}: ${rules.split}. ${judged === undefined ? '' : `Test set: ${counted(judged, 'position')}. `}` +
      `${rules.reading}.${full ? ' Pooled: one probe for all layers, trained on one layer per position, drawn at random. Identity: the residual itself.' : ''} ` +
      'Shuffled: labels shuffled before training.' +
      `${full ? ` Random: the probe’s singular values between random directions. Similarity: ${rules.resemblance}.` : ''}${intervalText(text, `± is half an interval: ${rules.intervals}`)}`,
    width,
  );
}

/** A measure over depth, of all variants. */
function depthChart({ variants, points }: ProbeResult, of: typeof r2, label: ProbeTask['label'] = 'input'): LineChart {
  const maps: readonly (readonly [string, Partial<ProbeTask>])[] = [
    ['probe', {}],
    ['pooled', { map: 'pooled' }],
    ['held-out types', { split: 'types' }],
    ...(of === top1
      ? ([
          ['identity', { map: 'identity' }],
          ['shuffled', { map: 'shuffled' }],
        ] as const)
      : []),
  ];
  const series = variants.flatMap((variant) =>
    maps.map(([name, wanted]) => ({
      name: variants.length > 1 ? `${name}, ${variant.variant}` : name,
      points: evaluationsOf(variant, { ...wanted, label }).flatMap((evaluation, x) => {
        const found = evaluation && of.of(evaluation);
        if (!found) return [];
        const [low, high] = found.interval ?? [];
        return [{ x, y: found.value, ...(low === undefined || high === undefined ? {} : { low, high }) }];
      }),
    })),
  );
  return {
    title: label === 'input' ? 'The input token over depth' : 'The previous token over depth',
    x: { label: `layer, 0 ${itemAt(points, 0)} to ${points.length - 1} the last block` },
    y: { label: of === r2 ? 'R²' : 'top-1 accuracy' },
    series,
  };
}

/** R² and top-1 accuracy for the input and for the previous token. */
export function probeCharts(result: ProbeResult): LineChart[] {
  return (['input', 'previous'] as const).flatMap((label) => [r2, top1].map((of) => depthChart(result, of, label)));
}

/** The input probe's weight over a basis, for each variant. */
export function weightMap(result: ProbeResult, variant: Variant, basis: VocabularyMatrix): HeatMap {
  const named = result.variants.length > 1 ? `, ${variant.variant} model` : '';
  const rows = weightRows(result, variant, basis, 'weight');
  return {
    title: `Share of the token probe's squared weight in the principal components of ${result.rules.matrices[basis]}${named}`,
    rowLabel: 'layer',
    rows: rows.map(({ name }) => name),
    columnLabel: 'eighth',
    columns: result.ownShares[basis].embed.map((_, i) => String(i + 1)),
    values: rows.map(({ shares }) => shares),
  };
}
