// Entropy of the lens's distribution.
import { alone } from './statistic.ts';

export const entropy = alone({
  label: 'entropy',
  values: 'entropy',
  at: (lens) => lens.entropy / Math.LN2,
  uniform: (uniform) => uniform.entropy,
  prompt: {
    onTerminal: true,
    tip: ['probability', (shown) => `entropy ${shown} bits`],
    uniformWords: (shown) => `${shown} bits`,
  },
  text: { title: 'entropy, bits', unit: 'bits' },
});
