// Probes of several models on the same documents: recording, baselines and fits in one call.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { principalComponents } from '../../linalg/subspaces.ts';
import { aCount, requireOptions } from '../../platform/arguments.ts';
import { itemAt } from '../../platform/indexing.ts';
import { type Model, requireTappedModels } from '../../scores/model.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { readingOptions } from '../lens/over-text.ts';
import { Activations, probedPositions } from '../recorded-residuals.ts';
import { type Variant, type VariantOptions, variantOptions, withVariants } from '../variants.ts';
import { readEmbedding, readUnembedding } from '../vocabulary.ts';
import { probeSetup } from './baselines.ts';
import { probeDepth } from './over-depth.ts';
import type { DepthEvaluation } from './result.ts';

export interface ProbeOptions {
  /** Seed of every random draw: splits, shuffled labels, random maps. Default 0. */
  readonly seed?: number;
  /** The token that documents begin with, which is left out: `Tokenizer.bosId`. */
  readonly bosId?: number | undefined;
}

/**
 * Fits linear probes at every point of the residual stream: they predict the input token and the token before it. The
 * result compares them with shuffled labels, random maps, the identity and the mean predictor. This is what
 * `surgery probe` does.
 * @param models the original, and variants of the same checkpoint, on a runtime with taps
 * @param given documents: texts, which are cut to the model's context, or token ids; together at least 100 positions
 * @returns for each model, in the order of `models`, the accuracies at each point on held-out positions and token types
 * @throws SurgeryError `usage` for an argument that is not allowed, and for a runtime without taps, `text` for documents that are
 * too short in all or that the context does not hold, `output` if the residual stream cannot be written to the cache, `numeric` for activations that are
 * not finite
 */
export async function probeResiduals(
  checkpoint: Checkpoint,
  models: readonly Model[],
  given: Documents,
  options: ProbeOptions = {},
): Promise<DepthEvaluation[]> {
  requireCheckpoint(checkpoint);
  requireTappedModels(models);
  requireOptions('probeResiduals', options, readingOptions);
  const { seed = 0, bosId } = options;
  const documents = await encodeDocuments(given, checkpoint);
  const positions = probedPositions(documents, 'the documents', bosId);
  const matrices = { embed: await readEmbedding(checkpoint), unembed: await readUnembedding(checkpoint) };
  const bases = {
    embed: await principalComponents(matrices.embed),
    unembed: await principalComponents(matrices.unembed),
  };
  const baselines = await probeSetup(positions, matrices, bases, seed);
  const results: DepthEvaluation[] = [];
  for (const model of models) {
    const activations = await Activations.record(documents, model, bosId);
    try {
      const points = model.runtime.taps.map(({ name }) => name);
      results.push(await probeDepth(activations, points, baselines));
    } finally {
      await activations.close();
    }
  }
  return results;
}

export interface ProbeOfCheckpointOptions extends VariantOptions {
  /** Seed of every random draw: splits, shuffled labels, random maps. Default 0. */
  readonly seed?: number;
}

export interface ProbeOfCheckpoint {
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  readonly variants: readonly ({ readonly variant: Variant['name'] } & DepthEvaluation)[];
}

/**
 * {@link probeResiduals} of the original and of the variant that a recipe makes, in one call.
 * @param given documents: texts, which are cut to the model's context, or token ids; together at least 100 positions
 * @throws SurgeryError as {@link probeResiduals} does, and `usage` for a recipe that this model does not allow
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
  probedPositions(documents, 'the documents', bosId); // before the model is loaded
  return withVariants(checkpoint, models, async (variants, points) => {
    const evaluations = await probeResiduals(checkpoint, variants, documents, { seed, bosId });
    return { points, variants: variants.map(({ name }, i) => ({ variant: name, ...itemAt(evaluations, i) })) };
  });
}
