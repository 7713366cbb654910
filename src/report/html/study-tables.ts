// The tables of a study: cells and controls.
import type { CellResult, Study } from '../../results/study.ts';
import { type Cells, cellName, sizeOf } from '../cells.ts';
import { figure, percent, short, withInterval } from '../format.ts';
import { controlledName } from '../terminal/study.ts';
import { type Cell, type DataTable, number } from './table.ts';

export function cellsTable(study: Study, shown: readonly CellResult[]): DataTable {
  const withTasks = shown.some(({ tasks }) => tasks);
  return {
    name: 'cells',
    about: 'Cells, most kept first',
    head: [
      'cell',
      '>width',
      '>size',
      '>error',
      '>perplexity',
      'Δnll [95 %]',
      'KL [95 %]',
      '>same top',
      ...(withTasks ? ['>tasks'] : []),
    ],
    rows: shown.map((cell) => {
      const { footprint, scores: s, tasks } = cell;
      return [
        cellName(cell, study),
        number(footprint?.width ?? undefined, (width) => width.toFixed(1)),
        number(sizeOf(cell), (share) => percent(share)),
        number(footprint?.relativeError, (error) => error.toFixed(3)),
        number(s.perplexity, figure),
        number(s.deltaNll, (value) => withInterval(value, s.intervals.deltaNll)),
        number(s.kl, (value) => withInterval(value, s.intervals.kl).replace(/^\+/, '')),
        number(s.sameTop, (share) => percent(share)),
        ...(withTasks ? [number(tasks?.accuracy, (share) => percent(share))] : []),
      ];
    }),
  };
}

export function controlsTable(study: Study, cells: Cells): DataTable {
  const rows = study.controls.flatMap(({ control, cell, of, difference }): Cell[][] => {
    const [own, against] = [cells.get(cell), cells.get(of ?? '')];
    if (!own) return [];
    return [
      [
        control,
        controlledName(study, own, against),
        number(own.scores.perplexity, figure),
        number(own.scores.kl, short),
        number(difference?.deltaNll, (value) => withInterval(value, difference?.interval ?? null)),
      ],
    ];
  });
  return {
    name: 'controls',
    about: 'Controls, and the cells that they are held against',
    head: ['control', 'of', '>perplexity', '>KL', 'Δnll less the cell’s [95 %]'],
    rows,
  };
}
