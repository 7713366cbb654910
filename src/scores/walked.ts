// Scores of models after a walk: logits of some rows at a time, of the original and then of each variant.
import { requireArgument } from '../platform/arguments.ts';
import { itemAt } from '../platform/indexing.ts';
import type { WalkVariant } from '../runtime/walk/steps.ts';
import type { Stream } from '../runtime/walk/streams.ts';
import { logitNumbers, type Unembedding, Walk } from '../runtime/walk/walk.ts';
import { describeRows, ScoreSums, type Scores } from './likelihood.ts';
import type { Prediction } from './token-sums.ts';

/**
 * Scores a checkpoint on the documents of a walk, and compares variants with it. Each block's weights are read once for
 * all of them.
 * @param onBlock called with the blocks done and in all
 * @param onTokens called with the tokens scored, of each model, and in all
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
  const end = await walk.run(variants, onBlock ? { onBlock } : {});
  const unembedding = await walk.unembedding();
  const ended = (stream: Stream): WalkedModel => ({ stream, unembedding });
  const scores = await scoreWalked(walk, ended(end.original), end.variants.map(ended), onTokens);
  walk.release([end.original, ...end.variants]);
  return scores;
}

/** A model after the walk: its stream behind the last block, and what makes logits of it. */
export interface WalkedModel {
  readonly stream: Stream;
  readonly unembedding: Unembedding;
}

/**
 * Scores an original, and variants next to it, whose streams hold the same documents.
 * @param onTokens called with the tokens scored, of each model, and in all
 * @throws SurgeryError `text` if no document has two tokens, `numeric` for logits that are not finite
 */
export async function scoreWalked(
  { documents, checkpoint }: Pick<Walk, 'documents' | 'checkpoint'>,
  original: WalkedModel,
  variants: readonly WalkedModel[],
  onTokens?: (done: number, total: number) => void,
): Promise<Scores> {
  const sums = new ScoreSums(documents, variants.length);
  const vocab = checkpoint.config.vocabSize;
  const all = predictingRows(documents);
  // Logits of two models are in memory at the same time.
  const together = Math.max(1, Math.floor(logitNumbers / 2 / vocab));
  const buffer = () => new Float32Array(Math.min(together, lastRow(all) + 1) * vocab);
  const [ours, theirs] = [buffer(), variants.length > 0 ? buffer() : undefined];
  const total = (1 + variants.length) * all.length;
  let done = 0;
  const advance = ({ length }: readonly PredictingRow[]) => {
    done += length;
    onTokens?.(done, total);
  };
  for (let at = 0; at < all.length; ) {
    const first = itemAt(all, at).row;
    const chunk = all.slice(at, at + together).filter(({ row }) => row < first + together);
    at += chunk.length;
    const rows = lastRow(chunk) + 1 - first;
    const predictions = async ({ stream, unembedding }: WalkedModel, into: Float32Array | undefined) =>
      predictionsOf(chunk, await unembedding(stream, first, rows, into), vocab);
    const base = await predictions(original, ours);
    for (const [i, { document }] of chunk.entries()) sums.addOriginal(document, itemAt(base, i));
    advance(chunk);
    for (const [variant, model] of variants.entries()) {
      const own = await predictions(model, theirs);
      for (const [i, { document }] of chunk.entries())
        sums.addVariant(variant, document, itemAt(own, i), itemAt(base, i));
      advance(chunk);
    }
  }
  return sums.scores();
}

const lastRow = (rows: readonly PredictingRow[]) => itemAt(rows, rows.length - 1).row;

/** A row whose logits predict a token. */
interface PredictingRow {
  readonly row: number;
  readonly document: number;
  readonly target: number;
}

/** All rows of a walk but the last of each document. */
function predictingRows(documents: readonly (readonly number[])[]): PredictingRow[] {
  let start = 0;
  return documents.flatMap((ids, document) => {
    const first = start;
    start += ids.length;
    return ids.slice(1).map((target, i) => ({ row: first + i, document, target }));
  });
}

/** @param logits of the rows from the chunk's first to its last, (rows, vocab) */
function predictionsOf(chunk: readonly PredictingRow[], logits: Float32Array, vocab: number): Prediction[] {
  const first = itemAt(chunk, 0).row;
  return chunk.map(({ row, target }) => {
    const own = logits.subarray((row - first) * vocab, (row - first + 1) * vocab);
    return { logits: own, target, ...itemAt(describeRows(own, vocab), 0) };
  });
}
