// Figures of outliers.json: the largest numbers around down and the residual's norms over depth, and the weights behind them.
import type { OutlierLayer, OutliersResult } from '../../../analyses/outliers/result.ts';
import { outliersRule, worstOutlier } from '../../findings.ts';
import { short } from '../../format.ts';
import { weightName } from '../../terminal/outliers.ts';
import { tokenText } from '../../tokens.ts';
import type { Series } from '../axes.ts';
import type { Figure, Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { type Cell, number } from '../table.ts';
import { type DepthCurve, depthPanel } from './depth.ts';

const inputSeries: Series = { name: 'largest input of down', colour: 's0', shape: 'circle' };
const outputSeries: Series = { name: 'largest output of down', colour: 's1', shape: 'square' };
const firstSeries: Series = { name: 'first positions', colour: 's2', shape: 'triangle-up' };
const laterSeries: Series = { name: 'later positions', colour: 's3', shape: 'diamond' };

export async function outliersSections(result: OutliersResult): Promise<Section[]> {
  return [
    {
      id: 'outliers',
      title: 'Outliers',
      figures: [await outliersFigure(result)],
    },
  ];
}

export function outliersGlance(result: OutliersResult): Head['glance'] {
  const worst = worstOutlier(result);
  return worst
    ? [
        [weightName(worst), `the weight that adds most: ${short(worst.weight.adds)} to coordinate ${worst.weight.row}`],
        [short(Math.abs(worst.output.value)), `largest output of down in layer ${worst.layer}`],
      ]
    : [];
}

async function outliersFigure({ layers }: OutliersResult): Promise<Figure> {
  const curve = (series: Series, of: (layer: OutlierLayer) => number | undefined): DepthCurve => ({
    series,
    values: layers.map((one) => {
      const value = of(one);
      return value === undefined ? undefined : { value, interval: null };
    }),
  });
  const panel = (title: string, label: string, curves: readonly DepthCurve[]) =>
    depthPanel({
      title,
      points: layers.map(({ layer }) => String(layer)),
      across: 'layer',
      y: { label, log: true },
      show: short,
      curves,
    });
  return {
    title: 'The largest numbers around down by layer, and the weight between them',
    caption: `${outliersRule} Logarithmic y axes. A weight is written as layer.projection[row, column], which the option --weights of the kind zero takes.`,
    notShown: 'A weight that adds much is a candidate. Only setting it to zero shows what depends on it.',
    panels: [
      await panel('Largest numbers around down', 'magnitude', [
        curve(inputSeries, ({ input }) => Math.abs(input.value)),
        curve(outputSeries, ({ output }) => Math.abs(output.value)),
      ]),
      await panel('Norm of the residual before the block, median', 'norm', [
        curve(firstSeries, ({ residual }) => residual.first?.median),
        curve(laterSeries, ({ residual }) => residual.later?.median),
      ]),
    ],
    legend: [inputSeries, outputSeries, firstSeries, laterSeries],
    table: {
      name: 'outliers',
      about: 'Largest input and output of down by layer, and the weight between them',
      head: ['>layer', '>input', 'at', '>output', 'at', 'weight', '>value', '>adds', '>first norm', '>later norm'],
      rows: layers.map((one): Cell[] => [
        number(one.layer, String),
        number(one.input.value, short),
        `[${one.input.coordinate}], document ${one.input.document}, position ${one.input.position} “${tokenText(one.input)}”`,
        number(one.output.value, short),
        `[${one.output.coordinate}], document ${one.output.document}, position ${one.output.position} “${tokenText(one.output)}”`,
        weightName(one),
        number(one.weight.value, short),
        number(one.weight.adds, short),
        number(one.residual.first?.median, short),
        number(one.residual.later?.median, short),
      ]),
    },
    open: true,
  };
}
