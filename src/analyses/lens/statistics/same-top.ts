// How often the lens ranks the last point's likeliest token first.
import { againstLast } from './statistic.ts';

export const sameTop = againstLast({
  label: 'same top',
  values: 'share',
  at: ({ rankFinal }) => (rankFinal === 1 ? 1 : 0),
  uniform: ({ probability }) => probability,
  text: {
    title: 'Final token ranked first',
    unit: 'of positions',
    brief: 'with baseline',
    notShown: 'If the lens ranks the final token first, the block below need not have decided it.',
  },
});
