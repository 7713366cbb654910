// The kind `none` at work: it reads weights and hands them on.
import { projectionName } from '../../checkpoint/names.ts';
import type { OperationPlan, OperationWork } from '../kind.ts';
import { weightsOf } from '../weights.ts';
import type { NoneReport } from './report.ts';
import type { NoneOperation } from './spec.ts';

type Plan = OperationPlan & Pick<NoneOperation, 'targets'>;

export const noneWork: OperationWork<NoneOperation, Plan, undefined, NoneReport> = {
  plan: async ({ layers, targets }) => ({ layers, targets }),
  apply: async ({ targets }, layer, context) => {
    const tensors = new Map<string, Float32Array>();
    for (const projection of targets) {
      const name = projectionName(layer, projection);
      tensors.set(name, await weightsOf(context, name));
    }
    return { tensors, details: undefined };
  },
  report: () => ({ kind: 'none' }),
  footprint: () => null,
};
