// The fits of a checkpoint's groups, each made once however many operations share it. Their directions, some half of the
// weights' size in all, stay in memory up to a budget and go to the disk beyond it.
import type { Matrix } from '../../linalg/products.ts';
import { getOrMake } from '../../platform/indexing.ts';
import { memory } from '../../platform/limits.ts';
import { Streams } from '../../runtime/walk/streams.ts';

/** A group's fit. Its directions may be on disk. */
export interface Fitted {
  /** Energy along each direction, largest first. */
  readonly eigenvalues: Float64Array;
  /**
   * For each member, the output energy that is lost when the first r directions are kept, r = 0, 1, …. Undefined if this
   * follows from `eigenvalues`, or if no text was read.
   */
  readonly lost: readonly Float64Array[] | undefined;
  /** (count, m), in float32. */
  directions(): Promise<Matrix<Float32Array>>;
}

/** Share of the free memory for directions of one shape, of which a model has some six. */
const shareOfMemory = 1 / 24;

class Fits {
  readonly #fits = new Map<string, Promise<Fitted>>();
  readonly #stores = new Map<string, Streams>();

  /** @param key names everything that the fit depends on. Undefined: the fit is not shared */
  fitted(key: string | undefined, make: () => Promise<Fitted>): Promise<Fitted> {
    return key === undefined ? make() : getOrMake(this.#fits, key, make);
  }

  /**
   * Stores directions.
   * @returns a function that reads them back
   * @throws SurgeryError `output` if the disk has no room for them
   */
  async put({ rows, cols, data }: Matrix): Promise<Fitted['directions']> {
    const store = getOrMake(
      this.#stores,
      `${rows} ${cols}`,
      () => new Streams(rows, cols, memory().free * shareOfMemory),
    );
    const stream = await store.make();
    await stream.write(0, new Float32Array(data));
    return async () => ({ rows, cols, data: (await stream.read(0, rows)).slice() });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
  }
}

export const fitsOf = () => new Fits();
