// Figures of unlikely.json: energy of the residual along tokens by their final probability, over depth, with its chance level.
import type { BandFigures, UnlikelyResult } from '../../../analyses/unlikely/result.ts';
import { itemAt } from '../../../platform/indexing.ts';
import { bandNames, exceeding, intervalText } from '../../findings.ts';
import { counted, integer, sentence } from '../../format.ts';
import { ofMean, type Value } from '../../values.ts';
import type { Scale, Series } from '../axes.ts';
import type { Figure, Section } from '../figure.ts';
import type { Head } from '../header.ts';
import type { Rule } from '../panels.ts';
import type { Cell } from '../table.ts';
import { type DepthCurve, depthPanels, shuffledSeries, valueCell } from './depth.ts';

type Variant = UnlikelyResult['variants'][number];

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'cross', 'triangle-down'] as const;
const randomSeries: Series = { name: 'random directions', colour: 'c1', shape: 'cross', dashed: true };
const mixturesSeries: Series = { name: 'mixtures of tokens', colour: 'c2', shape: 'diamond', dashed: true };

export async function unlikelySections(result: UnlikelyResult): Promise<Section[]> {
  const bands = bandNames(itemAt(result.variants, 0));
  const series = bands.map(
    (band, i): Series => ({ name: band, colour: `q${i % 6}`, shape: shapes[i % shapes.length] ?? 'circle' }),
  );
  return [
    {
      id: 'unlikely',
      title: 'Near-impossible next tokens',
      lead: 'Does the network reuse the directions of tokens that are near-impossible in context, and clear them at the end? Reuse would raise their energy above the chance level.',
      figures: [
        await crucialFigure(result, series),
        await energyFigure(result, series),
        await bandsFigure(result, series, others.projection),
        await bandsFigure(result, series, others.sameTokens),
        await bandsFigure(result, series, others.change),
        middleFigure(result, bands),
      ],
    },
  ];
}

export function unlikelyGlance({ variants }: UnlikelyResult): Head['glance'] {
  const last = variants[0]?.points.at(-1);
  const least = last?.bands.at(-1);
  if (!last?.mixtures || !least?.energy || !least.shuffled) return [];
  return [
    ...variants.map(({ variant, points }) => {
      const { above, all } = exceeding(points);
      const model = variants.length > 1 ? `, ${variant} model` : '';
      return [
        `${above.length} of ${all.length}`,
        `layers before the last exceed both baselines along tokens ${least.band}${model}`,
      ] as const;
    }),
    [
      least.energy.mean.toFixed(3),
      `energy along tokens ${least.band} at the last layer; at a shuffled position ${least.shuffled.mean.toFixed(3)}, ` +
        `along mixtures of tokens ${last.mixtures.mean.toFixed(3)}${last.random ? `, along random directions ${last.random.mean.toFixed(3)}` : ''}`,
    ],
  ];
}

const rule = ({ text }: UnlikelyResult) => intervalText(text, `Error bars and brackets: ${text.intervalRule}`);
const energy = (value: number) => value.toFixed(Math.abs(value) < 10 ? 3 : 2);
const chance: readonly Rule[] = [{ y: 1, label: 'chance' }];

const names = ({ points }: Variant) => points.map(({ point }) => point);
const titled = (result: UnlikelyResult, { variant }: Variant) =>
  result.variants.length > 1 ? `${variant} model` : 'the model';

/** The least likely band, and the baselines that it would have to exceed. */
async function crucialFigure(result: UnlikelyResult, series: readonly Series[]): Promise<Figure> {
  const band = series.length - 1;
  const own = itemAt(series, band);
  const { name } = own;
  const curvesOf = ({ points }: Variant): DepthCurve[] => [
    { series: shuffledSeries, values: points.map(({ bands }) => ofMean(bands[band]?.shuffled)) },
    { series: mixturesSeries, values: points.map(({ mixtures }) => ofMean(mixtures)) },
    { series: randomSeries, values: points.map(({ random }) => ofMean(random)) },
    { series: own, values: points.map(({ bands }) => ofMean(bands[band]?.energy)) },
  ];
  const panels = await depthPanels(
    result.variants.map((variant) => ({
      title: titled(result, variant),
      points: names(variant),
      y: { label: 'energy', log: true },
      show: energy,
      curves: curvesOf(variant),
      rules: chance,
    })),
  );
  return {
    title: `Energy along tokens of final probability ${name}, and its baselines`,
    caption: `${sentence(result.text.rule)}. Seed ${result.seed}.${rule(result)}`,
    notShown:
      'Energy is not use: nothing need read a direction that carries much energy. At the last layer the value follows from the band, ' +
      'which is defined there.',
    panels,
    legend: [own, shuffledSeries, mixturesSeries, randomSeries],
    table: {
      name: 'unlikely-controls',
      about: `Energy along tokens ${name} and its controls, the last layer first`,
      head: ['model', 'layer', `>${name}`, '>shuffled', '>mixtures', '>random'],
      rows: result.variants.flatMap(({ variant, points }) =>
        points
          .map(({ point, bands, mixtures, random }): Cell[] => [
            variant,
            point,
            ...[bands[band]?.energy, bands[band]?.shuffled, mixtures, random].map((one) =>
              valueCell(ofMean(one), energy),
            ),
          ])
          .toReversed(),
      ),
    },
  };
}

async function energyFigure(result: UnlikelyResult, series: readonly Series[]): Promise<Figure> {
  return bandsFigure(result, series, {
    name: 'unlikely-energy',
    title: 'Energy along tokens by their final probability',
    caption: 'Logarithmic y axis; 1 is what random directions have on average.',
    y: { label: 'energy', log: true },
    rules: chance,
    of: ({ energy: one }) => ofMean(one),
  });
}

/** A figure by band and point. */
interface Aspect {
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly notShown?: string;
  readonly y: Scale;
  readonly rules: readonly Rule[];
  readonly of: (band: BandFigures) => Value | undefined;
}

const others: Readonly<Record<'projection' | 'sameTokens' | 'change', Aspect>> = {
  projection: {
    name: 'unlikely-projection',
    title: 'Mean projection on tokens’ directions',
    caption: 'In units of a random direction’s root mean square; below 0 the token is suppressed.',
    y: { label: 'projection' },
    rules: [{ y: 0 }],
    of: ({ projection }) => ofMean(projection),
  },
  sameTokens: {
    name: 'unlikely-same',
    title: 'Energy minus that of the same tokens where they are likely',
    caption:
      'Over tokens that are likely in enough other contexts; the intervals take the energy there as known. Below 0 a token has less energy where it is unlikely.',
    y: { label: 'difference of energies' },
    rules: [{ y: 0 }],
    of: ({ sameTokens }) => ofMean(sameTokens.difference),
  },
  change: {
    name: 'unlikely-change',
    title: 'Change of energy from the layer below',
    caption: 'None at the embedding. Paired by position.',
    notShown:
      'As energy concentrates along likely tokens, all other directions lose some: a fall alone is no evidence of clearing, which would have to start above the chance level.',
    y: { label: 'change of energy' },
    rules: [{ y: 0 }],
    of: ({ change }) => ofMean(change),
  },
};

async function bandsFigure(result: UnlikelyResult, series: readonly Series[], aspect: Aspect): Promise<Figure> {
  const { name, title, caption, notShown, y, rules, of } = aspect;
  const panels = await depthPanels(
    result.variants.map((variant) => ({
      title: titled(result, variant),
      points: names(variant),
      y,
      show: energy,
      rules,
      curves: series.map((one, band) => ({
        series: one,
        values: variant.points.map(({ bands }) => bands[band] && of(bands[band])),
      })),
    })),
  );
  return {
    title,
    caption: `${caption}${rule(result)}`,
    ...(notShown ? { notShown } : {}),
    panels,
    legend: series,
    table: {
      name,
      about: `${title}, the last layer first`,
      head: ['model', 'layer', ...series.map((one) => `>${one.name}`)],
      rows: result.variants.flatMap(({ variant, points }) =>
        points
          .map(({ point, bands }): Cell[] => [variant, point, ...bands.map((band) => valueCell(of(band), energy))])
          .toReversed(),
      ),
    },
  };
}

function middleFigure(result: UnlikelyResult, bands: readonly string[]): Figure {
  const { points, likelyTokens } = itemAt(result.variants, 0);
  const pairs = itemAt(points, 0)
    .bands.map((one) => `${one.band}: ${integer(one.pairs)}`)
    .join(', ');
  return {
    title: 'From the middle to the end',
    caption: `Energy at the last layer minus that at the middle one. Pairs of a position and a token in each band: ${pairs}. ${counted(likelyTokens, 'token')} can be compared with themselves where they are likely.${rule(result)}`,
    panels: [],
    table: {
      name: 'unlikely-middle',
      about: 'Change of energy from the middle to the end',
      head: ['model', 'from', 'to', ...bands.map((band) => `>${band}`)],
      rows: result.variants.map(({ variant, fromMiddle: { from, to, bands: all } }): Cell[] => [
        variant,
        from,
        to,
        ...all.map((one) => valueCell(ofMean(one), energy)),
      ]),
    },
    open: true,
  };
}
