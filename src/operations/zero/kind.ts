// The kind `zero`: heads, neurons, attention, MLPs or whole blocks cut out, by zeros where their output is read.
import { hasBias, projectionName, projections } from '../../checkpoint/names.ts';
import type { OperationKind } from '../kind.ts';
import { cutOf, cutsOf } from './cuts.ts';
import type { ZeroDetails, ZeroReport } from './report.ts';
import { complete, type ZeroOperation, type ZeroSpec, zeroFields } from './spec.ts';
import { unitsOfModel } from './units.ts';
import { cutSlug, cutText, nextCut } from './words.ts';
import type { ZeroPlan } from './work.ts';

export const zeroKind: OperationKind<ZeroSpec, ZeroOperation, ZeroPlan, ZeroDetails, ZeroReport> = {
  name: 'zero',
  summary: 'zero ablation: heads, neurons, attention, MLPs, blocks or single weights add nothing',
  fields: zeroFields,
  complete,
  touches: (operation, config) =>
    cutsOf(operation, config).flatMap((cut) =>
      projections.flatMap((projection) => {
        const found = cutOf(cut, projection);
        if (!found) return [];
        const bias = found.columns === 'all' && hasBias(config, projection);
        const name = projectionName(cut.layer, projection);
        return bias ? [name, projectionName(cut.layer, projection, 'bias')] : [name];
      }),
    ),
  describe: (operation) => `zeroed: ${cutText(operation, ', ')}`,
  label: (operation) => `zero ${cutText(operation, ' ')}`,
  slug: cutSlug,
  stored: 'without the zeroed columns',
  next: nextCut,
  units: unitsOfModel,
  reportSchema: async () => (await import('./report.ts')).zeroReport,
  load: async () => (await import('./work.ts')).zeroWork,
};
