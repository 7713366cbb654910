// The map of a sensitivity study, and whether the effects of its parts add up.
import { lookUp } from '../../platform/indexing.ts';
import type { CellResult, SensitivityResult } from '../../results/study.ts';
import {
  type Cells,
  keptName,
  keptText,
  ownFitWords,
  sensitivityMap,
  unitGrid,
  unitName,
  unitWords,
} from '../cells.ts';
import { short, signed, withInterval } from '../format.ts';
import { barsText, hasIntervals, pointOf, scores, scoreTip, withIntervalMark } from '../scores.ts';
import { shadeOf } from '../terminal/heat-map.ts';
import type { Figure, Section } from './figure.ts';
import { forestSvg } from './forest.ts';
import { shadesSvg } from './shades.ts';
import { type Cell, number } from './table.ts';

export async function sensitivitySection(sensitivity: SensitivityResult, cells: Cells): Promise<Section> {
  return {
    id: 'sensitivity',
    title: 'Where it hurts',
    figures: [await effectsFigure(sensitivity, cells), additivityFigure(sensitivity, cells)],
  };
}

const notAlone = 'The effect of a unit alone is not its effect in combination with others.';
const notShown =
  'A threshold keeps a different number of components in each unit: one with a larger effect may have lost more components rather than matter more. ' +
  notAlone;

/** Bars with intervals at a single budget, a map over several. */
async function effectsFigure(sensitivity: SensitivityResult, cells: Cells): Promise<Figure> {
  const { by, rows, joint } = sensitivity;
  const named = rows.map((row) => ({ name: unitName(by, row), cells: row.cells.map((id) => cells.get(id)) }));
  const worstFirst = (a: Unit, b: Unit) => effectOf(b) - effectOf(a);
  const units: Unit[] = [
    ...(unitGrid(sensitivity) ? named.toSorted(worstFirst) : named),
    { name: 'all at once', cells: joint.map((id) => cells.get(id)) },
  ];
  const columns = sensitivity.kept.map(keptName);
  const intervals = units.flatMap((unit) => unit.cells.map((cell) => cell?.scores.intervals.deltaNll));
  const drawn = unitGrid(sensitivity)
    ? await gridPart(sensitivity, cells)
    : columns.length > 1
      ? await mapPart(sensitivity, units, cells)
      : await barsPart(units.slice(0, -1));
  return {
    title: 'ΔNLL in nats per token, one unit operated on at a time',
    scored: true,
    notShown: rows.some(({ unit }) => unit !== undefined) ? notAlone : notShown,
    ...drawn,
    table: {
      name: 'sensitivity',
      about: withIntervalMark('ΔNLL of each unit alone and of all at once', intervals),
      head: [unitWords[by], ...columns.map((column) => `>${column}`)],
      rows: units.map((unit): Cell[] => [
        unit.name,
        ...unit.cells.map((cell) =>
          number(cell?.scores.deltaNll, () => effectText(cell), cell?.scores.intervals.deltaNll),
        ),
      ]),
    },
  };
}

/** At the first budget; below all others where it is not measured yet. */
const effectOf = ({ cells: [cell] }: Unit) => cell?.scores.deltaNll ?? Number.NEGATIVE_INFINITY;

interface Unit {
  readonly name: string;
  /** One per budget. */
  readonly cells: readonly (CellResult | undefined)[];
}

function effectText(cell: CellResult | undefined): string {
  return cell ? withInterval(cell.scores.deltaNll, cell.scores.intervals.deltaNll) : 'not done yet';
}

async function mapPart(sensitivity: SensitivityResult, units: readonly Unit[], cells: Cells) {
  const map = sensitivityMap(sensitivity, cells);
  const shade = shadeOf(map);
  const svg = await shadesSvg({
    about: 'ΔNLL by unit and by budget; the table holds the numbers',
    rowLabel: '',
    columnLabel: sensitivity.kept.every(({ variance }) => variance !== undefined) ? 'variance kept (share)' : 'kept',
    cells: units.flatMap(({ name, cells: own }) =>
      map.columns.map((column, j) => {
        const value = own[j]?.scores.deltaNll;
        const tip = `${name}, kept ${column}\nΔNLL ${effectText(own[j])}`;
        return { row: name, column, text: value === undefined ? '–' : short(value), shade: shade(value), tip };
      }),
    ),
  });
  return {
    caption: `Last row: all units at once. Shading is logarithmic${hasIntervals([...cells.values()].map((cell) => cell.scores)) ? '; the table lists the intervals' : ''}.`,
    panels: [{ svg }],
    layout: 'wide' as const,
  };
}

/** Layers by units. */
async function gridPart(sensitivity: SensitivityResult, cells: Cells) {
  const { by } = sensitivity;
  const shade = shadeOf(sensitivityMap(sensitivity, cells));
  const svg = await shadesSvg({
    about: `ΔNLL by layer and ${unitWords[by]}; the table holds the numbers`,
    rowLabel: 'layer',
    columnLabel: unitWords[by],
    cells: (unitGrid(sensitivity) ?? []).flatMap(({ layer, units }) =>
      units.map((row, column) => {
        const cell = lookUp(cells, row.cells[0]);
        const value = cell?.scores.deltaNll;
        const tip = `${unitName(by, row)}\nΔNLL ${effectText(cell)}`;
        const text = value === undefined ? '–' : short(value);
        return { row: String(layer), column: String(column), text, shade: shade(value), tip };
      }),
    ),
  });
  return {
    caption: 'Shading is logarithmic; the table lists the intervals.',
    panels: [{ svg }],
    layout: 'wide' as const,
  };
}

/** Units that the chart takes. */
const mostRows = 60;

async function barsPart(units: readonly Unit[]) {
  const measured = units.flatMap(({ name, cells: [cell] }) => (cell ? [{ name, cell }] : []));
  const worst = measured.toSorted((a, b) => b.cell.scores.deltaNll - a.cell.scores.deltaNll).slice(0, mostRows);
  const svg = await forestSvg({
    about: 'ΔNLL of each unit alone, with its interval; the table holds the numbers',
    x: { label: 'ΔNLL, nats per token' },
    rows: measured
      .filter((one) => worst.includes(one))
      .map(({ name, cell }) => {
        const { y: x, ...interval } = pointOf(scores.deltaNll, cell);
        return {
          name,
          x,
          ...interval,
          series: { name: '', colour: 's0' },
          tip: `${name}\n${scoreTip(cell)}`,
        };
      }),
    at: 0,
    bars: true,
  });
  const rest = measured.length > mostRows ? `The ${mostRows} largest of ${measured.length}. ` : '';
  return {
    caption: `${barsText(worst.map(({ cell }) => cell.scores))}${rest}The table also has all units at once.`,
    panels: [{ svg }],
    layout: 'one' as const,
  };
}

function additivityFigure(sensitivity: SensitivityResult, cells: Cells): Figure {
  const { additivity, kept } = sensitivity;
  const ownFit = ownFitWords(sensitivity, cells);
  const intervals = additivity.map((one) => one?.interval);
  const rows = additivity.flatMap((one, i): Cell[][] => {
    const at = kept[i];
    if (!one || !at) return [];
    return [
      [
        keptText(at) || '–',
        number(one.sum, signed),
        number(one.joint, signed),
        number(one.difference, (value) => withInterval(value, one.interval), one.interval),
      ],
    ];
  });
  return {
    title: 'Do the effects add up?',
    caption:
      'ΔNLL in nats per token. If the joint effect equals the sum, the units do not interact; if it exceeds the sum, they amplify each other.' +
      (ownFit ? ` ${ownFit}` : ''),
    scored: true,
    panels: [],
    table: {
      name: 'additivity',
      about: 'Sum of the single effects, and the joint effect',
      head: ['kept', '>sum of the single effects', '>all at once', withIntervalMark('all at once − sum', intervals)],
      rows,
    },
    open: true,
  };
}
