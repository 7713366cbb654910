// Similarity of neighbouring points, and the change that an operation makes at each point.
import type { LensOfText } from '../../../analyses/lens/result.ts';
import { integer } from '../../format.ts';
import { changeColumns, stepColumns } from '../../lens-columns.ts';
import type { Figure } from '../figure.ts';
import type { Cell } from '../table.ts';
import { type DepthCurve, depthPanel, shuffledSeries, valueCell, variantSeries } from './depth.ts';
import { lensRule } from './points.ts';

export async function stepsFigure(text: LensOfText): Promise<Figure> {
  const { variants } = text;
  const [original] = variants;
  const names = original?.steps.map(({ to }) => to) ?? [];
  const panels = [];
  for (const { title, y, show, of, shuffled } of stepColumns) {
    const curves: DepthCurve[] = [
      ...(original ? [{ series: shuffledSeries, values: original.steps.map(shuffled) }] : []),
      ...variants.map(({ variant, steps }) => ({ series: variantSeries[variant], values: steps.map(of) })),
    ];
    panels.push(await depthPanel({ title, points: names, across: 'step to the layer', y, show, curves }));
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
      head: ['model', 'to', ...stepColumns.flatMap(({ title }) => [`>${title}`, '>shuffled'])],
      rows: variants.flatMap(({ variant, steps }) =>
        steps
          .map((step): Cell[] => [
            variant,
            step.to,
            ...stepColumns.flatMap(({ of, show, shuffled }) => [
              valueCell(of(step), show),
              valueCell(shuffled(step), show),
            ]),
          ])
          .toReversed(),
      ),
    },
  };
}

export async function changesFigure(text: LensOfText): Promise<Figure> {
  const { changes = [] } = text.variants.find((one) => one.changes) ?? {};
  const names = changes.map(({ point }) => point);
  const series = variantSeries.operated;
  const panels = [];
  for (const { title, y, show, of } of changeColumns)
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
      head: ['layer', ...changeColumns.map(({ title }) => `>${title}`)],
      rows: changes
        .map((one): Cell[] => [one.point, ...changeColumns.map(({ of, show }) => valueCell(of(one), show))])
        .toReversed(),
    },
  };
}
