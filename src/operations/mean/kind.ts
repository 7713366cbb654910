// The kind `mean`: heads, neurons, attention, MLPs or blocks replaced by the mean of what they write on a calibration text.
import { projectionName } from '../../checkpoint/names.ts';
import type { OperationKind } from '../kind.ts';
import { cutsOf } from '../zero/cuts.ts';
import { unitsOfModel } from '../zero/units.ts';
import { cutSlug, cutText, nextCut } from '../zero/words.ts';
import type { MeanDetails, MeanReport } from './report.ts';
import { complete, type MeanOperation, type MeanSpec, meanFields } from './spec.ts';
import type { MeanPlan, Means } from './work.ts';

export const meanKind: OperationKind<MeanSpec, MeanOperation, MeanPlan, MeanDetails, MeanReport, Means> = {
  name: 'mean',
  summary: 'mean ablation: heads, neurons, attention, MLPs or blocks add their mean over a calibration text',
  fields: meanFields,
  complete,
  touches: (operation, config) =>
    cutsOf(operation, config).flatMap((cut) =>
      (['o', 'down'] as const).flatMap((projection) =>
        cut[projection] ? [projectionName(cut.layer, projection), projectionName(cut.layer, projection, 'bias')] : [],
      ),
    ),
  needs: (operation, config) => {
    const cuts = cutsOf(operation, config);
    return {
      layers: cuts.map(({ layer }) => layer),
      activations: (['o', 'down'] as const).filter((projection) => cuts.some((cut) => cut[projection])),
      withoutFirst: true,
    };
  },
  describe: (operation) => `replaced by their mean: ${cutText(operation, ', ')}`,
  label: (operation) => `mean ${cutText(operation, ' ')}`,
  slug: cutSlug,
  stored: 'without the replaced columns',
  next: nextCut,
  units: unitsOfModel,
  reportSchema: async () => (await import('./report.ts')).meanReport,
  load: async () => (await import('./work.ts')).meanWork,
};
