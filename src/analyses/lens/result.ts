// lens.json: the logit lens on prompts and over a text. Logarithms are in bits, shares and probabilities from 0 to 1.
import { z } from 'zod';
import { type Frozen, texts } from '../../platform/schemas.ts';
import { finding } from '../../results/finding.ts';
import { notes, prompting, text } from '../../results/shapes.ts';
import { averagedText, interval, mean, median, number, numbers, piece, variant } from '../shapes.ts';
import { againstLast, alone, byStatistic, ofCells, type Statistics } from './statistics/registry.ts';

/** A field for each statistic. @param unknown stands for what an older file lacks */
export function fieldsOf<R extends Statistics, V>(statistics: R, field: z.ZodType<V>, unknown: V) {
  const optional = field.optional().transform((value = unknown) => value);
  return byStatistic(statistics, (_, { isNew }): z.ZodType<V> => (isNew ? optional : field));
}

/** The lens at one point and position. */
const cell = z.object({
  /** The likeliest tokens, likeliest first. */
  top: z.array(z.object({ id: number, ...piece, probability: number })),
  ...fieldsOf(ofCells, number, Number.NaN),
  /**
   * Of a variant, compared with the original's lens at the same point and position: KL(original ‖ variant), and the change
   * of the log-probability of the token that the original's last point finds likeliest.
   */
  change: z.object({ kl: number, logProbability: number }).optional(),
});

const prompt = z.object({
  /** As given, or as the chat template wrapped it. */
  prompt: text,
  ids: numbers,
  /** As the vocabulary spells them, and as people read them. */
  tokens: texts,
  shown: texts.optional(),
  /** Cells by point and position. */
  variants: z.array(z.object({ variant, cells: z.array(z.array(cell)) })),
});

/** Means over positions. */
const lensMeans = z.object(fieldsOf(againstLast, mean, null));

const pointMeans = lensMeans.extend({
  point: text,
  /** Euclidean norm of the residual. An attention sink shows in its largest. */
  norm: median,
  ...fieldsOf(alone, mean, null),
  /** With the lens of another position of the document. */
  shuffled: lensMeans,
});

/** How similar a point and the next one are. */
const stepMeans = z.object({
  from: text,
  to: text,
  /** Cosine of the residuals at the same position. */
  cosine: mean,
  /** KL(lens at `to` ‖ lens at `from`). */
  kl: mean,
  /** Linear CKA over a sample of positions, normalised. */
  cka: z.object({ mean: number, interval }),
  /** With `from` taken at another position: of the document for cosine and KL, of the sample for CKA. */
  shuffled: z.object({ cosine: mean, kl: mean, cka: number }),
});

/** How far a variant is from the original at a point. */
const changeMeans = z.object({
  point: text,
  /** KL(original's lens ‖ variant's lens). */
  kl: mean,
  cosine: mean,
  /** ‖variant − original‖ / ‖original‖ of the residual: large where the variant has an attention sink that the original lacks. */
  relativeError: median,
  /** How often both lenses rank the same token first. */
  sameTop: mean,
});

const depthProfile = z.object({
  variant,
  points: z.array(pointMeans),
  steps: z.array(stepMeans),
  /** Chance: the uniform distribution, and the text's token frequencies. */
  uniform: z.object({ kl: number, entropy: number, rank: number, probability: number }),
  unigram: lensMeans,
  /** Of a variant. */
  changes: z.array(changeMeans).optional(),
});

const overText = averagedText.extend({
  /** Positions averaged over: all but each document's BOS. */
  positions: number,
  /** Positions that CKA is computed over. */
  sampled: number,
  variants: z.array(depthProfile),
});

export const lens = finding.extend({
  /** Names of the tapped points, from the embedding up. */
  points: texts,
  /** Number of tokens: a random one has rank (vocabulary + 1) / 2 and probability 1 / vocabulary. */
  vocabulary: number,
  ...prompting,
  notes,
  prompts: z.array(prompt),
  text: overText.optional(),
});

export type LensResult = Frozen<z.infer<typeof lens>>;
export type PromptLens = Frozen<z.infer<typeof prompt>>;
export type SpelledCell = Frozen<z.infer<typeof cell>>;
export type LensOfText = Frozen<z.infer<typeof overText>>;
export type DepthProfile = Omit<LensOfText['variants'][number], 'variant'>;
export type LensMeans = Frozen<z.infer<typeof lensMeans>>;
export type StepMeans = Frozen<z.infer<typeof stepMeans>>;
