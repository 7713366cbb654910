// Outlier coordinates of a whole model, for a session.
import { finalNormName, projectionName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { statisticsVisitor } from '../statistics.ts';
import { Walk } from '../walk/walk.ts';
import { addLargest, mostOf, normed, readers, sampleDocuments } from './sample.ts';

/**
 * The input coordinates of largest magnitude of every projection and of the unembedding, ascending, by the weight's name.
 * @param unembed name of the matrix that gives the logits
 * @param onBlock called with the blocks done and in all
 * @throws SurgeryError `numeric` naming the layer where a model's activations are not finite
 */
export async function findOutliers(
  checkpoint: Checkpoint,
  unembed: string,
  threads?: number,
  onBlock: (done: number, total: number) => void = () => {},
): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = new Map<string, readonly number[]>();
  // A session in 8 bits asks for no budget either; three blocks in float32 are less than most such models take.
  const memory = Number.MAX_SAFE_INTEGER;
  const walk = new Walk(checkpoint, sampleDocuments(checkpoint.config), { threads, memory });
  try {
    const visitor = statisticsVisitor(
      walk,
      ({ layer, activations }) => {
        for (const [name, { largest }] of activations)
          for (const projection of readers[name]) found.set(projectionName(layer, projection), mostOf(largest));
      },
      { secondMoments: false },
    );
    const { original } = await walk.run([], { ...visitor, onBlock });
    const norm = await checkpoint.readFloat32(finalNormName);
    const largest = new Float64Array(norm.length);
    addLargest(largest, normed(await original.read(0, walk.rows), norm));
    found.set(unembed, mostOf(largest));
    return found;
  } finally {
    await walk.close();
  }
}
