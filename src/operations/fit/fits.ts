// The fits of a checkpoint's groups, each made once however many operations share it. Their directions, some half of the
// weights' size in all, stay in memory up to a budget and go to the disk beyond it.
import type { Matrix } from '../../linalg/products.ts';
import { getOrMake } from '../../platform/indexing.ts';
import { memory } from '../../platform/limits.ts';
import { Streams } from '../../runtime/walk/streams.ts';

/** A group's fit, its directions put away. */
export interface Fitted {
  /** Energy along each direction, largest first. */
  readonly eigenvalues: Float64Array;
  /**
   * Of each member, the energy of its outputs that is lost when only the first directions are kept, at each number of them
   * from 0 on, where `eigenvalues` are of something else. Undefined where they are of the outputs, or no text was read.
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

  /** @param key what the fit is made of. Undefined: nothing else shares it */
  fitted(key: string | undefined, make: () => Promise<Fitted>): Promise<Fitted> {
    return key === undefined ? make() : getOrMake(this.#fits, key, make);
  }

  /** @returns what reads them again @throws SurgeryError `output` where they have to go to a disk that has no room */
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
