// The kind `pca`: projections' weights rebuilt from their leading principal components, shared or each alone.
import type { OperationKind } from '../kind.ts';
import { weightNames } from '../where.ts';
import { designSweep } from './design.ts';
import type { PcaReport } from './report.ts';
import { complete, type PcaOperation, type PcaSpec, pcaFields } from './spec.ts';
import { describe, label, next, series, slug } from './words.ts';
import type { PcaDetails, PcaPlan } from './work.ts';

export const pcaKind: OperationKind<PcaSpec, PcaOperation, PcaPlan, PcaDetails, PcaReport> = {
  name: 'pca',
  summary: "low-rank approximation of projections' weights by PCA, shared or each alone",
  fields: pcaFields,
  complete,
  touches: weightNames,
  describe,
  label,
  series,
  slug,
  stored: 'stored as low-rank factors',
  next,
  budgets: ['variance', 'rank'],
  design: designSweep,
  reportSchema: async () => (await import('./report.ts')).pcaReport,
  load: async () => (await import('./work.ts')).pcaWork,
};
