// The two matrices between tokens and the residual stream: the embedding, which writes a token into it, and the unembedding, which reads the logits from it.
import { embedName, finalNormName, unembedName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import type { Matrix } from '../linalg/products.ts';

/** Which of the two. */
export type VocabularyMatrix = 'embed' | 'unembed';

/** What each is, in words. */
export const matrixNames: Readonly<Record<VocabularyMatrix, string>> = {
  embed: 'the embedding',
  unembed: "the unembedding with the final norm's weight in it",
};

/** The embedding, (vocab, hidden): the residual stream begins with a row of it. */
export async function readEmbedding(checkpoint: Checkpoint): Promise<Matrix<Float32Array>> {
  const { vocabSize: rows, hiddenSize: cols } = checkpoint.config;
  return { rows, cols, data: await checkpoint.readFloat32(embedName) };
}

/**
 * The unembedding with the weight of the final norm in its columns, (vocab, hidden): the lens's own map, which reads the
 * residual stream itself, up to the length that the norm divides it by.
 */
export async function readUnembedding(checkpoint: Checkpoint): Promise<Matrix<Float32Array>> {
  const { vocabSize: rows, hiddenSize: cols, tiedEmbeddings } = checkpoint.config;
  const data = await checkpoint.readFloat32(tiedEmbeddings ? embedName : unembedName);
  const norm = await checkpoint.readFloat32(finalNormName);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) data[i * cols + j] = (data[i * cols + j] as number) * (norm[j] as number);
  }
  return { rows, cols, data };
}
