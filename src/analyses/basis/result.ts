// basis.json: an ordered basis of the embedding or the unembedding. Shares and errors are from 0 to 1.
import { z } from 'zod';
import { type Frozen, texts } from '../../platform/schemas.ts';
import { finding } from '../../results/finding.ts';
import { text } from '../../results/shapes.ts';
import { number, numbers, ofBoth, piece, probedText, variant } from '../shapes.ts';
import { basisMethods } from './methods.ts';

/** ‖M − M̂‖² / ‖M‖² with some components. */
const reconstruction = z.object({ components: number, error: number });
const near = z.array(z.object({ id: number, ...piece, cosine: number }));
const coherence = z.object({ largest: number, mean: number, pairs: numbers, independent: numbers });

const component = z.object({
  /** Counted from 1, in the order of the basis. */
  component: number,
  /** The token that it came from, of a basis made of tokens. */
  from: text.optional(),
  fromShown: text.optional(),
  nearest: near,
  farthest: near,
  /** Share of each matrix's squared norm along it, columns centred; the unembedding's is the lens's. */
  shares: ofBoth(number),
  /** Share of the token probe's ‖W‖² along it, at each point. */
  probe: z.array(z.object({ variant, points: numbers })),
});

const dictionary = z.object({
  /** Error with 1, 2, … atoms per token. */
  sparsity: z.array(z.object({ atoms: number, error: number })),
  /** Limits of |cosine| up to which two atoms count as nearly orthogonal. */
  limits: numbers,
  coherence,
  /** As many random directions, drawn several times. */
  random: z.array(coherence),
});

export const basis = finding.extend({
  text: probedText,
  /** Names of the tapped points, from the embedding up. */
  points: texts,
  hidden: number,
  /** Atoms per token, of a dictionary. */
  sparsity: number.optional(),
  rules: z.object({ basis: text, matrix: text, positions: text, split: text }),
  of: z.enum(['embed', 'unembed']),
  method: z.enum(basisMethods),
  reconstruction: z.array(reconstruction),
  dictionary: dictionary.optional(),
  components: z.array(component),
});

export type BasisResult = Frozen<z.infer<typeof basis>>;
export type Component = Frozen<z.infer<typeof component>>;
export type Reconstruction = Frozen<z.infer<typeof reconstruction>>;
export type DictionaryReport = Frozen<z.infer<typeof dictionary>>;
