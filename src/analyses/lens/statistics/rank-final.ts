// Rank of the token that the last point finds likeliest.
import { againstLast } from './statistic.ts';

export const rankFinal = againstLast({
  label: 'rank (final)',
  values: 'rank',
  at: (lens) => lens.rankFinal,
  uniform: ({ rank }) => rank,
  prompt: {
    token: 'the last layer’s top token',
    onTerminal: true,
    tip: ['rank', (shown) => `final token: rank ${shown}`],
    map: {
      colour: 'rank',
      words: 'the rank of the final token',
      title: 'Rank of the final token',
      reading: 'Rank of the last layer’s top token, 1 the first; logarithmic colours.',
    },
  },
  text: { title: 'Rank of the final token', unit: 'mean rank', brief: 'alone' },
});
