// unlikely.json: energy of the residual stream along tokens' directions, 1 being that along a random direction.
import { z } from 'zod';
import type { Frozen } from '../../platform/schemas.ts';
import { finding } from '../../results/finding.ts';
import { text } from '../../results/shapes.ts';
import { averagedText, mean, number, variant } from '../shapes.ts';

/** Over tokens whose final probability lies in a band. */
const band = z.object({
  band: text,
  /** Pairs of a position and a token. */
  pairs: number,
  energy: mean,
  projection: mean,
  /** Energy by the bands of another position. */
  shuffled: mean,
  /** Energy minus that at the point below. Null at the first point. */
  change: mean,
  /** Over the pairs whose token is likely elsewhere: energy here, energy there, and the difference. */
  sameTokens: z.object({ pairs: number, energy: mean, whereLikely: mean, difference: mean }),
});

export const unlikely = finding.extend({
  text: averagedText,
  variants: z
    .array(
      z.object({
        variant,
        positions: number,
        /** Tokens that are likely in enough contexts to be compared with themselves there. */
        likelyTokens: number,
        points: z
          .array(
            z.object({
              point: text,
              /** Energy along uniformly random directions, and along random mixtures of the tokens' directions. */
              random: mean,
              mixtures: mean,
              bands: z.array(band).min(1),
            }),
          )
          .min(1),
        /** Energy of each band at the last point minus that at the middle one. */
        fromMiddle: z.object({ from: text, to: text, bands: z.array(mean) }),
      }),
    )
    .min(1),
});

export type UnlikelyResult = Frozen<z.infer<typeof unlikely>>;
export type UnlikelyTokens = Omit<UnlikelyResult['variants'][number], 'variant'>;
export type BandFigures = Frozen<z.infer<typeof band>>;
