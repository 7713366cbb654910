// The map of a sensitivity study, and whether the effects of its parts add up.
import type { SensitivityResult, Study } from '../../results/study.ts';
import { type Cells, sensitivityMap } from '../cells.ts';
import { short, signed, withInterval } from '../format.ts';
import { shadeOf } from '../terminal/heat-map.ts';
import type { Figure, Section } from './figure.ts';
import { textRule } from './rules.ts';
import { shadesSvg } from './shades.ts';
import { type Cell, number } from './table.ts';

export async function sensitivitySection(study: Study, sensitivity: SensitivityResult, cells: Cells): Promise<Section> {
  return {
    id: 'sensitivity',
    title: 'Where it hurts',
    figures: [await mapFigure(study, sensitivity, cells), additivityFigure(study, sensitivity)],
  };
}

async function mapFigure(study: Study, sensitivity: SensitivityResult, cells: Cells): Promise<Figure> {
  const map = sensitivityMap(sensitivity, cells);
  const shade = shadeOf(map);
  const rows = [...sensitivity.rows.map((row) => row.cells), sensitivity.joint];
  const known = rows.map((ids) => ids.map((id) => cells.get(id)?.scores));
  const text = (row: number, column: number) => {
    const scores = known[row]?.[column];
    return scores ? withInterval(scores.deltaNll, scores.intervals.deltaNll) : 'not done yet';
  };
  const svg = await shadesSvg({
    about: 'Δnll by unit and by budget; the table holds the numbers',
    rowLabel: map.rowLabel,
    columnLabel: map.columnLabel,
    cells: map.rows.flatMap((row, i) =>
      map.columns.map((column, j) => {
        const value = map.values[i]?.[j];
        const words = `${map.rowLabel} ${row}, kept ${column}\nΔnll ${text(i, j)}`;
        return { row, column, text: value === undefined ? '–' : short(value), shade: shade(value), tip: words };
      }),
    ),
  });
  return {
    title: 'Δnll in nats per token, one unit operated on at a time',
    caption: `Last row: all units at once. Shading is logarithmic; the table lists the intervals. ${textRule(study.text)} Intervals: ${study.text.intervalRule}.`,
    notShown:
      'A threshold keeps a different number of components in each unit: one with a larger effect may have lost more components rather than matter more. ' +
      'The effect of a unit alone is not its effect in combination with others.',
    panels: [{ svg }],
    layout: 'one',
    table: {
      name: 'sensitivity',
      about: 'Δnll of each unit alone and of all at once',
      head: [map.rowLabel, ...map.columns.map((column) => `>${column}`)],
      rows: map.rows.map((row, i): Cell[] => [
        row,
        ...map.columns.map((_, j) => number(map.values[i]?.[j], () => text(i, j))),
      ]),
    },
  };
}

function additivityFigure({ text }: Study, { additivity, kept }: SensitivityResult): Figure {
  const rows = additivity.flatMap((one, i): Cell[][] => {
    const at = kept[i];
    if (!one || !at) return [];
    return [
      [
        'variance' in at ? `variance ${at.variance}` : `rank ${at.rank}`,
        number(one.sum, signed),
        number(one.joint, signed),
        number(one.difference, (value) => withInterval(value, one.interval)),
      ],
    ];
  });
  return {
    title: 'Do the effects add up?',
    caption: `Δnll in nats. If the joint effect equals the sum, the units do not interact; if it exceeds the sum, they amplify each other. Interval: ${text.intervalRule}.`,
    panels: [],
    table: {
      name: 'additivity',
      about: 'Sum of the single effects, and the joint effect',
      head: ['kept', '>sum of the parts', '>all at once', 'all less sum [95 %]'],
      rows,
    },
    open: true,
  };
}
