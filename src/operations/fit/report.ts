// What a fit reports of each layer's groups: the same as a PCA, and the errors of outputs on the calibration text.
import { z } from 'zod';
import type { Frozen } from '../../platform/schemas.ts';
import { layerReport } from '../pca/report.ts';

export const fitReport = z.object({ kind: z.literal('fit'), layers: z.array(layerReport) });
export type FitReport = Frozen<z.infer<typeof fitReport>>;
