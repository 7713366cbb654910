// The kind `fit`: low-rank weights that best preserve the outputs on a calibration text.
import { activationOf } from '../../checkpoint/names.ts';
import type { OperationKind } from '../kind.ts';
import { weightNames } from '../where.ts';
import { designFits } from './design.ts';
import type { FitReport } from './report.ts';
import { complete, type FitOperation, type FitSpec, fitFields, partOf } from './spec.ts';
import { describe, label, next, series, slug } from './words.ts';
import type { FitDetails, FitPlan, LayerFit } from './work.ts';

export const fitKind: OperationKind<FitSpec, FitOperation, FitPlan, FitDetails, FitReport, LayerFit> = {
  name: 'fit',
  summary: "low-rank approximation of projections' weights, fitted to their outputs on a calibration text",
  fields: fitFields,
  complete,
  touches: weightNames,
  needs: ({ objective, layers, targets, sequential, ...operation }) =>
    objective === 'weights'
      ? undefined
      : {
          layers,
          activations: [...new Set(targets.map(activationOf))],
          secondMoments: true,
          part: partOf(operation),
          sequential,
        },
  describe,
  label,
  series,
  slug,
  stored: 'stored as low-rank factors',
  next,
  design: designFits,
  budgets: ['ratio', 'rank', 'energy'],
  reportSchema: async () => (await import('./report.ts')).fitReport,
  load: async () => (await import('./work.ts')).fitWork,
};
