// surgery sensitivity: operates on one layer, projection, head, … at a time, and on all at once.

import { planSensitivity } from '../experiments/design.ts';
import { namedUnits } from '../experiments/sensitivity.ts';
import type { SensitivityOptions } from './command-options.ts';
import { progressOf } from './model.ts';
import { equivalentsOf, kindNamed } from './recipes.ts';
import type { Recorded } from './recorded-command.ts';
import { makeStudy } from './study.ts';
import { printStudy } from './study-output.ts';

export async function sensitivity(options: SensitivityOptions, command: Recorded): Promise<void> {
  const { by, operation } = options;
  const finished = await makeStudy(
    options,
    ({ config }) => {
      const plan = planSensitivity({ ...operation.fields, kind: kindNamed(operation) }, by, config);
      for (const line of equivalentsOf(operation, config)) progressOf(options).say(line);
      return {
        kind: 'sensitivity',
        cells: plan.cells.map((cell) => [cell]),
        relations: (ids) => ({
          pairs: [],
          controls: [],
          sensitivity: { ...namedUnits(plan, by, ids), additivity: plan.joint.map(() => null) },
        }),
        angles: [],
      };
    },
    command,
  );
  printStudy(options, finished);
}
