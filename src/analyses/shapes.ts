// Schemas that the results of all analyses share.
import { z } from 'zod';
import type { Frozen } from '../platform/schemas.ts';
import { text } from '../results/shapes.ts';

/** JSON has no NaN: JSON.stringify leaves null in its place. */
export const number = z.union([z.number(), z.null().transform(() => Number.NaN)]);
export const numbers = z.array(number);
/** 95 %; null where there are too few documents for one. */
export const interval = z.union([z.tuple([number, number]), z.null()]);
/** A mean over positions, with its interval over documents; null where there are no positions. */
export const mean = z.object({ mean: number, interval }).nullable();
/** The median of quantities whose mean a few positions would decide, such as lengths. */
export const median = z.object({ median: number, interval, largest: number }).nullable();
export const variant = z.enum(['original', 'operated']);

/** A token as the vocabulary spells it, and as people read it. */
export const piece = { token: text, shown: text.optional() };

/** The same of the embedding and of the unembedding. */
export function ofBoth<T extends z.ZodType>(one: T) {
  return z.object({ embed: one, unembed: one });
}

/** A text that was read. */
const readText = z.object({
  text,
  /** Or windows, of a stream. */
  documents: number,
  chunk: z.literal('stream').optional(),
  /** Documents that were longer than `maxTokens`; not known of older results. */
  cut: number.optional(),
  maxTokens: number,
});
/** With the rules by which its positions became means and intervals. */
export const averagedText = readText.extend({ rule: text, intervalRule: text });
/** A text that activations were recorded of. */
export const probedText = readText.extend({ positions: number });

export type TextRead = Frozen<z.infer<typeof readText>>;
export type Mean = NonNullable<Frozen<z.infer<typeof mean>>>;
export type Median = NonNullable<Frozen<z.infer<typeof median>>>;
export type VariantName = z.infer<typeof variant>;
