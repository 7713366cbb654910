// What int8 sessions read: one holds both models, with the residual stream as outputs.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { operate } from '../operations/operator.ts';
import { completeRecipe, touchedBy } from '../operations/recipe.ts';
import { itemAt } from '../platform/indexing.ts';
import type { LensChunk, Weights } from '../runtime/sequence.ts';
import { Runtime } from '../runtime/session.ts';
import type { Piece } from '../runtime/walk/batches.ts';
import type { VariantName } from './shapes.ts';
import { type VariantOptions, variantNames } from './variants.ts';

interface SessionLens {
  readonly name: VariantName;
  readonly checkpoint: Checkpoint;
  readonly points: readonly string[];
  chunks(ids: readonly number[]): AsyncGenerator<LensChunk>;
}

/** @param onProgress called with the weights done and in all while they are put into 8 bits */
async function openSession(
  checkpoint: Checkpoint,
  { recipe, precision = 'int8', sublayers = false, memory: _, ...settings }: VariantOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<{ readonly runtime: Runtime; readonly models: readonly Weights[] }> {
  const complete = recipe && completeRecipe(recipe, checkpoint.config);
  const operated = complete && (await operate(checkpoint, complete, settings));
  const runtime = await Runtime.open(checkpoint, {
    taps: true,
    sublayers,
    precision,
    threads: settings.threads,
    replaceable: complete ? touchedBy([complete], checkpoint.config) : [],
    ...(onProgress ? { onProgress } : {}),
  });
  return { runtime, models: [runtime.original, ...(operated ? [runtime.variant(operated.tensors)] : [])] };
}

export async function sessionLens(
  checkpoint: Checkpoint,
  options: VariantOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<{ readonly models: readonly SessionLens[]; close(): Promise<void> }> {
  const { runtime, models } = await openSession(checkpoint, options, onProgress);
  const points = runtime.taps.map(({ name }) => name);
  const names = variantNames(options.recipe);
  return {
    models: models.map((weights, model) => ({
      name: itemAt(names, model),
      checkpoint,
      points,
      chunks: (ids: readonly number[]) => runtime.sequence(ids.length, weights).readLens(ids),
    })),
    close: () => runtime.close(),
  };
}

/** Runs documents through each model and puts away what passes each point. */
export async function sessionResiduals(
  checkpoint: Checkpoint,
  documents: readonly (readonly number[])[],
  options: VariantOptions,
  put: (model: number, point: number, piece: Piece, residual: Float32Array) => Promise<void>,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const { runtime, models } = await openSession(checkpoint, options, onProgress);
  try {
    for (const [model, weights] of models.entries()) {
      for (const [document, ids] of documents.entries()) {
        let from = 0;
        for await (const chunk of runtime.sequence(ids.length, weights).readResiduals(ids)) {
          for (const [point, rows] of chunk.points.entries())
            await put(model, point, { document, from, to: from + chunk.ids.length }, rows);
          from += chunk.ids.length;
        }
      }
    }
  } finally {
    await runtime.close();
  }
}
