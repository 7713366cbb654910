// What `mean` reports of each matrix that it cut.
import { z } from 'zod';
import type { Frozen } from '../../platform/schemas.ts';

const changed = z.object({
  layer: z.number(),
  projection: z.enum(['o', 'down']),
  /** Columns whose input is replaced by its mean: the matrix's input side. */
  replacedColumns: z.number(),
  columns: z.number(),
  parameters: z.object({ dense: z.number(), reduced: z.number() }),
  /** ‖W‖², and that of the replaced columns alone. */
  squaredNorm: z.number(),
  squaredError: z.number(),
  /** Euclidean norm of what was added to the bias: the mean of what the cut part adds to the residual stream. */
  meanNorm: z.number(),
});

export const meanReport = z.object({ kind: z.literal('mean'), changed: z.array(changed) });

export type MeanDetails = readonly z.infer<typeof changed>[];
export type MeanReport = Frozen<z.infer<typeof meanReport>>;
