// The tables of a study: cells and controls.
import { lookUp } from '../../platform/indexing.ts';
import type { CellResult, Study } from '../../results/study.ts';
import { type Cells, cellName } from '../cells.ts';
import { withInterval } from '../format.ts';
import { scoresIn, withIntervalMark, withoutInterval } from '../scores.ts';
import { controlledName } from '../terminal/study.ts';
import { type Cell, type DataTable, number, scoreCells, scoreHeads } from './table.ts';

export function cellsTable(study: Study, shown: readonly CellResult[]): DataTable {
  const columns = scoresIn('cells', shown);
  return {
    name: 'cells',
    about: 'Cells, largest budget first',
    head: ['cell', ...scoreHeads(columns)],
    rows: shown.map((cell) => [cellName(cell, study), ...scoreCells(columns, cell)]),
  };
}

export function controlsTable(study: Study, cells: Cells): DataTable {
  const columns = scoresIn('controls').map(withoutInterval);
  const rows = study.controls.flatMap(({ control, cell, of, difference }): Cell[][] => {
    const [own, against] = [cells.get(cell), lookUp(cells, of)];
    if (!own) return [];
    return [
      [
        control,
        controlledName(study, own, against),
        ...scoreCells(columns, own),
        number(
          difference?.deltaNll,
          (value) => withInterval(value, difference?.interval ?? null),
          difference?.interval,
        ),
      ],
    ];
  });
  const intervals = study.controls.map(({ difference }) => difference?.interval);
  return {
    name: 'controls',
    about: 'Controls, and the cells that they are compared with',
    head: ['control', 'of', ...scoreHeads(columns), withIntervalMark('ΔNLL minus the cell’s', intervals)],
    rows,
  };
}
