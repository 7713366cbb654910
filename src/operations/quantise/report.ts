// What `quantise` reports of each matrix that it rounded.
import { z } from 'zod';
import { type Projection, projections } from '../../checkpoint/names.ts';
import type { Frozen } from '../../platform/schemas.ts';

const changed = z.object({
  layer: z.number(),
  projection: z.enum(projections satisfies readonly Projection[]),
  /** How many weights, and how many scales they are multiplied by. */
  weights: z.number(),
  scales: z.number(),
  /** ‖W‖² and ‖Ŵ − W‖², before rounding to the dtype. */
  squaredNorm: z.number(),
  squaredError: z.number(),
});

export const quantiseReport = z.object({
  kind: z.literal('quantise'),
  /** Bits per weight. */
  bits: z.number(),
  changed: z.array(changed),
});

export type QuantiseDetails = readonly z.infer<typeof changed>[];
export type QuantiseReport = Frozen<z.infer<typeof quantiseReport>>;
