// Predictions of models after the walk: logits of the rows of each document, made some rows at a time.
import { requireArgument } from '../platform/arguments.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Stream } from '../runtime/walk/streams.ts';
import { logitNumbers, type Unembedding, Walk, type WalkVariant } from '../runtime/walk/walk.ts';
import { type Predictions, type Scores, scoreDocuments } from './likelihood.ts';

/**
 * Scores a checkpoint on the documents of a walk, and compares variants with it. Each block's weights are read once for
 * all of them.
 * @param onBlock called with the blocks done and in all
 * @param onTokens called with the tokens scored and in all
 * @throws SurgeryError `usage` for an argument that is not allowed, `numeric` for logits that are not finite, `checkpoint` for weights that cannot be read, `output`
 * where residual streams do not fit the disk
 */
export async function scoreWalk(
  walk: Walk,
  variants: readonly WalkVariant[] = [],
  onBlock?: (done: number, total: number) => void,
  onTokens?: (done: number, total: number) => void,
): Promise<Scores> {
  requireArgument('walk', walk, { words: 'a Walk', test: (value) => value instanceof Walk });
  const walked = await walkPredictions(walk, variants, onBlock);
  return scoreDocuments(walk.documents, walked.original, walked.variants, onTokens);
}

/**
 * Takes the documents of a walk through all blocks.
 * @returns the logits of the original and of each variant, which can be read while the walk is open
 * @throws SurgeryError as {@link scoreWalk}
 */
export async function walkPredictions(
  walk: Walk,
  variants: readonly WalkVariant[],
  onBlock?: (done: number, total: number) => void,
): Promise<{ readonly original: Predictions; readonly variants: readonly Predictions[] }> {
  const streams = await walk.run(variants, onBlock ? { onBlock } : {});
  const unembedding = await walk.unembedding();
  const all = streams.map((stream) => streamPredictions(walk, stream, unembedding, streams.length));
  return { original: itemAt(all, 0), variants: all.slice(1) };
}

/**
 * @param models how many are compared: the logits of each are in memory at the same time
 */
function streamPredictions(walk: Walk, stream: Stream, unembedding: Unembedding, models: number): Predictions {
  const { vocabSize: vocab } = walk.checkpoint.config;
  const together = Math.max(1, Math.floor(logitNumbers / models / vocab));
  let made: { readonly from: number; readonly logits: Promise<Float32Array> } | undefined;
  /** Logits of the rows from a multiple of `together` on. */
  const logitsFrom = (from: number) => {
    if (made?.from !== from) made = { from, logits: unembedding(stream, from, Math.min(together, walk.rows - from)) };
    return made.logits;
  };
  const starts = [0];
  for (const ids of walk.documents) starts.push((starts.at(-1) ?? 0) + ids.length);
  return {
    vocab,
    async *chunks(document, read) {
      const begin = itemAt(starts, document);
      const end = begin + read.length;
      for (let row = begin; row < end; ) {
        const from = row - (row % together);
        const to = Math.min(end, from + together);
        const logits = await logitsFrom(from);
        yield { logits: logits.subarray((row - from) * vocab, (to - from) * vocab) };
        row = to;
      }
    },
  };
}
