// The blocks of a walk in the order in which they are computed: of each layer those of the variants, then the original's.
import { itemAt } from '../../platform/indexing.ts';
import { ahead } from '../../platform/threads/ahead.ts';

/** A variant, layer by layer. */
export interface WalkVariant {
  /** The first layer that it changes. Up to there its residual stream is the original's. */
  readonly from: number;
  /** New values of some of a layer's tensors, by name. */
  edit(layer: number): Promise<ReadonlyMap<string, Float32Array>>;
}

/** Float32 values of a block's tensors, by name. */
export type BlockValues = Map<string, Float32Array>;

/** A block of a model. */
export interface Step {
  readonly layer: number;
  /** 0 for the original, then the variants in order. */
  readonly model: number;
  /** Of the original. */
  readonly original: BlockValues;
  /** Tensors that the model has instead. */
  readonly edits: ReadonlyMap<string, Float32Array>;
  /** Seconds in which its edits were waited for. */
  readonly waited: number;
}

/**
 * Each block of each model that differs from the original there, and of the original. A block's values may be overwritten when
 * the next layer's first is asked for.
 * @param isAhead whether the next block is read while one is in use
 * @param read gives the values of a layer's tensors
 * @param give takes values that are needed no more
 */
export async function* stepsOf(
  layers: readonly number[],
  variants: readonly WalkVariant[],
  isAhead: boolean,
  read: (layer: number) => Promise<BlockValues>,
  give: (values: readonly Float32Array[]) => void,
): AsyncGenerator<Step, undefined> {
  const touching = (layer: number) => [...variants.keys()].filter((i) => itemAt(variants, i).from <= layer);
  const pairs = layers.flatMap((layer) => touching(layer).map((variant) => ({ layer, variant })));
  const edits = ahead(pairs, ({ layer, variant }) => itemAt(variants, variant).edit(layer));
  for await (const [layer, original] of isAhead ? ahead(layers, read) : inTurn(layers, read)) {
    for (const variant of touching(layer)) {
      const start = performance.now();
      const { value } = await edits.next();
      if (!value) throw new RangeError('an edit is missing');
      const waited = (performance.now() - start) / 1000;
      yield { layer, model: variant + 1, original, edits: value[1], waited };
    }
    yield { layer, model: 0, original, edits: new Map(), waited: 0 };
    give([...original.values()]);
  }
}

/** As {@link ahead}, when each is asked for. */
async function* inTurn<A, B>(items: readonly A[], make: (item: A) => Promise<B>): AsyncGenerator<[A, B], undefined> {
  for (const item of items) yield [item, await make(item)];
}
