// A basis of a checkpoint's vocabulary in one call, with what lies along it in the checkpoint and a variant.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import type { Matrix } from '../../linalg/products.ts';
import { centred } from '../../linalg/rows.ts';
import { aCount, oneOfWords, requireOptions } from '../../platform/arguments.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import type { OfBoth } from '../probe/baselines.ts';
import { weightOver } from '../probe/over-depth.ts';
import { countLabels } from '../probe/splits.ts';
import { weightShares } from '../probe/weight-spectrum.ts';
import { type Positions, probedPositions, record } from '../recorded-residuals.ts';
import type { VariantName } from '../shapes.ts';
import { type VariantOptions, variantOptions } from '../variants.ts';
import { matrixNames, readEmbedding, readUnembedding, type VocabularyMatrix } from '../vocabulary.ts';
import { type Basis, makeBasis, type Near, nearestTokens } from './bases.ts';
import { type BasisMethod, basisMethods } from './methods.ts';
import type { BasisResult } from './result.ts';

export interface BasisOfCheckpointOptions extends VariantOptions {
  /** Default: embed. */
  readonly of?: VocabularyMatrix;
  /** Default: pca. */
  readonly method?: BasisMethod;
  /** Number of directions. Default: 64, at most the hidden size; of a dictionary twice the hidden size. */
  readonly components?: number;
  /** Atoms for each token, of a dictionary. Default 8. */
  readonly sparsity?: number;
  /** Of all random draws. Default 0. */
  readonly seed?: number;
}

export type BasisOfCheckpoint = Pick<BasisResult, 'points' | 'reconstruction' | 'dictionary' | 'components'>;

/** Tokens to list at each end of a component. */
const listed = 8;

/**
 * An ordered basis of the embedding or the unembedding, and the share of each map's weight along each direction: of both
 * matrices, and of the probe of the input token at every point of the residual stream, of the original and of the variant that
 * a recipe makes. This is what `surgery basis` does.
 * @param given documents: texts, which are cut to the model's context, or token ids; together at least 100 positions
 * @throws SurgeryError `usage` for an argument that is not allowed, and for a recipe that this model does not allow, `text` for
 * documents that are too short in all or that the context does not hold, `output` if the residual stream cannot be written to
 * the cache, `numeric` for activations that are not finite
 */
export async function basis(
  checkpoint: Checkpoint,
  given: Documents,
  options: BasisOfCheckpointOptions = {},
): Promise<BasisOfCheckpoint> {
  requireCheckpoint(checkpoint);
  requireOptions('basis', options, {
    ...variantOptions,
    of: oneOfWords(Object.keys(matrixNames)),
    method: oneOfWords(basisMethods),
    components: aCount(1),
    sparsity: aCount(1, 256),
    seed: aCount(0),
  });
  const { of = 'embed', method = 'pca', components: wanted, sparsity = 8, seed = 0, ...models } = options;
  const { config } = checkpoint;
  const components = componentCount({ method, components: wanted }, config, 'basis: components');
  const documents = await encodeDocuments(given, checkpoint);
  const tokenizer = await Tokenizer.open(checkpoint);
  const { bosId } = tokenizer;
  const positions = probedPositions(documents, 'the documents', bosId);
  const recorded = await record(checkpoint, { documents, bosId }, models);
  try {
    const matrices = { embed: await readEmbedding(checkpoint), unembed: await readUnembedding(checkpoint) };
    const made = await makeBasis(matrices[of], {
      method,
      components,
      seed,
      sparsity,
      byFrequency: byFrequency(positions, config.vocabSize),
    });
    const weights: { variant: VariantName; points: number[][] }[] = [];
    for (const { name, activations } of recorded.variants)
      weights.push({ variant: name, points: await weightOver(activations, positions, made.directions, seed) });
    return {
      points: recorded.points,
      reconstruction: made.reconstruction,
      ...(made.dictionary ? { dictionary: made.dictionary } : {}),
      components: await describeBasis(made, matrices, of, weights, tokenizer),
    };
  } finally {
    await recorded.close();
  }
}

/**
 * How many directions a basis has, by default as many as its method takes.
 * @param name of the option, for messages
 * @throws SurgeryError `usage` for a number of directions outside the method's range
 */
export function componentCount(
  { method, components }: { readonly method: BasisMethod; readonly components?: number | undefined },
  { hiddenSize, vocabSize }: LlamaConfig,
  name: string,
): number {
  const refuse = (allowed: string): never => {
    throw new SurgeryError('usage', `${name} is ${components}, ${method} allows ${allowed} on this model`);
  };
  if (method === 'dictionary') {
    const wanted = components ?? Math.min(2 * hiddenSize, vocabSize);
    if (wanted <= hiddenSize || wanted > vocabSize)
      refuse(`more than the hidden size, ${hiddenSize}, up to the vocabulary's ${vocabSize}`);
    return wanted;
  }
  const most = method === 'nmf' ? Math.min(vocabSize, 2 * hiddenSize) : hiddenSize;
  if (components !== undefined && components > most) refuse(`1 to ${most}`);
  return components ?? Math.min(64, hiddenSize);
}

/** All token ids, most frequent in the text first. */
export function byFrequency({ input }: Positions, vocabulary: number): number[] {
  const counts = countLabels(input);
  return [...Array(vocabulary).keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || a - b);
}

/** For each direction: the nearest tokens, and the share of each map's weight along it. */
export async function describeBasis(
  { directions, tokens }: Basis,
  matrices: OfBoth<Matrix<Float32Array>>,
  of: VocabularyMatrix,
  weights: readonly { readonly variant: VariantName; readonly points: readonly (readonly number[])[] }[],
  tokenizer: Tokenizer,
): Promise<BasisResult['components']> {
  const near = await nearestTokens(matrices[of], directions, listed);
  const embed = await weightShares(centred(matrices.embed), directions);
  const unembed = await weightShares(centred(matrices.unembed), directions);
  const named = (list: readonly Near[]) =>
    list.map(({ token, cosine }) => ({ id: token, ...tokenizer.spelled(token), cosine }));
  return near.map(({ nearest, farthest }, k) => ({
    component: k + 1,
    ...(tokens?.[k] === undefined ? {} : { from: tokenizer.piece(tokens[k]), fromShown: tokenizer.shown(tokens[k]) }),
    nearest: named(nearest),
    farthest: named(farthest),
    shares: { embed: embed[k] as number, unembed: unembed[k] as number },
    probe: weights.map(({ variant, points }) => ({ variant, points: points.map((shares) => itemAt(shares, k)) })),
  }));
}
