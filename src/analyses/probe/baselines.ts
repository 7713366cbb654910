// Splits, reference matrices, bases and random maps, shared by the probes of all variants. They depend on the text, the vocabulary's matrices and a seed alone.
import type { Matrix } from '../../linalg/products.ts';
import { randomOrthonormal, seededRandom } from '../../linalg/random.ts';
import { pickRows, squaredLengths } from '../../linalg/rows.ts';
import type { Positions } from '../recorded-residuals.ts';
import type { VocabularyMatrix } from '../vocabulary.ts';
import { type Vocabulary, vocabularyOf } from './evaluation.ts';
import { type Labelling, type RowSplit, splitRows } from './fit.ts';
import { Reference } from './matrix-similarity.ts';
import { byFrequency, countLabels, rowsOfSubset, trainSubset } from './splits.ts';
import { type Subspace, subspacesOf } from './subspace-probes.ts';

/** A value for the embedding and one for the unembedding. */
export type OfBoth<T> = Readonly<Record<VocabularyMatrix, T>>;

export interface ProbeSetup {
  readonly positions: Positions;
  readonly splits: readonly RowSplit[];
  readonly vocabulary: Vocabulary;
  /** Root mean square of the embeddings of the text's tokens. */
  readonly embeddingSize: number;
  /** Token ids whose rows are compared: the most frequent of the training rows. */
  readonly compared: readonly number[];
  readonly references: OfBoth<Reference>;
  /** Principal components, (hidden, hidden): orthonormal rows, the largest first. */
  readonly bases: OfBoth<Matrix>;
  /** Random orthogonal matrices, (hidden, hidden). */
  readonly random: readonly [left: Matrix, right: Matrix];
  readonly subspaces: readonly Subspace[];
  readonly seed: number;
}

/** Tokens that are compared at most: kernels of a large vocabulary would not fit into memory. */
const mostCompared = 1024;

/** Share of the work that drawing the random matrices takes. */
const drawn = 0.3;

/**
 * @param matrices of the vocabulary, (vocab, hidden)
 * @param bases their principal components
 * @param onProgress called with the share of the work that is done
 */
export async function probeSetup(
  positions: Positions,
  matrices: OfBoth<Matrix<Float32Array>>,
  bases: OfBoth<Matrix>,
  seed: number,
  onProgress?: (share: number) => void,
): Promise<ProbeSetup> {
  const splits = splitRows(positions, seed);
  const compared = mostTrained(splitFor(splits, 'input', 'positions'));
  const hidden = matrices.embed.cols;
  const draw = seededRandom(seed + 4);
  const left = await randomOrthonormal(hidden, hidden, draw);
  onProgress?.(drawn / 2);
  const right = await randomOrthonormal(hidden, hidden, draw);
  onProgress?.(drawn);
  const rows = [pickRows(matrices.embed, compared), pickRows(matrices.unembed, compared)];
  const [embed, unembed] = await Reference.all(rows, seed, (share) => onProgress?.(drawn + (1 - drawn) * share));
  if (!embed || !unembed) throw new RangeError('a reference for each matrix was asked for');
  return {
    positions,
    splits,
    compared,
    bases,
    seed,
    vocabulary: vocabularyOf(matrices.embed),
    embeddingSize: sizeOf(matrices.embed, positions.input),
    references: { embed, unembed },
    random: [left, right],
    subspaces: subspacesOf(bases.unembed, left),
  };
}

/** Root mean square of the rows that are named, each as often as it is. */
function sizeOf(matrix: Matrix<Float32Array>, rows: Int32Array): number {
  const squares = squaredLengths(matrix);
  return Math.sqrt(rows.reduce((sum, row) => sum + (squares[row] as number), 0) / (rows.length * matrix.cols));
}

/** The split that a label is trained on, and its true labels. */
export function splitFor(
  splits: readonly RowSplit[],
  label: Labelling['label'],
  split: RowSplit['split'],
): { rowSplit: RowSplit; labels: Int32Array } {
  for (const rowSplit of splits) {
    const found = rowSplit.labellings.find((one) => one.label === label && !one.shuffled);
    if (rowSplit.split === split && found) return { rowSplit, labels: found.labels };
  }
  throw new RangeError(`no rowSplit for the ${label} token by ${split}`);
}

function mostTrained({ rowSplit, labels }: ReturnType<typeof splitFor>): number[] {
  const training = rowsOfSubset(rowSplit.subsets, trainSubset).map((row) => labels[row] as number);
  const counts = countLabels(Int32Array.from(training));
  return byFrequency(counts).slice(0, mostCompared);
}
