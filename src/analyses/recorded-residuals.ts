// The residual stream of a corpus, kept in a file while probes are fitted to it: the model runs once and memory holds a block.

import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { pointsOf } from '../graph/taps.ts';
import { makeFolders, removeAtExit } from '../platform/atomic-files.ts';
import { cacheFolder } from '../platform/cache.ts';
import { counted } from '../platform/counts.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { entryOf, itemAt } from '../platform/indexing.ts';
import type { Piece } from '../runtime/walk/batches.ts';
import { Walk } from '../runtime/walk/walk.ts';
import type { Block, Source } from './probe/moments.ts';
import { normalised, normalisedRule } from './residual-rows.ts';
import type { VariantName } from './shapes.ts';
import { type VariantOptions, variantNames, walkVariants } from './variants.ts';

/** The positions of a corpus that probes look at, one a row, in order. */
export interface Positions {
  readonly rows: number;
  /** Number of the document that each row is from. */
  readonly document: Int32Array;
  /** Token id at the position, and at the one before. */
  readonly input: Int32Array;
  readonly previous: Int32Array;
}

/** The rule in words, printed with the results. */
export function positionRule(hasBos: boolean): string {
  const bos = hasBos ? 'BOS left out' : "no BOS, as the model's tokenizer adds none";
  return `every position of a document from its second token of text on, ${bos}; ${normalisedRule}`;
}

/**
 * Positions whose token and the one before are both text.
 * @param documents token ids
 * @param bosId what documents may begin with, which stands for no text and is the same everywhere
 */
export function positionsOf(documents: readonly (readonly number[])[], bosId: number | undefined): Positions {
  const found = documents.flatMap((ids, document) => {
    const first = firstRow(ids, bosId);
    return ids.slice(first).map((input, i) => ({ document, input, previous: itemAt(ids, first + i - 1) }));
  });
  return {
    rows: found.length,
    document: Int32Array.from(found, (row) => row.document),
    input: Int32Array.from(found, (row) => row.input),
    previous: Int32Array.from(found, (row) => row.previous),
  };
}

/** The fewest positions to fit a probe to; a tenth of them selects its penalty. */
const leastPositions = 100;

/** @throws SurgeryError `text` for a text too short to fit a probe to */
export function probedPositions(
  documents: readonly (readonly number[])[],
  text: string,
  bosId: number | undefined,
): Positions {
  const positions = positionsOf(documents, bosId);
  if (positions.rows >= leastPositions) return positions;
  throw new SurgeryError(
    'text',
    `${text}: ${counted(positions.rows, 'position')} to probe, ${leastPositions} are the least: give a longer text, or more of it (--max-tokens, --documents, --chunk stream)`,
  );
}

const firstRow = (ids: readonly number[], bosId: number | undefined) => (ids[0] === bosId ? 2 : 1);

/** Rows that are read at once. */
const blockRows = 1024;

/** Documents, and the points of a model's residual stream. */
export interface Corpus {
  /** Token ids, as given to {@link positionsOf}. */
  readonly documents: readonly (readonly number[])[];
  readonly bosId: number | undefined;
  readonly points: number;
  readonly config: Pick<LlamaConfig, 'hiddenSize' | 'rmsNormEps'>;
}

/** The residual stream of one model at every point, of all positions of a corpus, each brought to one length. */
export class Activations {
  readonly rows: number;
  readonly points: number;
  readonly width: number;
  readonly #file: FileHandle;
  readonly #epsilon: number;
  /** By document: the first position that counts, and its row. */
  readonly #begins: readonly { readonly first: number; readonly row: number }[];

  private constructor(file: FileHandle, { documents, bosId, points, config }: Corpus) {
    this.#file = file;
    this.points = points;
    this.width = config.hiddenSize;
    this.#epsilon = config.rmsNormEps;
    let row = 0;
    this.#begins = documents.map((ids) => {
      const first = firstRow(ids, bosId);
      const begin = { first, row };
      row += Math.max(ids.length - first, 0);
      return begin;
    });
    this.rows = row;
  }

  /**
   * Rows × points × hidden numbers of 4 bytes, to be {@link put}, in a nameless file on the cache's disk that is gone when it
   * is closed or the program ends.
   * @throws SurgeryError `output` if the file cannot be made
   */
  static async create(corpus: Corpus): Promise<Activations> {
    return new Activations(await temporaryFile(), corpus);
  }

  /**
   * Keeps what passes a point, {@link normalised}.
   * @param piece whose positions the rows of the residual stream are, (rows, hidden)
   * @throws SurgeryError `output` if the file cannot be written
   */
  async put(point: number, { document, from, to }: Piece, residual: Float32Array): Promise<void> {
    const { first, row } = itemAt(this.#begins, document);
    if (to <= first) return;
    const skipped = Math.max(first - from, 0);
    const values = normalised(residual.subarray(skipped * this.width), this.width, this.#epsilon);
    try {
      await this.#write(point, row + from + skipped - first, values);
    } catch (cause) {
      throw new SurgeryError('output', `the residual stream cannot be kept: ${systemMessage(cause)}`, cause);
    }
  }

  /** The rows at one point, 0 the embedding. */
  at(point: number): Source {
    return { width: this.width, blocks: () => this.#blocks(point) };
  }

  /** Each row at the point that is named for it, (rows). */
  atEach(points: Uint8Array): Source {
    return { width: this.width, blocks: () => this.#mixed(points) };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async *#blocks(point: number): AsyncGenerator<Block> {
    for (let from = 0; from < this.rows; from += blockRows)
      yield { from, x: await this.#read(point, from, Math.min(blockRows, this.rows - from)) };
  }

  async *#mixed(points: Uint8Array): AsyncGenerator<Block> {
    for (let from = 0; from < this.rows; from += blockRows) {
      const rows = Math.min(blockRows, this.rows - from);
      const data = new Float32Array(rows * this.width);
      for (let point = 0; point < this.points; point++) {
        const block = await this.#read(point, from, rows);
        for (let i = 0; i < rows; i++) {
          if (points[from + i] !== point) continue;
          data.set(block.data.subarray(i * this.width, (i + 1) * this.width), i * this.width);
        }
      }
      yield { from, x: { rows, cols: this.width, data } };
    }
  }

  /** Where a row of a point begins, in bytes. */
  #place(point: number, row: number): number {
    return (point * this.rows + row) * this.width * 4;
  }

  async #write(point: number, row: number, values: Float32Array): Promise<void> {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#place(point, row) + done);
      done += bytesWritten;
    }
  }

  async #read(point: number, row: number, rows: number): Promise<Block['x']> {
    const data = new Float32Array(rows * this.width);
    const bytes = new Uint8Array(data.buffer);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, this.#place(point, row) + done);
      if (bytesRead === 0) throw new RangeError(`row ${row} of point ${point} was never written`);
      done += bytesRead;
    }
    return { rows, cols: this.width, data };
  }
}

export interface Recorded {
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  /** The original's first. */
  readonly variants: readonly { readonly name: VariantName; readonly activations: Activations }[];
  close(): Promise<void>;
}

/**
 * Takes documents through the original and the variant of a recipe, and keeps what passes each point, for probes to be
 * fitted to. Nothing else of the models stays in memory.
 * @param onBlock called with the blocks done and in all
 * @throws SurgeryError as `Walk` and the recipe's operations do, `output` if the residual stream cannot be kept
 */
export async function record(
  checkpoint: Checkpoint,
  { documents, bosId }: Pick<Corpus, 'documents' | 'bosId'>,
  options: VariantOptions = {},
  onBlock?: (done: number, total: number) => void,
): Promise<Recorded> {
  const { config } = checkpoint;
  const points = pointsOf(config.layers, options.sublayers);
  const variants: { readonly name: VariantName; readonly activations: Activations }[] = [];
  const close = async () => {
    for (const { activations } of variants) await activations.close();
  };
  try {
    for (const name of variantNames(options.recipe))
      variants.push({
        name,
        activations: await Activations.create({ documents, bosId, points: points.length, config }),
      });
    const put: Put = (model, point, piece, residual) => itemAt(variants, model).activations.put(point, piece, residual);
    await walkInto(put, checkpoint, documents, options, onBlock);
    return { points, variants, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

type Put = (model: number, point: number, piece: Piece, residual: Float32Array) => Promise<void>;

async function walkInto(
  put: Put,
  checkpoint: Checkpoint,
  documents: readonly (readonly number[])[],
  options: VariantOptions,
  onBlock?: (done: number, total: number) => void,
): Promise<void> {
  const { layers, hiddenSize } = checkpoint.config;
  const places = new Map(pointsOf(layers, options.sublayers).map((name, i) => [name, i]));
  const { precision, threads, memory } = options;
  const walk = new Walk(checkpoint, documents, { precision, threads, memory });
  try {
    await walkVariants(
      walk,
      options,
      async ({ point, model, batch, residual }) => {
        let row = 0;
        for (const piece of batch.pieces) {
          const end = row + piece.to - piece.from;
          const rows = residual.subarray(row * hiddenSize, end * hiddenSize);
          await put(model, entryOf(places, point), piece, rows);
          row = end;
        }
      },
      onBlock,
    );
  } finally {
    await walk.close();
  }
}

/** An open file that has no name any more, so that nothing can leave it behind. */
async function temporaryFile(): Promise<FileHandle> {
  const folder = cacheFolder('residuals');
  const path = join(folder, randomUUID());
  const keep = removeAtExit(path);
  try {
    makeFolders(folder);
    const file = await open(path, 'wx+');
    await rm(path);
    return file;
  } catch (cause) {
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  } finally {
    keep();
  }
}
