// outliers.json: the largest numbers around each MLP's down projection, the residual's norms, and the weight behind them.
import { z } from 'zod';
import type { Frozen } from '../../platform/schemas.ts';
import { finding } from '../../results/finding.ts';
import { median, number, piece, probedText } from '../shapes.ts';

/** The number of largest magnitude among all positions and coordinates. */
const outlier = z.object({
  value: number,
  coordinate: z.number(),
  /** Where it is, both counted from 0, and the token at that position. */
  document: z.number(),
  position: z.number(),
  ...piece,
  /** Root mean square over all positions and coordinates. */
  rms: number,
});

const layer = z.object({
  layer: z.number(),
  /** The largest number that down reads, and the largest that it adds to the residual stream. */
  input: outlier,
  output: outlier,
  /** The weight of down in the row of the largest output and the column of the largest input. */
  weight: z.object({
    row: z.number(),
    column: z.number(),
    value: number,
    /** What it adds to the output at the position of the largest input. */
    adds: number,
  }),
  /** Norms of the residual stream before the block: at documents' first positions, and at all others. */
  residual: z.object({ first: median, later: median }),
});

export const outliers = finding.extend({ text: probedText, layers: z.array(layer) });

export type OutliersResult = Frozen<z.infer<typeof outliers>>;
export type OutlierLayer = Frozen<z.infer<typeof layer>>;
export type Outlier = Frozen<z.infer<typeof outlier>>;
