// The original's logits on disk, so that any number of variants can be compared with them without computing them again.
import { type FileHandle, open, rm } from 'node:fs/promises';
import { append } from '../platform/atomic-files.ts';
import { requireSpace } from '../platform/disk-space.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { type Chunk, describeRows, type Predictions, predictionsOf, scoredTokens } from './likelihood.ts';
import type { Described } from './logits.ts';
import type { Model } from './model.ts';

/** Some tokens of a document: where their logits lie, in numbers, and the statistics of each row. */
interface Place {
  readonly from: number;
  readonly length: number;
  readonly rows: readonly Described[];
}

/** Logits of every scored position of documents, float32, in a file that {@link close} removes. */
export class Recording implements Predictions {
  readonly vocab: number;
  readonly #path: string;
  readonly #handle: FileHandle;
  /** By document. */
  readonly #places: readonly (readonly Place[])[];

  private constructor(vocab: number, path: string, handle: FileHandle, places: readonly (readonly Place[])[]) {
    this.vocab = vocab;
    this.#path = path;
    this.#handle = handle;
    this.#places = places;
  }

  /**
   * Computes a model's logits on documents and keeps them in a new file.
   * @throws SurgeryError `output` naming the file if the system refuses, as where the disk is full, and beforehand where
   * they would not fit
   */
  static async make(
    path: string,
    documents: readonly (readonly number[])[],
    model: Model,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Recording> {
    const { vocab, chunks } = predictionsOf(model);
    const total = scoredTokens(documents);
    await requireSpace(path, 4 * total * vocab, "the file of the original's logits", remedy);
    const places: Place[][] = [];
    let at = 0;
    const handle = await refusing(path, () => open(path, 'wx+'));
    try {
      for (const [document, ids] of documents.entries()) {
        const own: Place[] = [];
        places.push(own);
        for await (const { logits: value } of chunks(document, ids.slice(0, -1))) {
          await refusing(path, () => append(handle, new Uint8Array(value.buffer, value.byteOffset, value.byteLength)));
          own.push({ from: at, length: value.length, rows: describeRows(value, vocab) });
          at += value.length;
          onProgress?.(at / vocab, total);
        }
      }
    } catch (error) {
      await handle.close();
      await rm(path, { force: true });
      throw error;
    }
    return new Recording(vocab, path, handle, places);
  }

  async *chunks(document: number): AsyncGenerator<Chunk> {
    for (const { from, length, rows } of this.#places[document] ?? []) {
      const logits = new Float32Array(length);
      const { bytesRead } = await this.#handle.read(new Uint8Array(logits.buffer), 0, logits.byteLength, from * 4);
      if (bytesRead !== logits.byteLength)
        throw new SurgeryError('output', `${this.#path} ended while it was read: did something change it?`);
      yield { logits, rows };
    }
  }

  /** Removes the file. */
  async close(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}

const remedy = 'name another place with --output, or score less with --documents or --max-tokens';

async function refusing<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}
