// Results of the logit lens → heat maps of prompts, tables and curves of a text.

import type {
  DepthProfile,
  LensMeans,
  LensOfText,
  LensResult,
  PromptLens,
  SpelledCell,
} from '../../analyses/lens/result.ts';
import type { Mean, VariantName } from '../../analyses/shapes.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { columnLabels, columnText, plain } from '../columns.ts';
import { fewDocumentsWords, intervalText, layerRule, lensWords, readWords, trusted } from '../findings.ts';
import { columnsOf, figure, labelled, printable, sentence, table, wrap } from '../format.ts';
import { changeColumns, pointColumns, stepColumns } from '../lens-columns.ts';
import { screenWidth } from '../screen.ts';
import { isolated, shortToken, tokensOf } from '../tokens.ts';
import { ofMean, ofMedian } from '../values.ts';
import { type HeatMap, heatMap } from './heat-map.ts';
import type { LineChart } from './line-chart.ts';
import { modelText, promptWords } from './text.ts';

export type Coloured = 'probability' | 'rank' | 'kl';

/** Layers up, tokens across: the likeliest token of each, on a colour. */
export function lensMap(result: LensResult, prompt: PromptLens, variant: VariantName, colour: Coloured): HeatMap {
  const cells = prompt.variants.find((one) => one.variant === variant)?.cells ?? [];
  const value = {
    probability: ({ top }: SpelledCell) => top[0]?.probability,
    rank: ({ rankFinal }: SpelledCell) => rankFinal,
    kl: ({ kl }: SpelledCell) => Math.max(kl, 0),
  }[colour];
  const what = {
    probability: 'its probability',
    rank: 'the rank of the final token',
    kl: 'KL to the last layer (bits)',
  }[colour];
  return {
    title: `Likeliest token (${variant}), coloured by ${what}`,
    rowLabel: 'layer',
    rows: result.points.toReversed(),
    columnLabel: 'input token',
    columns: tokensOf(prompt).map((token, i) => `${i} ${shortToken(token)}`),
    values: cells.toReversed().map((row) => row.map(value)),
    texts: cells.toReversed().map((row) => row.map(({ top: [first] }) => (first ? shortToken(first) : ''))),
    ...(colour === 'rank' ? { log: true } : {}),
  };
}

export interface LensTextOptions {
  readonly colour: Coloured;
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

function promptText(result: LensResult, prompt: PromptLens, colour: Coloured, width: number): string {
  const { vocabulary, points } = result;
  const last = prompt.variants.map(({ variant, cells }) => {
    const rows = cells.map((row, point) => ({ point: itemAt(points, point), cell: row.at(-1) })).toReversed();
    return `After the last token, ${variant} (bits)\n${lastTable(rows, width)}`;
  });
  const bits = figure(Math.log2(vocabulary));
  return [
    wrap(`Prompt: ${printable(prompt.prompt.trim())}`, width),
    ...prompt.variants.map(({ variant }) => heatMap(lensMap(result, prompt, variant, colour), width)),
    ...last,
    wrap(
      `${layerRule} KL(last layer ‖ lens). Rank (final): rank of the last layer's top token; rank (input): rank of the ` +
        `current input token. Uniform baseline: entropy ${bits} bits, KL ${bits} minus the last layer's entropy, ` +
        `rank ${figure((vocabulary + 1) / 2)}, probability ${figure(1 / vocabulary)}.`,
      width,
    ),
  ].join('\n\n');
}

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
      ...lastHead,
    ];
    const cells = rows.map(({ point, cell }) => [
      point,
      ...Array.from({ length: count }, (_, i) => cell?.top[i]).flatMap((one) =>
        one ? [shortToken(one), one.probability.toFixed(3)] : ['', ''],
      ),
      ...(cell ? lastCells(cell) : []),
    ]);
    return table(head, `l${'lr'.repeat(count)}rrrr`, cells, width);
  };
  for (let count = Math.min(most, 5); count > 1; count--) {
    const text = made(count);
    if (text.split('\n').every((line) => columnsOf(line) <= width)) return text;
  }
  return made(1);
}

const lastHead = ['entropy', 'KL', 'rank (final)', '(input)'];

function lastCells({ entropy, kl, rankFinal, rankInput }: SpelledCell): string[] {
  return [figure(entropy), figure(Math.abs(kl) < 1e-12 ? 0 : kl), `${rankFinal}`, `${rankInput}`];
}

function textText(text: LensOfText, full: boolean, width: number): string {
  const rule =
    `${layerRule} ${sentence(text.rule)}. Bits.${intervalText(text, `± is half the width of a 95 % interval (${text.intervalRule})`)} Rank (final): rank of ` +
    "the last layer's top token; rank (input): rank of the current input token. Unigram: the text's token frequencies.";
  const tables = text.variants.flatMap((profile) => [
    ...(full ? [pointsText(profile, width), stepsText(profile, width)] : []),
    ...(!full && !profile.changes ? [briefText(profile, width)] : []),
    ...(profile.changes ? [changesText(profile, width)] : []),
  ]);
  return [...tables, wrap(full ? rule : `${rule} --full prints all tables.`, width)].join('\n\n');
}

/** The lens over depth next to its baseline, in one table. */
function briefText({ variant, points, unigram, uniform }: LensOfText['variants'][number], width: number): string {
  const brief = pointColumns.slice(0, 2);
  const rows = points
    .toReversed()
    .map((one) => [one.point, ...lensCells(one), ...brief.map(({ of, show }) => plain(of(one.shuffled), show))]);
  rows.push(['unigram', ...lensCells(unigram)]);
  rows.push(uniformRow(uniform));
  const [first = '', ...others] = columnLabels(brief);
  const head = ['layer', ...columnLabels(pointColumns), `shuffled: ${first}`, ...others];
  return `The lens at every layer, ${variant}\n${table(head, 'lrrrrrr', rows, width)}`;
}

function pointsText({ variant, points, uniform, unigram }: LensOfText['variants'][number], width: number): string {
  const up = points.toReversed();
  const rows = up.map((one) => [
    one.point,
    plain(ofMedian(one.norm), figure),
    one.norm ? figure(one.norm.largest) : '–',
    plain(ofMean(one.entropy), figure),
    ...lensCells(one),
  ]);
  const chance = [
    ...up.map(({ point, shuffled }) => [point, ...lensCells(shuffled)]),
    ['unigram', ...lensCells(unigram)],
    uniformRow(uniform),
  ];
  return [
    `The lens at every layer, ${variant}`,
    table(['layer', 'norm', 'longest', 'entropy', ...columnLabels(pointColumns)], 'lrrrrrrr', rows, width),
    '',
    `Baselines, ${variant}: lens of a shuffled position, fixed distributions`,
    table(['layer', ...columnLabels(pointColumns)], 'lrrrr', chance, width),
  ].join('\n');
}

function uniformRow(uniform: LensOfText['variants'][number]['uniform']): string[] {
  return ['uniform', ...pointColumns.map((column) => column.show(column.uniform(uniform)))];
}

const lensCells = (means: LensMeans) => pointColumns.map((column) => columnText(column, means));

function stepsText({ variant, steps }: LensOfText['variants'][number], width: number): string {
  const rows = steps
    .toReversed()
    .map((step) => [
      `to ${step.to}`,
      ...stepColumns.flatMap((column) => [columnText(column, step), plain(column.shuffled(step), column.show)]),
    ]);
  const head = ['step', ...columnLabels(stepColumns).flatMap((label) => [label, 'shuffled'])];
  return `From the layer below to each layer, ${variant}\n${table(head, 'lrrrrrr', rows, width)}`;
}

function changesText({ changes = [] }: LensOfText['variants'][number], width: number): string {
  const rows = changes
    .toReversed()
    .map((one) => [one.point, ...changeColumns.map((column) => columnText(column, one))]);
  const head = ['layer', ...columnLabels(changeColumns)];
  return `The operated model compared with the original at the same layer and position\n${table(head, 'lrrrr', rows, width)}`;
}

/** Statistics of the lens over depth: original, operated model, chance levels. */
export function lensCharts({ variants }: LensOfText, vocabulary: number): LineChart[] {
  const curve = (label: string, log: boolean, of: (one: LensMeans) => Mean | null, chance: number): LineChart => ({
    title: label,
    x: { label: 'layer, from the embedding up' },
    y: { label, log },
    series: [
      ...variants.map(({ variant, points }) => ({ name: variant, points: points.map((one, x) => at(x, of(one))) })),
      ...variants.slice(0, 1).map(({ points }) => ({
        name: 'shuffled positions',
        points: points.map(({ shuffled }, x) => at(x, of(shuffled))),
      })),
      { name: 'uniform', points: (variants[0]?.points ?? []).map((_, x) => ({ x, y: chance })) },
    ],
  });
  const rank = (vocabulary + 1) / 2;
  return [
    curve('KL to the last layer (bits)', false, ({ kl }) => kl, variants[0]?.uniform.kl ?? Number.NaN),
    curve('rank of the final token', true, ({ rankFinal }) => rankFinal, rank),
    curve('rank of the input token', true, ({ rankInput }) => rankInput, rank),
  ];
}

/** Similarity of neighbouring points, and its chance level. */
export function stepCharts({ variants }: LensOfText): LineChart[] {
  type Step = DepthProfile['steps'][number];
  const curve = (label: string, of: (step: Step) => Mean | null, shuffled: (step: Step) => number | undefined) => ({
    title: label,
    x: { label: 'step, 1 is that over the first block' },
    y: { label },
    series: [
      ...variants.map(({ variant, steps }) => ({ name: variant, points: steps.map((step, x) => at(x + 1, of(step))) })),
      ...variants.slice(0, 1).map(({ steps }) => ({
        name: 'shuffled positions',
        points: steps.map((step, x) => ({ x: x + 1, y: shuffled(step) ?? Number.NaN })),
      })),
    ],
  });
  return [
    curve(
      'cosine with the layer below',
      ({ cosine }) => cosine,
      ({ shuffled }) => shuffled.cosine?.mean,
    ),
    curve(
      'KL from the lens below (bits)',
      ({ kl }) => kl,
      ({ shuffled }) => shuffled.kl?.mean,
    ),
    curve(
      'linear CKA with the layer below',
      ({ cka }) => cka,
      ({ shuffled }) => shuffled.cka,
    ),
  ];
}

function at(x: number, mean: Mean | null) {
  if (!mean) return { x, y: Number.NaN };
  return mean.interval ? { x, y: mean.mean, low: mean.interval[0], high: mean.interval[1] } : { x, y: mean.mean };
}
