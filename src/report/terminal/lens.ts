// Results of the logit lens → heat maps of prompts, tables and curves of a text. At most 80 columns.

import type {
  DepthProfile,
  LensMeans,
  LensOfText,
  LensResult,
  PromptLens,
  SpelledCell,
} from '../../analyses/lens/result.ts';
import type { Mean, Median, VariantName } from '../../analyses/shapes.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { counted, figure, percent, printable, table, wrap } from '../format.ts';
import { type HeatMap, heatMap } from './heat-map.ts';
import type { LineChart } from './line-chart.ts';
import { modelText, promptWords } from './text.ts';

export type Coloured = 'probability' | 'rank' | 'kl';

const longestToken = 8;

/** Points up, tokens across: the likeliest token of each, on a colour. */
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
    kl: 'KL to the last point (bits)',
  }[colour];
  return {
    title: `Likeliest token (${variant}), coloured by ${what}`,
    rowLabel: 'point',
    rows: result.points.toReversed(),
    columnLabel: 'input token',
    columns: prompt.tokens.map((token, i) => `${i} ${shortened(token)}`),
    values: cells.toReversed().map((row) => row.map(value)),
    texts: cells.toReversed().map((row) => row.map(({ top }) => shortened(top[0]?.token ?? ''))),
    ...(colour === 'rank' ? { log: true } : {}),
  };
}

/** A token that a cell can show: line breaks and other controls made visible, long ones cut. */
export function shortened(token: string): string {
  const shown = [...printable(token.replace(/\n/g, '↵').replace(/\t/g, '⇥'))];
  return shown.length > longestToken ? `${shown.slice(0, longestToken - 1).join('')}…` : shown.join('');
}

export function lensText(result: LensResult, colour: Coloured, output?: string): string {
  const { model, recipe, precision, prompts, text } = result;
  return [
    modelText(model),
    recipe && wrap(`Operation  ${describeRecipe(recipe, model.layers)}, ${precision}`),
    [...promptWords(result), ...(result.notes ?? [])].map((line) => wrap(printable(line))).join('\n'),
    ...prompts.map((prompt) => promptText(result, prompt, colour)),
    text && textText(text),
    output && `Written    ${output}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

function promptText(result: LensResult, prompt: PromptLens, colour: Coloured): string {
  const { vocabulary, points } = result;
  const last = prompt.variants.map(({ variant, cells }) => {
    const rows = cells.map((row, point) => lastRow(itemAt(points, point), row.at(-1))).toReversed();
    return `After the last token, ${variant} (bits)\n${table(['point', 'likeliest', 'entropy', 'KL', 'rank final', 'rank input'], 'llrrrr', rows)}`;
  });
  const bits = figure(Math.log2(vocabulary));
  return [
    wrap(`Prompt: ${printable(prompt.prompt.trim())}`),
    ...prompt.variants.map(({ variant }) => heatMap(lensMap(result, prompt, variant, colour))),
    ...last,
    wrap(
      `KL(last point ‖ lens). Rank final: of the token that the last point finds likeliest; rank input: of the input token. ` +
        `Uniform distribution: entropy ${bits} bits, KL ${bits} minus the last point's entropy, ` +
        `rank ${figure((vocabulary + 1) / 2)}, probability ${figure(1 / vocabulary)}.`,
    ),
  ].join('\n\n');
}

function lastRow(point: string, cell: SpelledCell | undefined): string[] {
  if (!cell) return [point];
  const likeliest = cell.top
    .slice(0, 3)
    .map(({ token, probability }) => `${shortened(token)} ${probability.toFixed(3)}`);
  return [
    point,
    likeliest.join('  '),
    figure(cell.entropy),
    figure(Math.abs(cell.kl) < 1e-12 ? 0 : cell.kl),
    `${cell.rankFinal}`,
    `${cell.rankInput}`,
  ];
}

function textText(text: LensOfText): string {
  return [
    wrap(
      `${text.text}: ${counted(text.documents, 'document')} of at most ${text.maxTokens} tokens, ` +
        `${counted(text.positions, 'position')}; ${text.rule}. Bits; ± is half the width of a 95 % interval (${text.intervalRule}).`,
    ),
    ...text.variants.flatMap((profile) => [
      pointsText(profile),
      stepsText(profile),
      ...(profile.changes ? [changesText(profile)] : []),
    ]),
  ].join('\n\n');
}

const lensHead = ['KL', 'same top', 'rank final', 'rank input'];

function pointsText({ variant, points, uniform, unigram }: LensOfText['variants'][number]): string {
  const up = points.toReversed();
  const rows = up.map((one) => [
    one.point,
    plain(middle(one.norm)),
    one.norm ? figure(one.norm.largest) : '–',
    plain(one.entropy),
    ...lensCells(one),
  ]);
  const rank = figure(uniform.rank);
  const chance = [
    ...up.map(({ point, shuffled }) => [point, ...lensCells(shuffled)]),
    ['token frequencies', ...lensCells(unigram)],
    ['uniform', figure(uniform.kl), percent(uniform.probability), rank, rank],
  ];
  return [
    `The lens at every point, ${variant}`,
    table(['point', 'norm', 'longest', 'entropy', ...lensHead], 'lrrrrrrr', rows),
    '',
    `Chance levels, ${variant}: lens of a shuffled position, fixed distributions`,
    table(['point', ...lensHead], 'lrrrr', chance),
  ].join('\n');
}

function lensCells({ kl, sameTop, rankFinal, rankInput }: LensMeans): string[] {
  return [plusMinus(kl), share(sameTop), plain(rankFinal), plain(rankInput)];
}

function stepsText({ variant, steps }: LensOfText['variants'][number]): string {
  const rows = steps
    .toReversed()
    .map(({ to, cosine, kl, cka, shuffled }) => [
      `to ${to}`,
      thousandths(cosine),
      shuffled.cosine?.mean.toFixed(3) ?? '–',
      thousandths(kl),
      shuffled.kl?.mean.toFixed(3) ?? '–',
      thousandths(cka),
      shuffled.cka.toFixed(3),
    ]);
  const head = ['step', 'cosine', 'shuffled', 'KL', 'shuffled', 'CKA', 'shuffled'];
  return `From the point below to each point, ${variant}\n${table(head, 'lrrrrrr', rows)}`;
}

function changesText({ changes = [] }: LensOfText['variants'][number]): string {
  const rows = changes
    .toReversed()
    .map(({ point, kl, sameTop, cosine, relativeError }) => [
      point,
      plusMinus(kl),
      share(sameTop),
      plusMinus(cosine),
      plusMinus(middle(relativeError)),
    ]);
  const head = ['point', 'KL of the lens', 'same top', 'cosine', '‖difference‖ / ‖original‖'];
  return `The operated model compared with the original at the same point and position\n${table(head, 'lrrrr', rows)}`;
}

/** "1.234 ±0.010", the interval's half to two digits. */
function plusMinus(mean: Mean | null): string {
  if (!mean) return '–';
  if (Math.abs(mean.mean) < 1e-12) return '0'; // the last point against itself, up to rounding
  return mean.interval ? `${figure(mean.mean)} ±${Number(half(mean.interval).toPrecision(2))}` : figure(mean.mean);
}

/** The same in thousandths, for narrow columns. */
function thousandths(mean: Mean | null): string {
  if (!mean) return '–';
  return mean.interval ? `${mean.mean.toFixed(3)} ±${half(mean.interval).toFixed(3)}` : mean.mean.toFixed(3);
}

/** A median in the place of a mean. */
const middle = (one: Median | null): Mean | null => one && { mean: one.median, interval: one.interval };
const half = ([low, high]: readonly [number, number]) => (high - low) / 2;
const plain = (mean: Mean | null) => (mean ? figure(mean.mean) : '–');
const share = (mean: Mean | null) => (mean ? percent(mean.mean) : '–');

/** Statistics of the lens over depth: original, operated model, chance levels. */
export function lensCharts({ variants }: LensOfText, vocabulary: number): LineChart[] {
  const curve = (label: string, log: boolean, of: (one: LensMeans) => Mean | null, chance: number): LineChart => ({
    title: label,
    x: { label: 'point, from the embedding up' },
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
    curve('KL to the last point (bits)', false, ({ kl }) => kl, variants[0]?.uniform.kl ?? Number.NaN),
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
      'cosine with the point below',
      ({ cosine }) => cosine,
      ({ shuffled }) => shuffled.cosine?.mean,
    ),
    curve(
      'KL from the lens below (bits)',
      ({ kl }) => kl,
      ({ shuffled }) => shuffled.kl?.mean,
    ),
    curve(
      'linear CKA with the point below',
      ({ cka }) => cka,
      ({ shuffled }) => shuffled.cka,
    ),
  ];
}

function at(x: number, mean: Mean | null) {
  if (!mean) return { x, y: Number.NaN };
  return mean.interval ? { x, y: mean.mean, low: mean.interval[0], high: mean.interval[1] } : { x, y: mean.mean };
}
