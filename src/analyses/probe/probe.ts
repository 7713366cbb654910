// Probes of a checkpoint and a variant on the same documents: recording, baselines and fits in one call.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { principalComponents } from '../../linalg/subspaces.ts';
import { aCount, requireOptions } from '../../platform/arguments.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { probedPositions, record } from '../recorded-residuals.ts';
import type { VariantName } from '../shapes.ts';
import { type VariantOptions, variantOptions } from '../variants.ts';
import { readEmbedding, readUnembedding } from '../vocabulary.ts';
import { probeSetup } from './baselines.ts';
import { probeDepth } from './over-depth.ts';
import type { DepthEvaluation } from './result.ts';

export interface ProbeOfCheckpointOptions extends VariantOptions {
  /** Seed of every random draw: splits, shuffled labels, random maps. Default 0. */
  readonly seed?: number;
}

export interface ProbeOfCheckpoint {
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  readonly variants: readonly ({ readonly variant: VariantName } & DepthEvaluation)[];
}

/**
 * Fits linear probes at every point of the residual stream, of the original and of the variant that a recipe makes: they
 * predict the input token and the token before it. The result compares them with shuffled labels, random maps, the
 * identity and the mean predictor. This is what `surgery probe` does.
 * @param given documents: texts, which are cut to the model's context, or token ids; together at least 100 positions
 * @returns for each model the accuracies at each point on held-out positions and token types
 * @throws SurgeryError `usage` for an argument that is not allowed, and for a recipe that this model does not allow, `text` for
 * documents that are too short in all or that the context does not hold, `output` if the residual stream cannot be written to
 * the cache, `numeric` for activations that are not finite
 */
export async function probe(
  checkpoint: Checkpoint,
  given: Documents,
  options: ProbeOfCheckpointOptions = {},
): Promise<ProbeOfCheckpoint> {
  requireCheckpoint(checkpoint);
  requireOptions('probe', options, { ...variantOptions, seed: aCount(0) });
  const { seed = 0, ...models } = options;
  const documents = await encodeDocuments(given, checkpoint);
  const { bosId } = await Tokenizer.open(checkpoint);
  const positions = probedPositions(documents, 'the documents', bosId);
  const recorded = await record(checkpoint, { documents, bosId }, models);
  try {
    const matrices = { embed: await readEmbedding(checkpoint), unembed: await readUnembedding(checkpoint) };
    const bases = {
      embed: await principalComponents(matrices.embed),
      unembed: await principalComponents(matrices.unembed),
    };
    const baselines = await probeSetup(positions, matrices, bases, seed);
    const variants: ProbeOfCheckpoint['variants'][number][] = [];
    for (const { name, activations } of recorded.variants)
      variants.push({ variant: name, ...(await probeDepth(activations, recorded.points, baselines)) });
    return { points: recorded.points, variants };
  } finally {
    await recorded.close();
  }
}
