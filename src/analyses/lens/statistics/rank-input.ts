// Rank of the token read at the position.
import { againstLast } from './statistic.ts';

export const rankInput = againstLast({
  label: 'rank (input)',
  shortLabel: '(input)',
  values: 'rank',
  at: (lens) => lens.rankInput,
  uniform: ({ rank }) => rank,
  prompt: {
    token: 'the current input token',
    onTerminal: true,
    tip: ['rank', (shown) => `input token: rank ${shown}`],
  },
  text: {
    title: 'Rank of the input token',
    unit: 'mean rank',
    brief: 'alone',
    notShown:
      'If the input token ranks low, it need not be forgotten: the lens reads one direction per token, the probe another.',
  },
});
