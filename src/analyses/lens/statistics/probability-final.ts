// The lens's probability of the token that the last point finds likeliest.
import { againstLast } from './statistic.ts';

export const probabilityFinal = againstLast({
  label: 'probability',
  values: 'share',
  at: ({ finalLogit }) => finalLogit,
  normalised: (value, logSum) => Math.exp(value - logSum),
  uniform: ({ probability }) => probability,
  prompt: {
    token: 'the last layer’s top token',
    tip: ['kl', (shown) => `probability of the final token ${shown}`],
  },
});
