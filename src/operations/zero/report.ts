// What `zero` reports of each matrix that it cut.

import { z } from 'zod';
import { projections } from '../../checkpoint/names.ts';
import type { Frozen } from '../../platform/schemas.ts';

const changed = z.object({
  layer: z.number(),
  projection: z.enum(projections),
  /** Zeroed columns: the matrix's input side. */
  zeroedColumns: z.number(),
  columns: z.number(),
  /** Zeroed weights of other columns; none in older results, which could not zero any. */
  zeroedWeights: z.number().optional(),
  parameters: z.object({ dense: z.number(), reduced: z.number() }),
  /** ‖W‖², and that of the zeroed weights alone. */
  squaredNorm: z.number(),
  squaredError: z.number(),
});

export const zeroReport = z.object({ kind: z.literal('zero'), changed: z.array(changed) });

export type ZeroDetails = readonly z.infer<typeof changed>[];
export type ZeroReport = Frozen<z.infer<typeof zeroReport>>;
