// The kind `none`: weights replaced by themselves, in the way in which operations replace them. A study's control of
// everything but the operation: its effect must be exactly nothing.
import { projections } from '../../checkpoint/names.ts';
import { listOf, oneOf, ranges } from '../../platform/option-values.ts';
import type { OperationKind } from '../kind.ts';
import { completeWhere, weightNames } from '../where.ts';
import type { NoneReport } from './report.ts';
import type { NoneOperation, NonePlan, NoneSpec } from './spec.ts';

export const noneKind: OperationKind<NoneSpec, NoneOperation, NonePlan, undefined, NoneReport> = {
  name: 'none',
  summary: 'weights replaced by themselves: what the program itself changes, which must be nothing',
  fields: {
    targets: { help: 'projections to rewrite', default: 'q,k,v', parse: listOf(oneOf('targets', projections)) },
    layers: { help: 'layers to rewrite', default: 'all', parse: ranges('layers') },
  },
  complete: (spec, config) => ({ kind: 'none', ...completeWhere(spec, config) }),
  touches: weightNames,
  describe: () => 'none: weights replaced by themselves',
  label: () => 'none',
  slug: () => 'none',
  next: () => 'run',
  reportSchema: async () => (await import('./report.ts')).noneReport,
  load: async () => (await import('./work.ts')).noneWork,
};
