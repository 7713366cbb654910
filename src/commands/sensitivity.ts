// surgery sensitivity: one layer or projection operated on at a time, and all at once.
import type { Mode } from '../decompose/groups.ts';
import type { MeanRule } from '../decompose/operation.ts';
import { planSensitivity, type Unit } from '../study/grid.ts';
import { keptOf, sharedPart } from './operations.ts';
import type { SharedOperationOptions } from './options.ts';
import { showStudy } from './showing.ts';
import { makeStudy, type StudyOptions } from './study.ts';

export type SensitivityOptions = StudyOptions &
  SharedOperationOptions & {
    readonly variance?: readonly number[];
    readonly rank?: readonly number[];
    readonly mode: Mode;
    readonly mean: MeanRule;
    readonly by: Unit;
  };

export async function sensitivity(options: SensitivityOptions, command: string): Promise<void> {
  const { mode, by } = options;
  const kept = keptOf(options);
  const finished = await makeStudy(
    options,
    ({ config }) => {
      const plan = planSensitivity({ mode, ...sharedPart(options, config) }, kept, by, config);
      return {
        kind: 'sensitivity',
        cells: plan.cells,
        relations: (ids) => ({
          pairs: [],
          controls: [],
          sensitivity: {
            by,
            kept: plan.kept,
            rows: plan.rows.map((row) => ({ ...row, cells: row.cells.map((cell) => ids[cell] ?? '') })),
            joint: plan.joint.map((cell) => ids[cell] ?? ''),
            additivity: plan.joint.map(() => null),
          },
        }),
        angles: [],
      };
    },
    command,
  );
  showStudy(options, finished);
}
