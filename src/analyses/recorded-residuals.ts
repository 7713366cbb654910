// The residual stream of a corpus, kept in a file while probes are fitted to it: the model runs once and memory holds a block.

import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders, removeAtExit } from '../platform/atomic-files.ts';
import { cacheFolder } from '../platform/cache.ts';
import { counted } from '../platform/counts.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Model } from '../scores/model.ts';
import type { Block, Source } from './probe/moments.ts';
import { normalised, normalisedRule } from './residual-rows.ts';
import { residuals } from './residual-stream.ts';

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

/** The residual stream at every tap of the runtime, of all positions of a corpus, each brought to one length. */
export class Activations {
  readonly rows: number;
  readonly points: number;
  readonly width: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, rows: number, points: number, width: number) {
    this.#file = file;
    this.rows = rows;
    this.points = points;
    this.width = width;
  }

  /**
   * Runs the model over documents and keeps what passes each tap, {@link normalised}: rows × points × hidden numbers of 4 bytes, in a
   * nameless file on the cache's disk that is gone when it is closed or the program ends.
   * @param documents as given to {@link positionsOf}
   * @throws SurgeryError `output` if the file cannot be written
   */
  static async record(
    documents: readonly (readonly number[])[],
    model: Model,
    bosId: number | undefined,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Activations> {
    const { taps, config } = model.runtime;
    const { hiddenSize: hidden, rmsNormEps: epsilon } = config;
    const firsts = documents.map((ids) => firstRow(ids, bosId));
    const rows = documents.reduce((sum, { length }, i) => sum + Math.max(length - itemAt(firsts, i), 0), 0);
    const activations = new Activations(await temporaryFile(), rows, taps.length, hidden);
    try {
      let at = 0;
      for await (const { document, start, ids, points } of residuals(documents, model, onProgress)) {
        const skipped = Math.min(Math.max(itemAt(firsts, document) - start, 0), ids.length);
        for (const [point, values] of points.entries())
          await activations.#write(point, at, normalised(values.subarray(skipped * hidden), hidden, epsilon));
        at += ids.length - skipped;
      }
      return activations;
    } catch (cause) {
      await activations.close();
      throw cause instanceof Error && 'syscall' in cause
        ? new SurgeryError('output', `the residual stream cannot be kept: ${systemMessage(cause)}`, cause)
        : cause;
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
