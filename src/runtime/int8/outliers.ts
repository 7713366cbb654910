// Outlier coordinates: the few numbers of a product's input that are far larger than the rest in trained models, at every
// token. In 8 bits they would leave the others too few steps, so they are multiplied in float32.
import { finalNormName, type Projection, projectionName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { itemAt } from '../../platform/indexing.ts';
import { statisticsVisitor } from '../statistics.ts';
import { Walk } from '../walk/walk.ts';

/** How many coordinates of an input of `size` numbers are kept out of 8 bits. */
export const outlierCount = (size: number) => Math.min(8, size);

const readers = { qkv: ['q', 'k', 'v'], o: ['o'], gateup: ['gate', 'up'], down: ['down'] } as const satisfies Record<
  string,
  readonly Projection[]
>;

/** Documents and tokens of each that the outliers are found on. */
const sample = { documents: 4, tokens: 128 };

/**
 * The input coordinates of largest magnitude of every projection and of the unembedding, ascending, by the weight's name.
 * They belong to the model more than to a text (Dettmers et al. 2022, "LLM.int8()"), so that tokens spread over the
 * vocabulary show them and no tokenizer is needed.
 * @param unembed name of the matrix that gives the logits
 * @throws SurgeryError `numeric` naming the layer where a model's activations are not finite
 */
export async function findOutliers(
  checkpoint: Checkpoint,
  unembed: string,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const { vocabSize, contextLength, hiddenSize } = checkpoint.config;
  const tokens = Math.min(sample.tokens, contextLength);
  const documents = Array.from({ length: sample.documents }, (_, document) =>
    Array.from({ length: tokens }, (_, i) => ((document * tokens + i) * 7919) % vocabSize),
  );
  const found = new Map<string, readonly number[]>();
  // A session in 8 bits asks for no budget either; three blocks in float32 are less than most such models take.
  const walk = new Walk(checkpoint, documents, { memory: Number.MAX_SAFE_INTEGER });
  try {
    const visitor = statisticsVisitor(
      walk,
      ({ layer, activations }) => {
        for (const [name, { largest }] of activations)
          for (const projection of readers[name]) found.set(projectionName(layer, projection), mostOf(largest));
      },
      { secondMoments: false },
    );
    const { original } = await walk.run([], visitor);
    const stream = await original.read(0, walk.rows);
    const norm = await checkpoint.readFloat32(finalNormName);
    found.set(unembed, mostOf(largestNormed(stream, norm, hiddenSize)));
    return found;
  } finally {
    await walk.close();
  }
}

/** Largest magnitude of each coordinate of rows (rows, size) behind a norm; its epsilon changes no order. */
function largestNormed(rows: Float32Array, norm: Float32Array, size: number): Float64Array {
  const largest = new Float64Array(size);
  for (let from = 0; from < rows.length; from += size) {
    const row = rows.subarray(from, from + size);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
    for (const [i, value] of row.entries())
      largest[i] = Math.max(itemAt(largest, i), Math.abs((value / length) * itemAt(norm, i)));
  }
  return largest;
}

/** Places of the largest values, ascending. */
function mostOf(values: Float64Array): number[] {
  const order = Array.from(values.keys()).sort((a, b) => itemAt(values, b) - itemAt(values, a) || a - b);
  return order.slice(0, outlierCount(values.length)).sort((a, b) => a - b);
}
