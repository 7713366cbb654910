// Outliers of the down projections → a table and curves over depth.
import type { Outlier, OutlierLayer, OutliersResult } from '../../analyses/outliers/result.ts';
import { outliersRule, outliersWords, readWords } from '../findings.ts';
import { labelled, short, table, wrap } from '../format.ts';
import { screenWidth } from '../screen.ts';
import { tokenText } from '../tokens.ts';
import type { LineChart, Point } from './line-chart.ts';
import { modelText } from './text.ts';

export function outliersText(result: OutliersResult, output?: string, width = screenWidth()): string {
  const { model, text, layers } = result;
  return [
    `${modelText(model)}\n${labelled('Text', readWords(text, text.positions), width)}`,
    labelled('Result', outliersWords(result).join(' '), width),
    `The largest input and output of down, at [coordinate] and position\n${table(
      ['layer', 'input', 'at', 'output', 'at'],
      'rrlrl',
      layers.map(({ layer, input, output: to }) => [
        String(layer),
        short(Math.abs(input.value)),
        placeText(input),
        short(Math.abs(to.value)),
        placeText(to),
      ]),
      width,
    )}`,
    `The weight between them, what it adds, and norms of the residual before the block\n${table(
      ['layer', 'weight', 'value', 'adds', 'first', 'later', 'largest'],
      'rlrrrrr',
      layers.map((one) => [
        String(one.layer),
        weightName(one),
        short(one.weight.value),
        short(one.weight.adds),
        short(one.residual.first?.median ?? Number.NaN),
        ...(one.residual.later ? [short(one.residual.later.median), short(one.residual.later.largest)] : ['–', '–']),
      ]),
      width,
    )}`,
    wrap(outliersRule, width),
    output && `Written    ${output}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** "11.down[507,1229]", as `zero --weights` takes it. */
export function weightName({ layer, weight: { row, column } }: Pick<OutlierLayer, 'layer' | 'weight'>): string {
  return `${layer}.down[${row},${column}]`;
}

/** "[507] 0 ·The" */
const placeText = (outlier: Outlier) => `[${outlier.coordinate}] ${outlier.position} ${tokenText(outlier)}`;

/** Magnitudes and norms over depth. */
export function outlierCharts({ layers }: OutliersResult): LineChart[] {
  const curve = (name: string, of: (layer: OutlierLayer) => number | undefined) => ({
    name,
    points: layers.flatMap((one): Point[] => {
      const y = of(one);
      return y === undefined ? [] : [{ x: one.layer, y }];
    }),
  });
  return [
    {
      title: 'Largest input and output of down',
      x: { label: 'layer' },
      y: { label: 'magnitude', log: true },
      series: [
        curve('input', ({ input }) => Math.abs(input.value)),
        curve('output', ({ output }) => Math.abs(output.value)),
      ],
    },
    {
      title: 'Norm of the residual before the block',
      x: { label: 'layer' },
      y: { label: 'norm', log: true },
      series: [
        curve('first positions (median)', ({ residual }) => residual.first?.median),
        curve('later positions (median)', ({ residual }) => residual.later?.median),
      ],
    },
  ];
}
