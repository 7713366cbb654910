// KL(last point ‖ lens), the direction of tuned-lens (Belrose et al. 2023). Rounding may leave it just below 0.
import { againstLast } from './statistic.ts';

export const kl = againstLast({
  label: 'KL',
  values: 'divergence',
  at: ({ finalEntropy, expectedLogit }) => -finalEntropy - expectedLogit,
  normalised: (value, logSum) => (value + logSum) / Math.LN2,
  uniform: (uniform) => uniform.kl,
  prompt: {
    formula: 'KL(last layer ‖ lens)',
    onTerminal: true,
    tip: ['kl', (shown) => `KL ${shown} bits`],
    uniformWords: (shown) => `${shown} bits minus the last layer’s entropy`,
    map: {
      colour: 'kl',
      words: 'KL to the last layer (bits)',
      title: 'KL from the last layer to the lens',
      reading: 'KL(last layer ‖ lens) in bits.',
    },
  },
  text: { title: 'KL to the last layer', unit: 'bits', brief: 'with baseline', showsInterval: true },
});
