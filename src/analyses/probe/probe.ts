// Probes of several models on the same documents: recording, baselines and fits in one call.
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { principalComponents } from '../../linalg/subspaces.ts';
import type { Model } from '../../scores/likelihood.ts';
import { Activations, positionsOf } from '../recorded-residuals.ts';
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
 * @param documents token ids, each no longer than the model's context; together at least 100 positions
 * @returns for each model, in the order of `models`, the accuracies at each point on held-out positions and token types
 * @throws SurgeryError `output` if the residual stream cannot be written to the cache, `numeric` for activations that are
 * not finite
 */
export async function probeResiduals(
  checkpoint: Checkpoint,
  models: readonly Model[],
  documents: readonly (readonly number[])[],
  { seed = 0, bosId }: ProbeOptions = {},
): Promise<DepthEvaluation[]> {
  const matrices = { embed: await readEmbedding(checkpoint), unembed: await readUnembedding(checkpoint) };
  const bases = {
    embed: await principalComponents(matrices.embed),
    unembed: await principalComponents(matrices.unembed),
  };
  const baselines = await probeSetup(positionsOf(documents, bosId), matrices, bases, seed);
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
