// What lens, unlikely, probe and basis leave behind → the objects it was, checked to the last figure that a page shows.
import { z } from 'zod';
import { texts } from '../platform/schemas.ts';
import type { Finding, FindingKind } from '../report/findings.ts';
import type { BasisResult } from '../report/terminal/basis.ts';
import type { LensResult } from '../report/terminal/lens.ts';
import type { ProbeResult } from '../report/terminal/probe.ts';
import type { UnlikelyResult } from '../report/terminal/unlikely.ts';
import { format, upgradedFinding } from '../results/format.ts';
import { checked, modelHere, notes, prompting, recipe, text, versions } from '../results/shapes.ts';

/** JSON has no NaN: JSON.stringify leaves null in its place. */
const number = z.union([z.number(), z.null().transform(() => Number.NaN)]);
const numbers = z.array(number);
const interval = z.union([z.tuple([number, number]), z.null()]);
const mean = z.object({ mean: number, interval }).nullable();
const median = z.object({ median: number, interval, largest: number }).nullable();
const variant = z.enum(['original', 'operated']);
const ofBoth = <T extends z.ZodType>(one: T) => z.object({ embed: one, unembed: one });

/** One of few words, which pages look for and print, and never rely on. */
const word = <T extends string>() => z.custom<T>((value) => typeof value === 'string', 'expected a text');

const info = {
  format: z.literal(format),
  command: text,
  versions,
  precision: z.enum(['fp32', 'int8']),
  model: modelHere,
  recipe: recipe.optional(),
  seed: number,
  documentsSha256: text.optional(),
};

const lensMeans = z.object({
  kl: mean,
  probabilityFinal: mean,
  sameTop: mean,
  rankFinal: mean,
  inputTop: mean,
  rankInput: mean,
});
const lensCell = z.object({
  top: z.array(z.object({ id: number, token: text, probability: number })),
  entropy: number,
  kl: number,
  probabilityFinal: number,
  rankFinal: number,
  rankInput: number,
});
const lens: z.ZodType<LensResult> = z.object({
  ...info,
  points: texts,
  vocabulary: number,
  ...prompting,
  notes,
  prompts: z.array(
    z.object({
      prompt: text,
      ids: numbers,
      tokens: texts,
      variants: z.array(z.object({ variant, cells: z.array(z.array(lensCell)) })),
    }),
  ),
  text: z
    .object({
      text,
      documents: number,
      maxTokens: number,
      rule: text,
      intervalRule: text,
      positions: number,
      sampled: number,
      variants: z.array(
        z.object({
          variant,
          points: z.array(lensMeans.extend({ point: text, norm: median, entropy: mean, shuffled: lensMeans })),
          steps: z.array(
            z.object({
              from: text,
              to: text,
              cosine: mean,
              kl: mean,
              cka: z.object({ mean: number, interval }),
              shuffled: z.object({ cosine: mean, kl: mean, cka: number }),
            }),
          ),
          uniform: z.object({ kl: number, entropy: number, rank: number, probability: number }),
          unigram: lensMeans,
          changes: z
            .array(z.object({ point: text, kl: mean, cosine: mean, relativeError: median, sameTop: mean }))
            .optional(),
        }),
      ),
    })
    .optional(),
});

const unlikely: z.ZodType<UnlikelyResult> = z.object({
  ...info,
  text: z.object({ text, documents: number, maxTokens: number, rule: text, intervalRule: text }),
  variants: z.array(
    z.object({
      variant,
      positions: number,
      likelyTokens: number,
      points: z.array(
        z.object({
          point: text,
          random: mean,
          mixtures: mean,
          bands: z.array(
            z.object({
              band: text,
              pairs: number,
              energy: mean,
              projection: mean,
              shuffled: mean,
              change: mean,
              sameTokens: z.object({ pairs: number, energy: mean, whereLikely: mean, difference: mean }),
            }),
          ),
        }),
      ),
      fromMiddle: z.object({ from: text, to: text, bands: z.array(mean) }),
    }),
  ),
});

const probedText = z.object({ text, documents: number, positions: number, cut: number, maxTokens: number });
const figure = z.object({ value: number, interval });
const reading = z.object({
  rows: number,
  r2: figure,
  cosine: figure,
  top1: figure,
  top5: figure,
  bands: z.array(z.object({ from: number, rows: number, top1: number, top5: number })),
});
const mapReading = z.object({
  map: word<'probe'>(),
  label: word<'input'>(),
  split: word<'positions'>(),
  target: word<'token'>(),
  relativeLambda: number.optional(),
  reading,
});
const chance = z.object({ mean: number, least: number, most: number });
const likeness = z.object({ value: number, permuted: chance.nullable(), random: chance });
const probe: z.ZodType<ProbeResult> = z.object({
  ...info,
  text: probedText,
  points: texts,
  compared: number,
  ownShares: ofBoth(ofBoth(numbers)),
  rules: z.object({
    positions: text,
    split: text,
    reading: text,
    resemblance: text,
    intervals: text,
    matrices: ofBoth(text),
  }),
  variants: z.array(
    z.object({
      variant,
      chance: z.array(mapReading),
      points: z.array(
        z.object({
          point: text,
          readings: z.array(mapReading),
          parts: z.array(z.object({ part: word<'leading'>(), dimensions: number, reading })),
          resemblance: ofBoth(
            z.object({ rowCosine: likeness, cka: likeness, hiddenSpace: likeness, tokenSpace: likeness }),
          ),
          weights: ofBoth(z.object({ weight: numbers, signal: numbers })),
        }),
      ),
    }),
  ),
});

const near = z.array(z.object({ id: number, token: text, cosine: number }));
const coherence = z.object({ largest: number, mean: number, pairs: numbers, independent: numbers });
const basis: z.ZodType<BasisResult> = z.object({
  ...info,
  text: probedText,
  points: texts,
  hidden: number,
  sparsity: number.optional(),
  rules: z.object({ basis: text, matrix: text, positions: text, split: text }),
  of: z.enum(['embed', 'unembed']),
  method: word<'pca'>(),
  reconstruction: z.array(z.object({ components: number, error: number })),
  dictionary: z
    .object({
      sparsity: z.array(z.object({ atoms: number, error: number })),
      limits: numbers,
      coherence,
      random: z.array(coherence),
    })
    .optional(),
  components: z.array(
    z.object({
      component: number,
      from: text.optional(),
      nearest: near,
      farthest: near,
      shares: ofBoth(number),
      probe: z.array(z.object({ variant, points: numbers })),
    }),
  ),
});

/**
 * A result as it was, but for what is not finite: NaN.
 * @param value of `lens.json`, `unlikely.json`, `probe.json` or `basis.json`
 * @throws Error in words that follow the file's name: what is wrong, and where
 */
export function checkedFinding(kind: FindingKind, value: unknown): Finding {
  const what = 'a result that this version reads';
  const known = upgradedFinding(value);
  switch (kind) {
    case 'lens':
      return { kind, result: checked(lens, known, what) };
    case 'unlikely':
      return { kind, result: checked(unlikely, known, what) };
    case 'probe':
      return { kind, result: checked(probe, known, what) };
    case 'basis':
      return { kind, result: checked(basis, known, what) };
  }
}
