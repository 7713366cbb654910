// probe.json: accuracies of linear probes at every point of the residual stream. Shares and R² are from 0 to 1.
import { z } from 'zod';
import { type Frozen, texts } from '../../platform/schemas.ts';
import { finding } from '../../results/finding.ts';
import { text } from '../../results/shapes.ts';
import { interval, number, numbers, ofBoth, probedText, variant } from '../shapes.ts';

/** An estimate over the test rows, with its interval over documents. */
const estimate = z.object({ value: number, interval });

/** How well a map predicts its target on test rows. */
const evaluation = z.object({
  /** Test rows. */
  rows: number,
  /** 1 − Σ‖y − ŷ‖² / Σ‖y − ȳ‖², ȳ the training mean: 0 for a map that predicts the mean. */
  r2: estimate,
  /** Mean cosine of ŷ and y. */
  cosine: estimate,
  /** How often the right token is the nearest by cosine, or the first by score; ties count against it. */
  top1: estimate,
  top5: estimate,
  /** By how often a token type occurs in the text. */
  bands: z.array(
    z.object({
      /** Least number of occurrences of the band; the next band's is the end. */
      from: number,
      rows: number,
      top1: number,
      top5: number,
    }),
  ),
});

/** A map, trained at the point, trained on all points together, or a baseline; and what it predicts. */
const task = {
  map: z.enum(['probe', 'pooled', 'shuffled', 'identity', 'random', 'mean']),
  /** Which token: the one at the position, or the one before it. */
  label: z.enum(['input', 'previous']),
  /** What is held out: positions, or token types. */
  split: z.enum(['positions', 'types']),
  target: z.enum(['embedding', 'token']),
};
const mapEvaluation = z.object({
  ...task,
  /** Ridge penalty over the mean eigenvalue of the Gram matrix, for what was trained. */
  relativeLambda: number.optional(),
  reading: evaluation,
});

/** Over the draws. */
const chance = z.object({ mean: number, least: number, most: number });
const likeness = z.object({
  value: number,
  /** With the rows of the matrix in a random order; null where their order does not matter. */
  permuted: chance.nullable(),
  /** With random matrices that have the matrix's singular values. */
  random: chance,
});
/** All but `rowCosine` do not depend on the basis of one side's tokens or the other's. Columns are centred in all. */
const resemblance = z.object({
  /** Mean cosine of a token's row in both matrices. */
  rowCosine: likeness,
  /** Linear CKA of the tokens' kernels. */
  cka: likeness,
  /** Mean squared cosine of the principal angles between the leading subspaces of the residual space. */
  hiddenSpace: likeness,
  /** The same of the leading subspaces of the tokens' space. */
  tokenSpace: likeness,
});

const point = z.object({
  /** `embed`, or the block that the point comes after. */
  point: text,
  readings: z.array(mapEvaluation),
  /** The input's embedding, predicted from a subspace of the residual space alone. */
  parts: z.array(
    z.object({ part: z.enum(['leading', 'trailing', 'random']), dimensions: number, reading: evaluation }),
  ),
  /** The token probe's matrix compared with the embedding and the unembedding. */
  resemblance: ofBoth(resemblance),
  /** Along the principal components of each, in runs of neighbours: shares of ‖W‖² and of the probe's output. */
  weights: ofBoth(z.object({ weight: numbers, signal: numbers })),
});

export const probe = finding.extend({
  text: probedText,
  /** Names of the tapped points, from the embedding up. */
  points: texts,
  /** Tokens whose rows are compared with the embedding's and the unembedding's. */
  compared: number,
  /** By basis and then by matrix: the matrix's own shares in the runs of the basis's components. */
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
      /** The mean predictor, which is the same at every point. */
      chance: z.array(mapEvaluation),
      points: z.array(point),
    }),
  ),
});

export type ProbeResult = Frozen<z.infer<typeof probe>>;
export type DepthEvaluation = Omit<ProbeResult['variants'][number], 'variant'>;
export type PointEvaluation = Frozen<z.infer<typeof point>>;
export type MapEvaluation = Frozen<z.infer<typeof mapEvaluation>>;
export type Evaluation = Frozen<z.infer<typeof evaluation>>;
export type Estimate = Frozen<z.infer<typeof estimate>>;
export type Resemblance = Frozen<z.infer<typeof resemblance>>;
export type Likeness = Frozen<z.infer<typeof likeness>>;
export type Chance = Frozen<z.infer<typeof chance>>;
/** A map, what it predicts and what is held out. */
export type ProbeTask = Pick<MapEvaluation, 'map' | 'label' | 'split' | 'target'>;
export type MapKind = ProbeTask['map'];
