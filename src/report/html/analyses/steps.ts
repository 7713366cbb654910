// Similarity of neighbouring points, and the change that an operation makes at each point.
import type { LensOfText } from '../../../analyses/lens/result.ts';
import { figure, integer } from '../../format.ts';
import type { Figure } from '../figure.ts';
import type { Cell } from '../table.ts';
import {
  type DepthCurve,
  depthPanel,
  exact,
  ofMean,
  ofMedian,
  ofShare,
  share,
  sharesUp,
  shuffledSeries,
  valueCell,
  variantSeries,
  withoutNoise,
} from './depth.ts';
import { lensRule } from './points.ts';

type Step = LensOfText['variants'][number]['steps'][number];

const likenesses = [
  {
    title: 'Cosine',
    y: { label: 'with the layer below' },
    of: ({ cosine }: Step) => ofMean(cosine),
    by: ({ shuffled }: Step) => ofMean(shuffled.cosine),
  },
  {
    title: 'KL from the lens below',
    y: { label: 'bits' },
    of: ({ kl }: Step) => ofMean(kl),
    by: ({ shuffled }: Step) => ofMean(shuffled.kl),
  },
  {
    title: 'Linear CKA',
    y: { label: 'with the layer below' },
    of: ({ cka }: Step) => ofMean(cka),
    by: ({ shuffled }: Step) => exact(shuffled.cka),
  },
] as const;

export async function stepsFigure(text: LensOfText): Promise<Figure> {
  const { variants } = text;
  const [original] = variants;
  const names = original?.steps.map(({ to }) => to) ?? [];
  const thousandths = (value: number) => value.toFixed(3);
  const panels = [];
  for (const { title, y, of, by } of likenesses) {
    const curves: DepthCurve[] = [
      ...(original ? [{ series: shuffledSeries, values: original.steps.map(by) }] : []),
      ...variants.map(({ variant, steps }) => ({ series: variantSeries[variant], values: steps.map(of) })),
    ];
    panels.push(await depthPanel({ title, points: names, across: 'step to the layer', y, show: thousandths, curves }));
  }
  return {
    title: 'Similarity of each layer to the one below',
    caption:
      `The first step is that over the first block${names[0]?.includes(' ') ? '’s attention' : ''}. ${lensRule(text)} Dashed: the original, with the layer below taken at another position. ` +
      `CKA over ${integer(text.sampled)} positions.`,
    notShown:
      'A small cosine shows that a block adds a large update, not that it overwrites the residual. Neither cosine nor CKA shows changes of the ' +
      'residual’s norm.',
    panels,
    legend: [shuffledSeries, ...variants.map(({ variant }) => variantSeries[variant])],
    table: {
      name: 'lens-steps',
      about: 'Similarity of each layer to the one below, the last step first',
      head: ['model', 'to', ...likenesses.flatMap(({ title }) => [`>${title}`, '>shuffled'])],
      rows: variants.flatMap(({ variant, steps }) =>
        steps
          .map((step): Cell[] => [
            variant,
            step.to,
            ...likenesses.flatMap(({ of, by }) => [valueCell(of(step), thousandths), valueCell(by(step), thousandths)]),
          ])
          .toReversed(),
      ),
    },
  };
}

type Change = NonNullable<LensOfText['variants'][number]['changes']>[number];

const differences = [
  { title: 'KL of the lenses', y: { label: 'bits' }, show: figure, of: ({ kl }: Change) => withoutNoise(ofMean(kl)) },
  {
    title: 'The same token first',
    y: { label: 'of positions', ...sharesUp },
    show: share,
    of: ({ sameTop }: Change) => ofShare(sameTop),
  },
  { title: 'Cosine', y: { label: 'with the original' }, show: figure, of: ({ cosine }: Change) => ofMean(cosine) },
  {
    title: '‖difference‖ / ‖original‖',
    y: { label: 'of the residual' },
    show: figure,
    of: ({ relativeError }: Change) => ofMedian(relativeError),
  },
] as const;

export async function changesFigure(text: LensOfText): Promise<Figure> {
  const { changes = [] } = text.variants.find((one) => one.changes) ?? {};
  const names = changes.map(({ point }) => point);
  const series = variantSeries.operated;
  const panels = [];
  for (const { title, y, show, of } of differences)
    panels.push(await depthPanel({ title, points: names, y, show, curves: [{ series, values: changes.map(of) }] }));
  return {
    title: 'The operated model compared with the original, at the same layer and position',
    caption:
      `KL(original’s lens ‖ operated lens). ${integer(text.positions)} positions; error bars and brackets: ${text.intervalRule}. ‖difference‖ / ‖original‖ is the median ` +
      'over positions: where an operation creates an attention sink, a single position differs by a hundred times its norm.',
    notShown:
      'Both models read the same text: the difference at a layer accumulates over all operated blocks below it, not over that block alone.',
    panels,
    legend: [series],
    table: {
      name: 'lens-changes',
      about: 'What the operation changes, the last layer first',
      head: ['layer', ...differences.map(({ title }) => `>${title}`)],
      rows: changes
        .map((one): Cell[] => [one.point, ...differences.map(({ of, show }) => valueCell(of(one), show))])
        .toReversed(),
    },
  };
}
