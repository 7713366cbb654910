// Documents, or token trees, → batches of rows. They depend on these alone, so that every variant, and a study that
// continues after an interruption, computes the same numbers.
import { itemAt } from '../../platform/indexing.ts';

/** Tokens `from` (included) to `to` (excluded) of a document, or of a tree laid out. */
export interface Piece {
  readonly document: number;
  readonly from: number;
  readonly to: number;
}

/** Pieces that go through a block together: whole documents, or one piece of a long one. */
export interface RowBatch {
  readonly pieces: readonly Piece[];
  /** Index of its first row among all rows of the walk. */
  readonly start: number;
  readonly rows: number;
}

/** Rows of a batch: enough for fast products. */
export const batchRows = 1024;

const rowsOf = (pieces: readonly Piece[]) => pieces.reduce((sum, { from, to }) => sum + to - from, 0);

/**
 * Documents in their order: neighbours together, up to `most` rows, and as long as no more positions than rows are left
 * empty next to shorter documents; documents longer than that in pieces, each a batch. The rows of a document follow one
 * another.
 * @param lengths tokens of each document
 * @param firstRow index of the first batch's first row
 */
export function rowBatches(lengths: readonly number[], most = batchRows, firstRow = 0): RowBatch[] {
  const batches: Piece[][] = [];
  for (const [document, length] of lengths.entries()) {
    if (length === 0) continue;
    const last = batches.at(-1);
    const fits = last !== undefined && rowsOf(last) + length <= most && placesWith(last, length) <= 2 * most;
    // A long document's last piece stays alone: attention with keys from before takes one sequence at a time.
    if (fits && itemAt(lengths, itemAt(last, 0).document) <= most) last.push({ document, from: 0, to: length });
    else
      for (let from = 0; from < length; from += most)
        batches.push([{ document, from, to: Math.min(length, from + most) }]);
  }
  let start = firstRow;
  return batches.map((pieces) => {
    const rows = rowsOf(pieces);
    start += rows;
    return { pieces, start: start - rows, rows };
  });
}

/** Positions of whole documents with one more of `length` tokens, each as long as the longest. */
const placesWith = (pieces: readonly Piece[], length: number) =>
  (pieces.length + 1) * Math.max(length, ...pieces.map(({ to }) => to));

/** How a batch's rows lie in the attention, which sees (batch, tokens) positions. */
export interface Places {
  readonly tokens: number;
  /** Longest piece's end: positions that the cache needs. */
  readonly total: number;
  /** (batch, tokens): the row of each position, 0 where a shorter piece has none. */
  readonly rowOf: BigInt64Array;
  /** (batch, tokens): its position in its document, or in its own branch of a tree. */
  readonly positions: BigInt64Array;
  /** (rows): its place among the flattened positions. */
  readonly placeOf: BigInt64Array;
  /** (batch): each piece's end, minus 1. */
  readonly pastLengths: Int32Array;
}

/** @param positionOf a token of a document */
export function placesOf(
  { pieces, rows }: RowBatch,
  positionOf: (document: number, token: number) => number = (_, token) => token,
): Places {
  const tokens = Math.max(...pieces.map(({ from, to }) => to - from));
  const places: Places = {
    tokens,
    total: Math.max(...pieces.map(({ to }) => to)),
    rowOf: new BigInt64Array(pieces.length * tokens),
    positions: new BigInt64Array(pieces.length * tokens),
    placeOf: new BigInt64Array(rows),
    pastLengths: Int32Array.from(pieces, ({ to }) => to - 1),
  };
  let row = 0;
  for (const [i, { document, from, to }] of pieces.entries()) {
    for (let token = 0; token < to - from; token++) {
      const place = i * tokens + token;
      places.rowOf[place] = BigInt(row);
      places.positions[place] = BigInt(positionOf(document, from + token));
      places.placeOf[row++] = BigInt(place);
    }
  }
  return places;
}
