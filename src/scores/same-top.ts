// Share of tokens at which the variant and the original predict the same token.
import { z } from 'zod';
import { tokenScore } from './score.ts';

export const sameTop = tokenScore({
  shape: {
    compared: {
      /** Share of positions at which both rank the same token first, 0 to 1. */
      sameTop: z.number(),
    },
  },
  accumulate: (sum, own, original) => sum + (own.top === original.top ? 1 : 0),
  compare: ({ mean }) => ({ sameTop: mean }),
  quantities: {
    sameTop: {
      label: 'same top',
      unit: 'of tokens',
      better: 'higher',
      of: (scores) => scores.sameTop,
      format: 'percent',
      column: 'same_top',
      views: ['evaluation', 'cells', 'run'],
    },
  },
});
