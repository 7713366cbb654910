// Energy of the residual stream along tokens by their probability → tables and curves over depth.

import type { Mean } from '../../analyses/shapes.ts';
import type { BandFigures, UnlikelyResult } from '../../analyses/unlikely/result.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import {
  bandNames,
  fewDocumentsWords,
  intervalText,
  layerRule,
  readWords,
  trusted,
  unlikelyWords,
} from '../findings.ts';
import { counted, integer, labelled, sentence, table, wrap } from '../format.ts';
import { screenWidth } from '../screen.ts';
import type { LineChart, Point } from './line-chart.ts';
import { calibrationLines, modelText } from './text.ts';

/** @param full whether all tables are wanted */
export function unlikelyText(whole: UnlikelyResult, full: boolean, output?: string, width = screenWidth()): string {
  const result = trusted(whole, whole.text);
  const { model, recipe, precision, text, variants, seed } = result;
  return [
    [
      modelText(model),
      recipe && labelled('Operation', `${describeRecipe(recipe, model.layers)}, ${precision}`, width),
      ...calibrationLines(result.calibration, width),
      labelled('Text', readWords(text, variants[0]?.positions ?? Number.NaN), width),
      fewDocumentsWords(text),
    ]
      .filter(Boolean)
      .join('\n'),
    labelled('Result', unlikelyWords(result).join(' '), width),
    ...variants.flatMap((one) => (full ? variantText(one, width) : [briefText(one, width)])),
    wrap(
      `${layerRule} ${sentence(text.rule)}. Seed ${seed}.${intervalText(text, `± is half the width of a 95 % interval (${text.intervalRule})`)}` +
        `${full ? '' : ' --full prints all bands and tables.'}`,
      width,
    ),
    output && `Written    ${output}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** The least likely tokens and their baselines. */
function briefText({ variant, points }: UnlikelyResult['variants'][number], width: number): string {
  const band = bandNames({ points }).at(-1);
  const rows = points.toReversed().map(({ point, random, mixtures, bands }) => {
    const least = bands.at(-1);
    return [point, plusMinus(least?.energy ?? null), ...[least?.shuffled ?? null, mixtures, random].map(plain)];
  });
  const head = ['layer', `tokens ${band}`, 'shuffled', 'mixtures', 'random'];
  return `Energy along tokens of final probability ${band}, and its baselines, ${variant}\n${table(head, 'lrrrr', rows, width)}`;
}

function variantText(one: UnlikelyResult['variants'][number], width: number): string[] {
  const { variant, points, likelyTokens, fromMiddle } = one;
  const names = bandNames({ points });
  const align = `l${'r'.repeat(names.length)}`;
  const up = points.toReversed();
  const byBand = (title: string, show: (band: BandFigures) => string) =>
    `${title}, ${variant}\n${table(
      ['layer', ...names],
      align,
      up.map(({ point, bands }) => [point, ...bands.map(show)]),
      width,
    )}`;
  const pairs = itemAt(points, 0)
    .bands.map(({ band, pairs }) => `${band}: ${integer(pairs)}`)
    .join(', ');
  const chance = up.map(({ point, random, mixtures, bands }) => [
    point,
    ...[random, mixtures, ...bands.map(({ shuffled }) => shuffled)].map(plain),
  ]);
  const middle = `${fromMiddle.from} → ${fromMiddle.to}`;
  return [
    wrap(
      `${variant}: pairs of a position and a token by the token's final probability: ${pairs}. ` +
        `${counted(likelyTokens, 'token')} can be compared with themselves where they are likely.`,
      width,
    ),
    byBand('Energy', ({ energy }) => plusMinus(energy)),
    `Baselines, ${variant}: random directions, mixtures of tokens, and by band shuffled positions\n${table(
      ['layer', 'random', 'mixtures', ...names],
      `${align}rr`,
      chance,
      width,
    )}`,
    byBand('Mean projection', ({ projection }) => plusMinus(projection)),
    byBand('Energy minus that of the same tokens where they are likely', ({ sameTokens }) =>
      plusMinus(sameTokens.difference),
    ),
    `${byBand('Change of energy from the layer below', ({ change }) => plusMinus(change))}\n${table(
      ['from → to', ...names],
      align,
      [[middle, ...fromMiddle.bands.map(plusMinus)]],
      width,
    )}`,
  ];
}

/** Energy, projection and the comparison with the same tokens, over depth. */
export function unlikelyCharts({ variants }: UnlikelyResult): LineChart[] {
  return variants.flatMap(({ variant, points }) => {
    const names = bandNames({ points });
    const curves = (label: string, log: boolean, of: (band: BandFigures) => Mean | null): LineChart => ({
      title: `${variant}: ${label}`,
      x: { label: 'layer, from the embedding up' },
      y: { label, log },
      series: names
        .map((name, band) => ({
          name,
          points: points.flatMap(({ bands }, x) => point(x, bands[band] ? of(bands[band]) : null)),
        }))
        .filter((one) => one.points.length > 0),
    });
    const energy = curves('energy (chance: 1)', true, (band) => band.energy);
    const mixtures = { name: 'mixtures', points: points.flatMap((one, x) => point(x, one.mixtures)) };
    return [
      { ...energy, series: [...energy.series, mixtures] },
      curves('mean projection', false, ({ projection }) => projection),
      curves('energy minus that where likely', false, ({ sameTokens }) => sameTokens.difference),
    ];
  });
}

/** A point with its interval; none where there is no mean. */
function point(x: number, mean: Mean | null): Point[] {
  if (!mean) return [];
  return [mean.interval ? { x, y: mean.mean, low: mean.interval[0], high: mean.interval[1] } : { x, y: mean.mean }];
}

/** Decimals that fit a column: energies are of the size of 1, those of likely tokens larger. */
const decimals = (value: number) => (Math.abs(value) < 10 ? 3 : 2);

const plain = (mean: Mean | null) => mean?.mean.toFixed(decimals(mean.mean)) ?? '–';

/** "0.823 ±.011". */
function plusMinus(mean: Mean | null): string {
  if (!mean?.interval) return plain(mean);
  const [low, high] = mean.interval;
  return `${plain(mean)} ±${((high - low) / 2).toFixed(decimals(mean.mean)).replace(/^0/, '')}`;
}
