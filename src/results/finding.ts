// What the result of every analysis (lens, unlikely, probe, basis, outliers) begins with.
import { z } from 'zod';
import type { Frozen } from '../platform/schemas.ts';
import { format } from './format.ts';
import { calibration, modelHere, number, recipe, text, versions } from './shapes.ts';

export const finding = z.object({
  format: z.literal(format),
  /** Makes the result again. */
  command: text,
  versions,
  model: modelHere,
  precision: z.enum(['fp32', 'int8']),
  /** Of the variant that is compared with the original, if there is one. */
  recipe: recipe.optional(),
  /** What the variant is fitted to, if it is. */
  calibration: calibration.optional(),
  /** Of all random draws. */
  seed: number,
  /** SHA-256 of the token ids of the documents, if any were read. */
  documentsSha256: text.optional(),
});

export type FindingInfo = Frozen<z.infer<typeof finding>>;
