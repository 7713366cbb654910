// Results of the logit lens → heat maps of prompts, tables and curves of a text.

import type { LensMeans, LensOfText, LensResult, PromptLens, SpelledCell } from '../../analyses/lens/result.ts';
import type { Uniform } from '../../analyses/lens/statistics/statistic.ts';
import type { VariantName } from '../../analyses/shapes.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import { columnLabels, columnText, plain } from '../columns.ts';
import { fewDocumentsWords, intervalText, layerRule, lensWords, readWords, trusted } from '../findings.ts';
import { columnsOf, labelled, printable, sentence, table, wrap } from '../format.ts';
import {
  cellColumns,
  cellsText,
  changeColumns,
  lensMaps,
  ownColumns,
  pointColumns,
  stepColumns,
  uniformText,
} from '../lens-columns.ts';
import { screenWidth } from '../screen.ts';
import { isolated, shortToken, tokensOf } from '../tokens.ts';
import { exact, type Value } from '../values.ts';
import { type HeatMap, heatMap } from './heat-map.ts';
import type { LineChart } from './line-chart.ts';
import { calibrationLines, modelText, promptWords } from './text.ts';

/** Layers up, tokens across: the likeliest token of each, on a colour. */
export function lensMap(result: LensResult, prompt: PromptLens, variant: VariantName, colour: string): HeatMap {
  const cells = prompt.variants.find((one) => one.variant === variant)?.cells ?? [];
  const { words, of, log } = entryOf(lensMaps, colour);
  return {
    title: `Likeliest token (${variant}), coloured by ${words}`,
    rowLabel: 'layer',
    rows: result.points.toReversed(),
    columnLabel: 'input token',
    columns: tokensOf(prompt).map((token, i) => `${i} ${shortToken(token)}`),
    values: cells.toReversed().map((row) => row.map(of)),
    texts: cells.toReversed().map((row) => row.map(({ top: [first] }) => (first ? shortToken(first) : ''))),
    ...(log && { log }),
  };
}

export interface LensTextOptions {
  readonly colour: string;
  /** Whether all tables are wanted. */
  readonly full?: boolean | undefined;
  readonly output?: string | undefined;
  /** Columns of the terminal. */
  readonly width?: number;
}

export function lensText(
  result: LensResult,
  { colour, full = false, output, width = screenWidth() }: LensTextOptions,
): string {
  const { model, recipe, precision, prompts } = result;
  const text = result.text && trusted(result.text, result.text);
  const parts = [
    [
      modelText(model),
      recipe && labelled('Operation', `${describeRecipe(recipe, model.layers)}, ${precision}`, width),
      ...calibrationLines(result.calibration, width),
      text && labelled('Text', readWords(text, text.positions), width),
      text && fewDocumentsWords(text),
    ]
      .filter(Boolean)
      .join('\n'),
    labelled('Result', lensWords(result).join(' '), width),
    [...promptWords(result), ...(result.notes ?? [])].map((line) => wrap(printable(line), width)).join('\n'),
    ...prompts.map((prompt) => promptText(result, prompt, colour, width)),
    text && textText(text, full, width),
    output && `Written    ${output}`,
  ];
  return isolated(parts.filter(Boolean).join('\n\n'));
}

function promptText(result: LensResult, prompt: PromptLens, colour: string, width: number): string {
  const { vocabulary, points } = result;
  const last = prompt.variants.map(({ variant, cells }) => {
    const rows = cells.map((row, point) => ({ point: itemAt(points, point), cell: row.at(-1) })).toReversed();
    return `After the last token, ${variant} (bits)\n${lastTable(rows, width)}`;
  });
  return [
    wrap(`Prompt: ${printable(prompt.prompt.trim())}`, width),
    ...prompt.variants.map(({ variant }) => heatMap(lensMap(result, prompt, variant, colour), width)),
    ...last,
    wrap(`${layerRule} ${cellsText(lastColumns)} Uniform baseline: ${uniformText(cellColumns, vocabulary)}.`, width),
  ].join('\n\n');
}

const lastColumns = cellColumns.filter(({ onTerminal }) => onTerminal);

/** As many of the likeliest tokens as fit, each with its probability; a token and its probability are never parted. */
function lastTable(
  rows: readonly { readonly point: string; readonly cell: SpelledCell | undefined }[],
  width: number,
): string {
  const most = Math.max(1, ...rows.map(({ cell }) => cell?.top.length ?? 0));
  const made = (count: number) => {
    const head = [
      'layer',
      'likeliest',
      'p',
      ...Array(count - 1)
        .fill(['next', 'p'])
        .flat(),
      ...lastColumns.map(({ shortLabel }) => shortLabel),
    ];
    const cells = rows.map(({ point, cell }) => [
      point,
      ...Array.from({ length: count }, (_, i) => cell?.top[i]).flatMap((one) =>
        one ? [shortToken(one), one.probability.toFixed(3)] : ['', ''],
      ),
      ...(cell ? lastColumns.map(({ of, show }) => show(of(cell))) : []),
    ]);
    return table(head, `l${'lr'.repeat(count)}${'r'.repeat(lastColumns.length)}`, cells, width);
  };
  for (let count = Math.min(most, 5); count > 1; count--) {
    const text = made(count);
    if (text.split('\n').every((line) => columnsOf(line) <= width)) return text;
  }
  return made(1);
}

function textText(text: LensOfText, full: boolean, width: number): string {
  const rule =
    `${layerRule} ${sentence(text.rule)}. ${cellsText(lastColumns)}${intervalText(text, `± is half the width of a 95 % interval (${text.intervalRule})`)} ` +
    "Unigram: the text's token frequencies.";
  const tables = text.variants.flatMap((profile) => [
    ...(full ? [pointsText(profile, width), stepsText(profile, width)] : []),
    ...(!full && !profile.changes ? [briefText(profile, width)] : []),
    ...(profile.changes ? [changesText(profile, width)] : []),
  ]);
  return [...tables, wrap(full ? rule : `${rule} --full prints all tables.`, width)].join('\n\n');
}

/** The lens over depth next to its baseline, in one table. */
function briefText({ variant, points, unigram, uniform }: LensOfText['variants'][number], width: number): string {
  const columns = pointColumns.filter(({ brief }) => brief);
  const shuffled = columns.filter(({ brief }) => brief === 'with baseline');
  const means = (one: LensMeans) => columns.map((column) => columnText(column, one));
  const rows = [
    ...points
      .toReversed()
      .map((one) => [one.point, ...means(one), ...shuffled.map(({ of, show }) => plain(of(one.shuffled), show))]),
    ['unigram', ...means(unigram)],
    uniformRow(columns, uniform),
  ];
  const [first = '', ...others] = columnLabels(shuffled);
  const head = ['layer', ...columnLabels(columns), `shuffled: ${first}`, ...others];
  return `The lens at every layer, ${variant}\n${numbersTable(head, rows, width)}`;
}

function pointsText({ variant, points, uniform, unigram }: LensOfText['variants'][number], width: number): string {
  const up = points.toReversed();
  const means = (one: LensMeans) => pointColumns.map((column) => columnText(column, one));
  const rows = up.map((one) => [one.point, ...ownColumns.map((column) => columnText(column, one)), ...means(one)]);
  const chance = [
    ...up.map(({ point, shuffled }) => [point, ...means(shuffled)]),
    ['unigram', ...means(unigram)],
    uniformRow(pointColumns, uniform),
  ];
  return [
    `The lens at every layer, ${variant}`,
    numbersTable(['layer', ...columnLabels(ownColumns), ...columnLabels(pointColumns)], rows, width),
    '',
    `Baselines, ${variant}: lens of a shuffled position, fixed distributions`,
    numbersTable(['layer', ...columnLabels(pointColumns)], chance, width),
  ].join('\n');
}

/** Names, then numbers. */
function numbersTable(head: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  return table(head, `l${'r'.repeat(head.length - 1)}`, rows, width);
}

function uniformRow(columns: typeof pointColumns, uniform: Uniform): string[] {
  return ['uniform', ...columns.map((column) => column.show(column.uniform(uniform)))];
}

function stepsText({ variant, steps }: LensOfText['variants'][number], width: number): string {
  const rows = steps
    .toReversed()
    .map((step) => [
      `to ${step.to}`,
      ...stepColumns.flatMap((column) => [columnText(column, step), plain(column.shuffled(step), column.show)]),
    ]);
  const head = ['step', ...columnLabels(stepColumns).flatMap((label) => [label, 'shuffled'])];
  return `From the layer below to each layer, ${variant}\n${numbersTable(head, rows, width)}`;
}

function changesText({ changes = [] }: LensOfText['variants'][number], width: number): string {
  const rows = changes
    .toReversed()
    .map((one) => [one.point, ...changeColumns.map((column) => columnText(column, one))]);
  const head = ['layer', ...columnLabels(changeColumns)];
  return `The operated model compared with the original at the same layer and position\n${numbersTable(head, rows, width)}`;
}

/** Statistics of the lens over depth: original, operated model, chance levels. */
export function lensCharts({ variants }: LensOfText): LineChart[] {
  const [original] = variants;
  return pointColumns.map(({ title, y, of, uniform }) => ({
    title: `${title}, ${y.label}`,
    x: { label: 'layer, from the embedding up' },
    y,
    series: [
      ...variants.map(({ variant, points }) => curve(variant, points.map(of))),
      ...(original
        ? [
            curve(
              'shuffled positions',
              original.points.map(({ shuffled }) => of(shuffled)),
            ),
            curve(
              'uniform',
              original.points.map(() => exact(uniform(original.uniform))),
            ),
          ]
        : []),
    ],
  }));
}

/** Similarity of neighbouring points, and its chance level. */
export function stepCharts({ variants }: LensOfText): LineChart[] {
  const [original] = variants;
  return stepColumns.map(({ title, y, of, shuffled }) => ({
    title: `${title}, ${y.label}`,
    x: { label: 'step, 1 is that over the first block' },
    y,
    series: [
      ...variants.map(({ variant, steps }) => curve(variant, steps.map(of), 1)),
      ...(original ? [curve('shuffled positions', original.steps.map(shuffled), 1)] : []),
    ],
  }));
}

/** @param first x of the first value */
function curve(name: string, values: readonly (Value | undefined)[], first = 0): LineChart['series'][number] {
  return {
    name,
    points: values.map((one, i) => ({
      x: first + i,
      y: one?.value ?? Number.NaN,
      ...(one?.interval && { low: one.interval[0], high: one.interval[1] }),
    })),
  };
}
