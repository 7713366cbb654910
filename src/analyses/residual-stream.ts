// The residual stream of a corpus, one chunk of a document after the other: never more than a chunk in memory.
import type { ResidualChunk } from '../runtime/sequence.ts';
import type { Model } from '../scores/model.ts';

/** A chunk and where it stands. */
export interface CorpusChunk extends ResidualChunk {
  /** Number of the document, counted from 0. */
  readonly document: number;
  /** Position in the document of the chunk's first token. */
  readonly start: number;
}

/**
 * Reads documents, each alone, and yields their tokens with the residual stream at every tap of the runtime, each
 * (tokens, hidden) row-major in float32.
 * @param documents token ids, BOS first, each no longer than the model's context
 * @param onProgress called with the tokens done and in all
 * @throws RangeError for a runtime without taps
 */
export async function* residuals(
  documents: readonly (readonly number[])[],
  { runtime, weights }: Model,
  onProgress?: (done: number, total: number) => void,
): AsyncGenerator<CorpusChunk> {
  if (runtime.taps.length === 0) throw new RangeError('the runtime was opened without taps');
  const total = documents.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  for (const [document, ids] of documents.entries()) {
    let start = 0;
    for await (const chunk of runtime.sequence(ids.length, weights).readResiduals(ids)) {
      yield { ...chunk, document, start };
      start += chunk.ids.length;
      done += chunk.ids.length;
      onProgress?.(done, total);
    }
  }
}
