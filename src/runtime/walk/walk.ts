// The walk: all documents of all variants go through a block before the next one is read. It needs the weights of two
// blocks and the residual streams, whatever the model's size, and loads nothing beforehand.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { blockTensors, embedName, finalNormName, layerPrefix, unembedName } from '../../checkpoint/names.ts';
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { cacheHeadDim, cacheName, windowOf } from '../../graph/block.ts';
import { rotaryTables } from '../../graph/rope.ts';
import { blockTap, embeddingTap } from '../../graph/taps.ts';
import { blockGraph, blockShape, type InnerPoint, innerWidth, unembedGraph } from '../../graph/walk.ts';
import {
  type Allowed,
  type AllowedOptions,
  aCount,
  aFunction,
  aList,
  isPlainObject,
  requireArgument,
  requireOptions,
} from '../../platform/arguments.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { getOrMake, itemAt } from '../../platform/indexing.ts';
import { memory } from '../../platform/limits.ts';
import { openSession, type Session, Tensor } from '../../platform/onnxruntime.ts';
import { ahead } from '../../platform/threads/ahead.ts';
import { WorkerPool } from '../../platform/threads/pool.ts';
import { requireDocumentIds } from '../../text/token-ids.ts';
import { batchRows, type Places, placesOf, type RowBatch, rowBatches } from './batches.ts';
import type { TensorRange } from './read.ts';
import { type Stream, Streams } from './streams.ts';
import { attentionBias, type LaidTree, layOut, longestOf, positionIn, requireTrees, type TokenTree } from './trees.ts';
import { type Look, lookInto, visitorOptions, type WalkVisitor } from './visitor.ts';

const task = new URL('./read.ts', import.meta.url);

/** A variant, layer by layer. */
export interface WalkVariant {
  /** The first layer that it changes. Up to there its residual stream is the original's. */
  readonly from: number;
  /** New values of some of a layer's tensors, by name. */
  edit(layer: number): Promise<ReadonlyMap<string, Float32Array>>;
}

export interface WalkOptions {
  /** Threads inside a matrix product. Default: one a core. */
  readonly threads?: number | undefined;
  /** Bytes of memory that the walk may use. Default: half of what is free. */
  readonly memory?: number | undefined;
  /** Bytes of it that the caller takes for logits and copies of its own. Default: 0. */
  readonly reserved?: number;
  /** Rows that go through a block together. Default: 1,024. */
  readonly batchRows?: number;
  /** Token trees that go through with the documents. Their rows follow those of the documents. */
  readonly trees?: readonly TokenTree[];
}

export interface WalkRun extends WalkVisitor {
  /** Called with the blocks done, those of all models, and in all. */
  readonly onBlock?: (done: number, total: number) => void;
  /** Layers before which the original's stream is copied, for later runs to begin there. */
  readonly keep?: readonly number[];
  /** An earlier run of the original, which is then computed no further than variants need it. */
  readonly earlier?: EarlierRun;
}

export interface EarlierRun {
  /** The original's stream after the last block. */
  readonly original: Stream;
  /** Where to begin: a layer, and the original's stream before it. Default: at the embedding. */
  readonly since?: { readonly layer: number; readonly stream: Stream } | undefined;
}

/** Where a walk has come to. */
export interface WalkEnd {
  /** Streams after the last block. */
  readonly original: Stream;
  readonly variants: readonly Stream[];
  /** The original's stream before each layer that was to be kept. */
  readonly kept: ReadonlyMap<number, Stream>;
  /** Seconds in which the blocks waited for edits. */
  readonly waited: number;
}

const walkOptions: AllowedOptions<WalkOptions> = {
  threads: aCount(1, 256),
  memory: aCount(1),
  reserved: aCount(0),
  batchRows: aCount(1),
  trees: { words: 'a list of token trees', test: Array.isArray },
};
const runOptions: AllowedOptions<WalkRun> = {
  ...visitorOptions,
  onBlock: aFunction,
  keep: aList(aCount(0), 'a list of layers'),
  earlier: { words: 'what an earlier run gave', test: isPlainObject },
};
const aVariant: Allowed = {
  words: 'a variant',
  test: (value) => typeof value === 'object' && value !== null && 'from' in value && 'edit' in value,
};

type Weights = ReadonlyMap<string, Float32Array>;

/** Logits of rows `row` to `row + rows` of a stream, (rows, vocab), written into a buffer that has room for them. */
export type Unembedding = (
  stream: Pick<Stream, 'read'>,
  row: number,
  rows: number,
  into?: Float32Array,
) => Promise<Float32Array>;

/** What goes through a block together, and where its rows lie. */
interface Lot {
  readonly batch: RowBatch;
  readonly places: Places;
  /** The token ids that the batch's pieces are pieces of. */
  readonly sequences: readonly (readonly number[])[];
  /** The same, where they are trees. */
  readonly trees?: readonly LaidTree[];
}

/** A checkpoint and documents, ready to be walked through. */
export class Walk {
  readonly checkpoint: Checkpoint;
  /** Of the documents. */
  readonly batches: readonly RowBatch[];
  /** Rows of the documents: their tokens. */
  readonly rows: number;
  readonly documents: readonly (readonly number[])[];
  readonly trees: readonly TokenTree[];
  readonly #streams: Streams;
  readonly #lots: readonly Lot[];
  readonly #caches: readonly [key: Float32Array, value: Float32Array];
  readonly #outputs = new Map<string, Float32Array>();
  readonly #rotary: Readonly<Record<string, Tensor>>;
  readonly #threads: number | undefined;
  readonly #reader = new WorkerPool(1);
  /** Memory of blocks that are done, for those to come. */
  #spare: Float32Array[] = [];
  readonly #sessions = new Map<string, Promise<Session>>();

  /**
   * @param documents token ids, none longer than the context; none at all only where there are trees
   * @throws SurgeryError `text` for a longer one, `usage` for another argument that is not allowed, such as less memory than
   * the model's blocks take
   */
  constructor(checkpoint: Checkpoint, documents: readonly (readonly number[])[], options: WalkOptions = {}) {
    requireCheckpoint(checkpoint);
    requireOptions('Walk', options, walkOptions);
    const { config } = checkpoint;
    const { batchRows: most = batchRows, trees = [], reserved = 0 } = options;
    if (documents.length > 0 || trees.length === 0) requireDocumentIds(documents, config);
    requireTrees(trees, config);
    this.checkpoint = checkpoint;
    this.documents = documents;
    this.trees = trees;
    this.batches = rowBatches(lengthsOf(documents), most);
    this.rows = rowsIn(this.batches);
    this.#lots = [
      ...this.batches.map((batch) => ({ batch, places: placesOf(batch), sequences: documents })),
      ...treeLots(trees, most, this.rows),
    ];
    const batches = this.#lots.map(({ batch }) => batch);
    const least = leastMemory(checkpoint, most, trees.length > 0) + reserved;
    const budget = requireMemory(checkpoint, options.memory, least);
    this.#streams = new Streams(rowsIn(batches), config.hiddenSize, budget - least);
    const capacity = Math.max(...this.#lots.map((lot) => lot.batch.pieces.length * capacityOf(lot)));
    const numbers = capacity * config.kvHeads * cacheHeadDim(config);
    this.#caches = [new Float32Array(numbers), new Float32Array(numbers)];
    // The rotation wants tables of no fewer rows than tokens, though a tree's positions end before.
    const tokens = this.#lots.map(({ places }) => places.tokens);
    const positions = Math.max(...lengthsOf(documents), ...trees.map(longestOf), ...tokens);
    const { cos, sin } = rotaryTables(config, positions);
    const dims = [positions, config.headDim / 2];
    this.#rotary = { cos: new Tensor('float32', cos, dims), sin: new Tensor('float32', sin, dims) };
    this.#threads = options.threads;
  }

  /**
   * Walks through the blocks. Streams that are needed no more can be given to {@link release}.
   * @throws SurgeryError `usage` for an argument that is not allowed, `checkpoint` for weights that cannot be read, `output` where
   * streams do not fit the disk, and as the variants' edits do
   */
  async run(variants: readonly WalkVariant[], options: WalkRun = {}): Promise<WalkEnd> {
    requireArgument('variants', variants, aList(aVariant, 'a list of variants, from Operator.layered'));
    requireOptions('run', options, runOptions);
    const { onBlock, visit, keep = [], earlier } = options;
    const { layers } = this.#config;
    const since = earlier?.since;
    const first = since?.layer ?? 0;
    const touching = (layer: number) => [...variants.keys()].filter((i) => itemAt(variants, i).from <= layer);
    const begins = variants.map(({ from }) => from).filter((from) => from < layers);
    if (begins.some((from) => from < first)) throw new RangeError('a variant begins before the walk does');
    const last = earlier ? Math.max(first, ...begins) : layers;
    const original = since ? await this.#copy(since.stream) : await this.#embedded();
    const streams: (Stream | undefined)[] = variants.map(() => undefined);
    const kept = new Map<number, Stream>();
    /** @param current the original's stream, unless it is computed no further */
    const show = async (point: string, current: Stream | undefined) => {
      if (!visit) return;
      for (const batch of this.batches) {
        for (const [model, own] of [current, ...streams].entries()) {
          const residual = await (own ?? current)?.read(batch.start, batch.rows);
          if (residual) await visit({ point, model, source: own ? model : 0, batch, residual });
        }
      }
    };
    if (first === 0) await show(embeddingTap.name, original);
    const isNeeded = !earlier || begins.length > 0;
    const blocks = isNeeded ? Array.from({ length: layers - first }, (_, i) => first + i) : [];
    const total = blocksToRun(layers, variants, earlier && first);
    let done = 0;
    const pairs = blocks.flatMap((layer) => touching(layer).map((variant) => ({ layer, variant })));
    const edits = ahead(pairs, ({ layer, variant }) => itemAt(variants, variant).edit(layer));
    // One graph gives whatever is asked for in any layer: each further session would hold memory of its own.
    const inner = new Set(blocks.flatMap((layer) => lookInto(options, layer, [0]).inner));
    let waited = 0;
    for await (const [layer, weights] of ahead(blocks, (one) => this.#readBlock(one))) {
      if (keep.includes(layer)) kept.set(layer, await this.#copy(original));
      for (const i of touching(layer)) {
        const start = performance.now();
        const { value } = await edits.next();
        waited += (performance.now() - start) / 1000;
        if (!value) throw new RangeError('an edit is missing');
        const own = streams[i];
        const to = own ?? (await this.#streams.make());
        await this.#block(
          layer,
          new Map([...weights, ...value[1]]),
          own ?? original,
          to,
          lookInto(options, layer, [i + 1]),
          inner,
        );
        streams[i] = to;
        onBlock?.(++done, total);
      }
      const same = [...streams.keys()].filter((i) => !streams[i]).map((i) => i + 1);
      if (layer < last) {
        await this.#block(layer, weights, original, original, lookInto(options, layer, [0, ...same]), inner);
        onBlock?.(++done, total);
      }
      await show(blockTap(layer).name, layer < last ? original : undefined);
      this.#spare = [...weights.values()];
    }
    this.#spare = [];
    if (earlier) this.release([original]);
    const end = earlier?.original ?? original;
    return { original: end, variants: streams.map((stream) => stream ?? end), kept, waited };
  }

  /**
   * Takes the documents through a model that is operated on as they go: each block first runs as it was found and is
   * looked into, then runs on the same stream with the weights that `edit` makes of what was seen.
   * @param last layer to go to
   * @param visitor sees each block as it was found, as a block of the original
   * @param found weights of a layer that are not the checkpoint's
   * @param onBlock called with the blocks done and in all
   * @throws SurgeryError as {@link run} does
   */
  async operating(
    last: number,
    visitor: Required<Pick<WalkVisitor, 'activations' | 'visitBlock'>>,
    found: WalkVariant['edit'],
    edit: WalkVariant['edit'],
    onBlock?: (done: number, total: number) => void,
  ): Promise<void> {
    let stream = await this.#embedded();
    let other = await this.#streams.make();
    const blocks = Array.from({ length: last + 1 }, (_, layer) => layer);
    const inner = new Set(blocks.flatMap((layer) => lookInto(visitor, layer, [0]).inner));
    for await (const [layer, read] of ahead(blocks, (one) => this.#readBlock(one))) {
      const weights = new Map([...read, ...(await found(layer))]);
      await this.#block(layer, weights, stream, other, lookInto(visitor, layer, [0]), inner);
      const edits = await edit(layer);
      if (edits.size === 0) [stream, other] = [other, stream];
      else if (layer < last)
        await this.#block(layer, new Map([...weights, ...edits]), stream, stream, lookInto({}, layer, [0]), inner);
      onBlock?.(layer + 1, last + 1);
      this.#spare = [...read.values()];
    }
    this.#spare = [];
    this.release([stream, other]);
  }

  /** Lets later runs overwrite streams that are needed no more. */
  release(streams: Iterable<Stream>): void {
    this.#streams.release(streams);
  }

  /** The final norm and the unembedding of all words, read once, for rows of a stream. */
  async unembedding(): Promise<Unembedding> {
    const unembed = await this.unembedder();
    return async (stream, row, rows, into) => unembed(await stream.read(row, rows), into);
  }

  /** The same for any residuals: (rows, hidden) → logits, (rows, vocab). */
  async unembedder(): Promise<(residuals: Float32Array, into?: Float32Array) => Promise<Float32Array>> {
    const { hiddenSize, vocabSize, tiedEmbeddings } = this.#config;
    const session = await this.#session('unembed', () => unembedGraph(this.#config));
    const names = [finalNormName, tiedEmbeddings ? embedName : unembedName];
    const [norm, words] = await this.#read(names.map((name) => this.#range(name)));
    if (!norm || !words) throw new RangeError('the unembedding was not read');
    const feeds = {
      [finalNormName]: new Tensor('float32', norm, [hiddenSize]),
      words: new Tensor('float32', words, [vocabSize, hiddenSize]),
    };
    return async (residuals, into) => {
      const rows = residuals.length / hiddenSize;
      const x = new Tensor('float32', residuals, [rows, hiddenSize]);
      const size = rows * vocabSize;
      const logits = into?.subarray(0, size) ?? new Float32Array(size);
      await session.run({ ...feeds, x }, { logits: new Tensor('float32', logits, [rows, vocabSize]) });
      return logits;
    };
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release();
    await this.#reader.close();
    await this.#streams.close();
  }

  get #config(): LlamaConfig {
    return this.checkpoint.config;
  }

  /**
   * All rows of a stream through a block.
   * @param inner what a graph gives that is looked into
   */
  async #block(
    layer: number,
    weights: Weights,
    from: Stream,
    to: Stream,
    look: Look,
    inner: ReadonlySet<InnerPoint>,
  ): Promise<void> {
    const shape = blockShape(this.#config, layer);
    const named = (name: string) => name.replace(layerPrefix, `model.layers.${shape}.`);
    const dims = (name: string) => [...this.checkpoint.tensor(name).shape];
    const shapes = new Map([...weights.keys()].map((name) => [named(name), dims(name)]));
    const sessionFor = (masked: boolean, given: readonly InnerPoint[]) =>
      this.#session(['block', shape, ...(masked ? ['masked'] : []), ...given].join(' '), () =>
        blockGraph(this.#config, shape, shapes, { masked, inner: given }),
      );
    const feeds: Record<string, Tensor> = { ...this.#rotary };
    for (const [name, values] of weights) feeds[named(name)] = new Tensor('float32', values, dims(name));
    const { hiddenSize } = this.#config;
    for (const lot of this.#lots) {
      const { batch, places, trees } = lot;
      const { start, rows, pieces } = batch;
      const grid = [pieces.length, places.tokens];
      const caches = this.#cacheFeeds(shape, lot);
      const asked = trees ? [] : look.inner; // what is seen is of documents
      const session = await sessionFor(trees !== undefined, asked.length > 0 ? [...inner] : []);
      const x = await from.read(start, rows);
      const out = this.#output('out', rows, hiddenSize);
      const seen = new Map(asked.map((point) => [point, this.#output(point, rows, innerWidth(this.#config, point))]));
      await session.run(
        {
          ...feeds,
          ...caches.past,
          ...(trees ? { attention_bias: biasTensor(batch, places, trees, windowOf(this.#config, layer)) } : {}),
          x: new Tensor('float32', x, [rows, hiddenSize]),
          row_of: new Tensor('int64', places.rowOf, grid),
          place_of: new Tensor('int64', places.placeOf, [rows]),
          position_ids: new Tensor('int64', places.positions, grid),
          past_lengths: new Tensor('int32', places.pastLengths, [pieces.length]),
          total_length: new Tensor('int32', Int32Array.of(places.total), [1]),
        },
        {
          out: new Tensor('float32', out, [rows, hiddenSize]),
          ...caches.present,
          ...Object.fromEntries(
            [...seen].map(([point, values]) => [point, new Tensor('float32', values, [rows, values.length / rows])]),
          ),
        },
      );
      if (!trees) await look.see(batch, x, out, seen);
      await to.write(start, out);
    }
  }

  /** A buffer for the rows of a batch; each output has its own. */
  #output(name: string, rows: number, width: number): Float32Array {
    const most = Math.max(...this.#lots.map(({ batch }) => batch.rows));
    return getOrMake(this.#outputs, name, () => new Float32Array(most * width)).subarray(0, rows * width);
  }

  #cacheFeeds(shape: number, lot: Lot) {
    const { kvHeads } = this.#config;
    const dims = [lot.batch.pieces.length, kvHeads, capacityOf(lot), cacheHeadDim(this.#config)];
    const size = dims.reduce((a, b) => a * b, 1);
    const [key, value] = this.#caches.map((buffer) => new Tensor('float32', buffer.subarray(0, size), dims));
    const named = (when: 'past' | 'present') => ({
      [cacheName(when, shape, 'key')]: key as Tensor,
      [cacheName(when, shape, 'value')]: value as Tensor,
    });
    return { past: named('past'), present: named('present') };
  }

  async #copy(stream: Stream): Promise<Stream> {
    const copy = await this.#streams.make();
    for (const { batch } of this.#lots) await copy.write(batch.start, await stream.read(batch.start, batch.rows));
    return copy;
  }

  /** The original's stream before the first block. */
  async #embedded(): Promise<Stream> {
    const { hiddenSize, vocabSize } = this.#config;
    const range = this.#range(embedName);
    const idsOf = ({ batch, sequences }: Lot) =>
      batch.pieces.flatMap(({ document, from, to }) => itemAt(sequences, document).slice(from, to));
    const stream = await this.#streams.make();
    for (const lot of this.#lots) {
      const ids = idsOf(lot);
      const distinct = [...new Set(ids)].sort((a, b) => a - b);
      const rowBytes = (range.end - range.begin) / vocabSize;
      const rows = await this.#reader.run<Float32Array>(task, 'readRows', () => [range, rowBytes, distinct]);
      const at = new Map(distinct.map((id, i) => [id, i * hiddenSize]));
      const values = new Float32Array(ids.length * hiddenSize);
      for (const [row, id] of ids.entries()) {
        const begin = at.get(id) as number;
        values.set(rows.subarray(begin, begin + hiddenSize), row * hiddenSize);
      }
      await stream.write(lot.batch.start, values);
    }
    return stream;
  }

  #session(key: string, graph: () => Uint8Array): Promise<Session> {
    return getOrMake(this.#sessions, key, () =>
      openSession(graph(), {
        executionProviders: ['cpu'],
        ...(this.#threads ? { intraOpNumThreads: this.#threads } : {}),
        logSeverityLevel: 4,
      }),
    );
  }

  async #readBlock(layer: number): Promise<Weights> {
    const names = Array.from(blockTensors(this.#config, layer), ({ name }) => name);
    const values = await this.#read(names.map((name) => this.#range(name)));
    return new Map(names.map((name, i) => [name, itemAt(values, i)]));
  }

  #read(ranges: readonly TensorRange[]): Promise<Float32Array[]> {
    return this.#reader.run<Float32Array[]>(task, 'readTensors', () => [ranges, this.#spare.splice(0)]);
  }

  #range(name: string, rows?: readonly [from: number, to: number]): TensorRange {
    return { name, ...this.checkpoint.byteRange(name, rows), dtype: this.checkpoint.weightDtype(name) };
  }
}

const lengthsOf = (documents: readonly (readonly number[])[]) => documents.map(({ length }) => length);
const rowsIn = (batches: readonly RowBatch[]) => batches.reduce((sum, { rows }) => sum + rows, 0);

/** Trees in batches, whose mask has no more than twice the rows: it takes the square of the longest tree. */
function treeLots(given: readonly TokenTree[], most: number, firstRow: number): Lot[] {
  const trees = given.map(layOut);
  const sequences = trees.map(({ ids }) => ids);
  const batches = rowBatches(lengthsOf(sequences), most, firstRow);
  const positionOf = (tree: number, token: number) => positionIn(itemAt(trees, tree), token);
  return batches.map((batch) => ({ batch, places: placesOf(batch, positionOf), sequences, trees }));
}

/** Positions that the cache holds for each piece: of a long document all, so that later pieces find the earlier ones. */
function capacityOf({ batch, places, sequences }: Lot): number {
  const [first, second] = batch.pieces;
  return first && !second ? itemAt(sequences, first.document).length : places.total;
}

function biasTensor(batch: RowBatch, places: Places, trees: readonly LaidTree[], window: number | undefined): Tensor {
  const dims = [batch.pieces.length, 1, places.tokens, places.total];
  return new Tensor('float32', attentionBias(batch, places, trees, window), dims);
}

/**
 * Blocks that a walk runs.
 * @param variants of which each is the original up to `from`
 * @param since the layer that a later run begins at, which computes the original no further than variants need it
 */
export function blocksToRun(layers: number, variants: readonly Pick<WalkVariant, 'from'>[], since?: number): number {
  const begins = variants.map(({ from }) => Math.min(from, layers));
  const own = begins.reduce((sum, from) => sum + layers - from, 0);
  const last = Math.max(...begins.filter((from) => from < layers), since ?? 0);
  return own + (since === undefined ? layers : last - since);
}

/**
 * Bytes that a walk needs without any stream: three blocks (one computed with, one read, one edited) or, after them, the
 * unembedding; a batch's activations, with trees one of them too; and logits.
 */
export function leastMemory(checkpoint: Checkpoint, rows = batchRows, withTrees = false): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = checkpoint.config;
  const activations = rows * (6 * hiddenSize + 4 * intermediateSize + 4 * (heads + 2 * kvHeads) * headDim);
  return 4 * (largestWeights(checkpoint).numbers + (withTrees ? 2 : 1) * activations + logitNumbers);
}

/**
 * The bytes that a walk may use.
 * @param given default: half of what is free
 * @throws SurgeryError `usage` for fewer than it needs
 */
export function requireMemory(
  checkpoint: Checkpoint,
  given = memory().free / 2,
  least = leastMemory(checkpoint),
): number {
  if (given >= least) return given;
  throw new SurgeryError(
    'usage',
    `${sizeOf(given, Math.floor)} of memory are too few: ${largestWeights(checkpoint).words}, a batch's activations and ` +
      `logits take ${sizeOf(least, Math.ceil)}`,
  );
}

function largestWeights(checkpoint: Checkpoint) {
  const { config } = checkpoint;
  const shapes = Array.from(blockTensors(config, 0), ({ shape }) => shape);
  const block = shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const unembedding = 1.5 * config.vocabSize * config.hiddenSize;
  return 3 * block > unembedding
    ? { numbers: 3 * block, words: 'three blocks of this model' }
    : { numbers: unembedding, words: "this model's unembedding" };
}

/** Logits that are in memory at once, of all models. */
export const logitNumbers = 1 << 25;

/** In whole MB below 1 GB. What is there rounds down and what is needed up, so the two differ and the second is enough. */
function sizeOf(bytes: number, round: (value: number) => number): string {
  return bytes < 1e9 ? `${round(bytes / 1e6)} MB` : `${(round(bytes / 1e8) / 10).toFixed(1)} GB`;
}
