// The lens at every layer, averaged over a text, with its chance levels.
import type { LensOfText } from '../../../analyses/lens/result.ts';
import { intervalText } from '../../findings.ts';
import { integer } from '../../format.ts';
import { ownColumns, pointColumns } from '../../lens-columns.ts';
import { exact } from '../../values.ts';
import type { Scale } from '../axes.ts';
import type { Figure } from '../figure.ts';
import type { Cell } from '../table.ts';
import { type DepthCurve, depthPanel, legendOf, shuffledSeries, valueCell, variantSeries } from './depth.ts';

/** By what rule a text was read. */
export const lensRule = (text: LensOfText) =>
  `${integer(text.positions)} positions: ${text.rule}.${intervalText(text, `Error bars and brackets: ${text.intervalRule}`)}`;

export async function pointsFigure(text: LensOfText): Promise<Figure> {
  const { variants } = text;
  const [original] = variants;
  const names = original?.points.map(({ point }) => point) ?? [];
  const panels = [];
  const legend: DepthCurve[] = [];
  for (const { title, y, show, of, uniform } of pointColumns) {
    const curves: DepthCurve[] = [
      ...(original ? [{ series: shuffledSeries, values: original.points.map(({ shuffled }) => of(shuffled)) }] : []),
      ...variants.map(({ variant, points }) => ({ series: variantSeries[variant], values: points.map(of) })),
    ];
    const unigram = original && of(original.unigram);
    const rules = [
      ...(original && y.domain === undefined ? [{ y: uniform(original.uniform), label: 'uniform' }] : []),
      ...(unigram ? [{ y: unigram.value, label: 'token frequencies' }] : []),
    ];
    legend.push(...curves);
    panels.push(await depthPanel({ title, points: names, y, show, curves, rules: apart(rules, y, highest(curves)) }));
  }
  return {
    title: 'The lens at every layer',
    caption:
      `Final norm, applied at the layer, and unembedding. ${lensRule(text)} Dashed: the original’s lens at a shuffled position. Dotted: one ` +
      'fixed distribution in place of every lens, uniform or the text’s token frequencies.',
    notShown: pointColumns.flatMap(({ notShown = [] }) => notShown).join(' '),
    panels,
    legend: legendOf(legend),
    table: {
      name: 'lens-depth',
      about: 'The lens at every layer, the last layer first',
      head: [
        'model',
        'layer',
        ...ownColumns.map(({ title }) => `>${title}`),
        ...pointColumns.map(({ title }) => `>${title}`),
      ],
      rows: [...variants.flatMap((one) => pointRows(one)), ...(original ? chanceRows(original) : [])],
    },
  };
}

const highest = (curves: readonly DepthCurve[]) =>
  Math.max(1, ...curves.flatMap(({ values }) => values.flatMap((one) => one?.value ?? [])));

/** Labels of rules that would cover each other are joined. @param most the axis's end, about */
function apart(
  rules: readonly { y: number; label: string }[],
  { log }: Scale,
  most: number,
): { y: number; label: string }[] {
  const [first, second] = rules;
  if (!first || !second) return [...rules];
  const near = log ? Math.abs(Math.log(first.y / second.y)) < 0.2 : Math.abs(first.y - second.y) < 0.06 * most;
  return near
    ? [
        { ...first, label: `${second.label}, ${first.label}` },
        { ...second, label: '' },
      ]
    : [...rules];
}

function pointRows({ variant, points }: LensOfText['variants'][number]): Cell[][] {
  return points
    .map((one): Cell[] => [
      variant,
      one.point,
      ...ownColumns.map(({ of, show }) => valueCell(of(one), show)),
      ...pointColumns.map(({ of, show }) => valueCell(of(one), show)),
    ])
    .toReversed();
}

function chanceRows({ points, uniform, unigram }: LensOfText['variants'][number]): Cell[][] {
  return [
    ...points
      .map(({ point, shuffled }): Cell[] => [
        'shuffled',
        point,
        ...ownColumns.map(() => ''),
        ...pointColumns.map(({ of, show }) => valueCell(of(shuffled), show)),
      ])
      .toReversed(),
    [
      'token frequencies',
      '',
      ...ownColumns.map(() => ''),
      ...pointColumns.map(({ of, show }) => valueCell(of(unigram), show)),
    ],
    [
      'uniform',
      '',
      ...[...ownColumns, ...pointColumns].map((one) => valueCell(one.uniform && exact(one.uniform(uniform)), one.show)),
    ],
  ];
}
