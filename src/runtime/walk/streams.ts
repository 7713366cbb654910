// Residual streams: in memory up to a budget, beyond it in a file that has no name.
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders, removeAtExit } from '../../platform/atomic-files.ts';
import { cacheFolder } from '../../platform/cache.ts';
import { requireSpace } from '../../platform/disk-space.ts';
import { SurgeryError, systemMessage } from '../../platform/errors.ts';
import { temporaryName } from '../../platform/temp-files.ts';

/** One variant's residual stream at the point that the walk has reached, (rows, width). */
export interface Stream {
  /** Rows from `row` on. They are the caller's to read until the next call. */
  read(row: number, rows: number): Promise<Float32Array>;
  /** Overwrites whole rows from `row` on. */
  write(row: number, values: Float32Array): Promise<void>;
  /** At the end of a walk in int8: the coordinates of its model that the unembedding multiplies in float32. */
  outliers?: readonly number[];
}

const remedy = 'allow more --memory, score less with --documents or --max-tokens, or set SURGERY_CACHE to another disk';

/** Makes streams of one size. */
export class Streams {
  readonly #rows: number;
  readonly #width: number;
  readonly #released: Stream[] = [];
  #left: number;
  #file: { readonly path: string; readonly handle: FileHandle; bytes: number } | undefined;

  /** @param budget bytes of streams that may stay in memory */
  constructor(rows: number, width: number, budget: number) {
    this.#rows = rows;
    this.#width = width;
    this.#left = budget;
  }

  /** Bytes of one stream. */
  get bytes(): number {
    return 4 * this.#rows * this.#width;
  }

  /** @throws SurgeryError `output` where it has to go to a disk that has no room for it */
  async make(): Promise<Stream> {
    const again = this.#released.pop();
    if (again) return again;
    if (this.bytes > this.#left) return this.#onDisk();
    this.#left -= this.bytes;
    const values = new Float32Array(this.#rows * this.#width);
    const width = this.#width;
    return {
      read: async (row, rows) => values.subarray(row * width, (row + rows) * width),
      write: async (row, given) => values.set(given, row * width),
    };
  }

  /** Gives streams to those that are made next. */
  release(streams: Iterable<Stream>): void {
    for (const stream of streams) if (!this.#released.includes(stream)) this.#released.push(stream);
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #onDisk(): Promise<Stream> {
    this.#file ??= await unnamedFile();
    const file = this.#file;
    const { handle, path } = file;
    await requireSpace(path, this.bytes, 'the residual stream of a variant', remedy);
    const begin = file.bytes;
    file.bytes += this.bytes;
    const width = this.#width;
    let scratch = new Float32Array();
    return {
      read: async (row, rows) => {
        if (scratch.length < rows * width) scratch = new Float32Array(rows * width);
        const out = scratch.subarray(0, rows * width);
        const bytes = new Uint8Array(out.buffer, 0, out.byteLength);
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, done, bytes.length - done, begin + row * width * 4 + done);
          if (bytesRead === 0) throw new SurgeryError('output', `${path} ended while it was read`);
          done += bytesRead;
        }
        return out;
      },
      write: async (row, { buffer, byteOffset, byteLength }) => {
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        try {
          for (let done = 0; done < bytes.length; )
            done += (await handle.write(bytes, done, bytes.length - done, begin + row * width * 4 + done)).bytesWritten;
        } catch (cause) {
          throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}: ${remedy}`, cause);
        }
      },
    };
  }
}

/** A file that the system removes when it is closed, however the program ends. */
async function unnamedFile(): Promise<{ path: string; handle: FileHandle; bytes: number }> {
  const folder = cacheFolder('residuals');
  const path = temporaryName(join(folder, 'streams'));
  const forget = removeAtExit(path);
  try {
    makeFolders(folder);
    const handle = await open(path, 'wx+');
    await rm(path);
    return { path: folder, handle, bytes: 0 };
  } catch (cause) {
    throw new SurgeryError('output', `${folder} cannot be written: ${systemMessage(cause)}: ${remedy}`, cause);
  } finally {
    forget();
  }
}
