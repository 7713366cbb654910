// The walk: all documents of all variants go through a block before the next one is read. It needs the weights of two
// blocks and the residual streams, whatever the model's size, and loads nothing beforehand.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import {
  type Activation,
  activations,
  activationWidth,
  blockTensors,
  embedName,
  finalNormName,
  layerPrefix,
  unembedName,
} from '../../checkpoint/names.ts';
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { cacheHeadDim, cacheName, windowOf } from '../../graph/block.ts';
import { rotaryTables } from '../../graph/rope.ts';
import { blockTap, embeddingTap } from '../../graph/taps.ts';
import { blockGraph, blockShape, type InnerPoint, innerWidth, unembedGraph, wordsName } from '../../graph/walk.ts';
import {
  type Allowed,
  type AllowedOptions,
  aCount,
  aFunction,
  aList,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../../platform/arguments.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { entryOf, getOrMake, itemAt } from '../../platform/indexing.ts';
import { memory } from '../../platform/limits.ts';
import { openSession, type Session, Tensor } from '../../platform/onnxruntime.ts';
import { ahead, oneAhead } from '../../platform/threads/ahead.ts';
import { WorkerPool } from '../../platform/threads/pool.ts';
import { requireDocumentIds } from '../../text/token-ids.ts';
import { blockInInt8, type Fed, feedsOf, matricesOf, sourceOf } from '../int8/feeds.ts';
import type { Integers, MatrixRange, MatrixValues } from '../int8/quantise.ts';
import { addLargest, mostOf, normed, sampleDocuments } from '../int8/sample.ts';
import { needsUnsigned } from '../int8/saturation.ts';
import { type Precision, precisions } from '../precision.ts';
import { batchRows, type Places, placesOf, type RowBatch, rowBatches } from './batches.ts';
import type { TensorRange } from './read.ts';
import { type BlockValues, type Step, stepsOf, type WalkVariant } from './steps.ts';
import { type Stream, Streams } from './streams.ts';
import { attentionBias, type LaidTree, layOut, longestOf, positionIn, requireTrees, type TokenTree } from './trees.ts';
import { type Look, lookInto, visitorOptions, type WalkVisitor } from './visitor.ts';

const task = new URL('./read.ts', import.meta.url);
const quantiseTask = new URL('../int8/quantise.ts', import.meta.url);

export interface WalkOptions {
  /** Default: fp32. In int8 every block is put into 8 bits when it is read, and so are the tensors of variants. */
  readonly precision?: Precision | undefined;
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
  precision: oneOfWords(precisions),
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

/** A block that is ready to be computed. */
type ReadyStep = Step & { readonly weights: ReadonlyMap<string, Fed> };

/** Where a sample has come to in each model; a variant that has changed nothing yet has none of its own. */
interface Samples {
  readonly original: Stream;
  readonly variants: (Stream | undefined)[];
}

/** Logits of rows `row` to `row + rows` of a stream, (rows, vocab), written into a buffer that has room for them. */
export type Unembedding = (
  stream: Pick<Stream, 'read' | 'outliers'>,
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
  #biases = new Float32Array();
  readonly #outputs = new Map<string, Float32Array>();
  readonly #rotary: Readonly<Record<string, Tensor>>;
  readonly #threads: number | undefined;
  readonly #reader = new WorkerPool(1);
  /** In int8: the documents that show the outliers, in float32. */
  readonly #sample: Walk | undefined;
  /** The original's sample before layers that were to be kept. */
  readonly #keptSamples = new Map<number, Stream>();
  /** Whether integers must be unsigned, for their products to be exact here. */
  readonly #unsigned: Promise<boolean>;
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
    const { batchRows: most = batchRows, trees = [], reserved = 0, precision = 'fp32' } = options;
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
    const least = leastMemory(checkpoint, { rows: most, withTrees: trees.length > 0, precision }) + reserved;
    const budget = requireMemory(checkpoint, options.memory, precision, least);
    const forSample = precision === 'int8' ? Math.floor((budget - least) / sampleShare) : 0;
    this.#streams = new Streams(rowsIn(batches), config.hiddenSize, budget - least - forSample);
    if (precision === 'int8')
      this.#sample = new Walk(checkpoint, sampleDocuments(config), {
        threads: options.threads,
        memory: leastMemory(checkpoint) + forSample,
      });
    this.#unsigned = precision === 'int8' ? needsUnsigned() : Promise.resolve(false);
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
    // One graph gives whatever is asked for in any layer: each further session would hold memory of its own.
    const inner = new Set(blocks.flatMap((layer) => lookInto(options, layer, [0]).inner));
    let waited = 0;
    const sampled = this.#sample && (await this.#sample.#samples(this.#keptSamples, variants.length, since?.layer));
    let start = performance.now();
    for await (const { layer, model, weights, ...step } of this.#steps(blocks, variants, last, sampled, keep)) {
      waited += Math.min((performance.now() - start) / 1000, step.waited);
      if (keep.includes(layer) && !kept.has(layer)) kept.set(layer, await this.#copy(original));
      if (model > 0) {
        const own = streams[model - 1];
        const to = own ?? (await this.#streams.make());
        await this.#block(layer, weights, own ?? original, to, lookInto(options, layer, [model]), inner);
        streams[model - 1] = to;
        onBlock?.(++done, total);
      } else {
        const same = [...streams.keys()].filter((i) => !streams[i]).map((i) => i + 1);
        if (layer < last) {
          await this.#block(layer, weights, original, original, lookInto(options, layer, [0, ...same]), inner);
          onBlock?.(++done, total);
        }
        await show(blockTap(layer).name, layer < last ? original : undefined);
      }
      start = performance.now();
    }
    this.#spare = [];
    if (earlier) this.release([original]);
    const end = earlier?.original ?? original;
    if (this.#sample && sampled) await this.#sample.#mark(sampled, earlier ? undefined : original, streams);
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

  /**
   * The final norm and the unembedding of all words, read once, for rows of a stream. In 8 bits the outliers are those of the
   * stream's model.
   */
  async unembedding(): Promise<Unembedding> {
    const { hiddenSize, vocabSize } = this.#config;
    const norm = await this.checkpoint.readFloat32(finalNormName);
    const words = await (this.#sample ? this.#int8Words() : this.#words());
    const shape = [vocabSize, hiddenSize];
    return async (stream, row, rows, into) => {
      const residuals = await stream.read(row, rows);
      const fed = await words(stream);
      const session = await this.#session('unembed', () => unembedGraph(this.#config, sourceOf(shape, fed)));
      const size = rows * vocabSize;
      const logits = into?.subarray(0, size) ?? new Float32Array(size);
      await session.run(
        {
          ...feedsOf(wordsName, shape, fed),
          [finalNormName]: new Tensor('float32', norm, [hiddenSize]),
          x: new Tensor('float32', residuals, [rows, hiddenSize]),
        },
        { logits: new Tensor('float32', logits, [rows, vocabSize]) },
      );
      return logits;
    };
  }

  async #words(): Promise<() => Promise<Fed>> {
    const [words] = await this.#read([this.#range(this.#wordsName)]);
    if (!words) throw new RangeError('the unembedding was not read');
    return async () => words;
  }

  async #int8Words(): Promise<(stream: Pick<Stream, 'outliers'>) => Promise<Fed>> {
    const { hiddenSize: cols, vocabSize: rows } = this.#config;
    const range: MatrixRange = { ...this.#range(this.#wordsName), rows, cols };
    const unsigned = await this.#unsigned;
    const integers = await this.#reader.run<Integers>(quantiseTask, 'quantiseRange', () => [range, unsigned]);
    const columnsOf = (places: readonly number[]) =>
      this.#reader.run<Float32Array>(quantiseTask, 'readColumns', () => [range, places]);
    const made = new Map<string, Promise<Fed>>();
    return async ({ outliers: places }) => {
      if (!places)
        throw new SurgeryError('usage', 'in int8 the unembedding takes streams that a run of the walk ended with');
      return getOrMake(made, places.join(), async () => ({ ...integers, places, columns: await columnsOf(places) }));
    };
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release();
    await this.#reader.close();
    await this.#streams.close();
    await this.#sample?.close();
  }

  get #config(): LlamaConfig {
    return this.checkpoint.config;
  }

  get #wordsName(): string {
    return this.#config.tiedEmbeddings ? embedName : unembedName;
  }

  /** The blocks of a run with what they are computed with. */
  async *#steps(
    layers: readonly number[],
    variants: readonly WalkVariant[],
    last: number,
    sampled: Samples | undefined,
    keep: readonly number[],
  ): AsyncGenerator<ReadyStep, undefined> {
    const read = (layer: number) => this.#readBlock(layer);
    const give = (values: readonly Float32Array[]) => {
      this.#spare = [...values];
    };
    const steps = stepsOf(layers, variants, !sampled, read, give);
    if (sampled) yield* oneAhead(this.#inInt8(steps, last, sampled, keep));
    else for await (const step of steps) yield { ...step, weights: new Map([...step.original, ...step.edits]) };
  }

  /** Blocks in 8 bits. The sample goes through each in float32 before, which shows the outliers of every model. */
  async *#inInt8(
    steps: AsyncIterable<Step>,
    last: number,
    sampled: Samples,
    keep: readonly number[],
  ): AsyncGenerator<ReadyStep, undefined> {
    const sample = this.#sample as Walk;
    let shared = new Map<string, Integers>();
    let at = -1;
    for await (const step of steps) {
      const { layer, model, original, edits } = step;
      if (layer !== at) {
        shared = new Map();
        if (keep.includes(layer)) this.#keptSamples.set(layer, await sample.#copy(sampled.original));
      }
      at = layer;
      if (model === 0 && layer >= last) {
        yield { ...step, weights: original };
        continue;
      }
      const outliers = await sample.#pass(step, sampled);
      const own = new Map([...edits].map(([name, values]) => [name, values.slice()]));
      const names = matricesOf(layer);
      await this.#quantise(
        original,
        names.filter((name) => !own.has(name) && !shared.has(name)),
        shared,
      );
      const integers = new Map(shared);
      await this.#quantise(
        own,
        names.filter((name) => own.has(name)),
        integers,
      );
      yield {
        ...step,
        weights: blockInInt8(this.#config, layer, new Map([...original, ...own]), integers, outliers),
      };
    }
  }

  /** Puts matrices into 8 bits, in a thread that has them meanwhile. */
  async #quantise(values: BlockValues, names: readonly string[], into: Map<string, Integers>): Promise<void> {
    if (names.length === 0) return;
    const matrices = names.map((name) => {
      const [rows = 0, cols = 0] = this.checkpoint.tensor(name).shape;
      return { values: entryOf(values, name), rows, cols };
    });
    const unsigned = await this.#unsigned;
    type Quantised = (Integers & Pick<MatrixValues, 'values'>)[];
    const all = await this.#reader.run<Quantised>(quantiseTask, 'quantise', () => [matrices, unsigned]);
    for (const [i, name] of names.entries()) {
      const { values: back, ...integers } = itemAt(all, i);
      values.set(name, back);
      into.set(name, integers);
    }
  }

  /** Of a sample: where a run of so many variants begins. */
  async #samples(kept: ReadonlyMap<number, Stream>, variants: number, layer = 0): Promise<Samples> {
    const before = kept.get(layer);
    if (layer > 0 && !before)
      throw new SurgeryError('usage', `no run of this walk kept layer ${layer}: give it to keep`);
    return {
      original: before ? await this.#copy(before) : await this.#embedded(),
      variants: Array.from({ length: variants }, () => undefined),
    };
  }

  /** Takes a sample through a block in float32. @returns the coordinates of largest magnitude of each activation */
  async #pass({ layer, model, original, edits }: Step, sampled: Samples): Promise<Map<Activation, readonly number[]>> {
    const from = sampled.variants[model - 1] ?? sampled.original;
    const to = model > 0 && from === sampled.original ? await this.#streams.make() : from;
    const largest = new Map(activations.map((name) => [name, new Float64Array(activationWidth(this.#config, name))]));
    const look: Look = {
      inner: activations,
      see: async (_, __, ___, inner) => {
        for (const [name, values] of largest) addLargest(values, entryOf(inner, name));
      },
    };
    await this.#block(layer, new Map([...original, ...edits]), from, to, look, new Set(activations));
    if (model > 0) sampled.variants[model - 1] = to;
    return new Map([...largest].map(([name, values]) => [name, mostOf(values)]));
  }

  /** Gives streams the outliers that a sample shows at the end of their models. */
  async #mark(
    sampled: Samples,
    original: Stream | undefined,
    variants: readonly (Stream | undefined)[],
  ): Promise<void> {
    const norm = await this.checkpoint.readFloat32(finalNormName);
    for (const [i, stream] of [original, ...variants].entries()) {
      const shown = i === 0 ? sampled.original : sampled.variants[i - 1];
      if (!stream || !shown) continue;
      const largest = new Float64Array(norm.length);
      addLargest(largest, normed(await shown.read(0, this.rows), norm));
      stream.outliers = mostOf(largest);
    }
    this.release([sampled.original, ...sampled.variants.filter((stream) => stream !== undefined)]);
  }

  /**
   * All rows of a stream through a block.
   * @param inner what a graph gives that is looked into
   */
  async #block(
    layer: number,
    weights: ReadonlyMap<string, Fed>,
    from: Stream,
    to: Stream,
    look: Look,
    inner: ReadonlySet<InnerPoint>,
  ): Promise<void> {
    const shape = blockShape(this.#config, layer);
    const named = (name: string) => name.replace(layerPrefix, `model.layers.${shape}.`);
    const dims = (name: string) => [...this.checkpoint.shapeOf(name)];
    const added = [...weights.keys()].filter((name) => !this.checkpoint.tensors.has(name)).map(named); // biases
    const sources = new Map([...weights].map(([name, fed]) => [named(name), sourceOf(dims(name), fed)]));
    const precision = [...weights.values()].every((fed) => fed instanceof Float32Array) ? '' : 'int8';
    const sessionFor = (masked: boolean, given: readonly InnerPoint[]) =>
      this.#session(['block', shape, precision, ...(masked ? ['masked'] : []), ...given, ...added].join(' '), () =>
        blockGraph(this.#config, shape, sources, { masked, inner: given }),
      );
    const feeds: Record<string, Tensor> = { ...this.#rotary };
    for (const [name, fed] of weights) Object.assign(feeds, feedsOf(named(name), dims(name), fed));
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
          ...(trees ? { attention_bias: this.#bias(batch, places, trees, windowOf(this.#config, layer)) } : {}),
          x: new Tensor('float32', x, [rows, hiddenSize]),
          row_of: new Tensor('int64', places.rowOf, grid),
          place_of: new Tensor('int64', places.placeOf, [rows]),
          position_ids: new Tensor('int64', places.positions, grid),
          past_lengths: new Tensor('int32', places.pastLengths, [pieces.length]),
          total_length: new Tensor('int32', Int32Array.of(places.total), [1]),
        },
        {
          out: new Tensor('float32', out, [rows, hiddenSize]),
          ...(isRead(lot) ? caches.present : {}),
          ...Object.fromEntries(
            [...seen].map(([point, values]) => [point, new Tensor('float32', values, [rows, values.length / rows])]),
          ),
        },
      );
      if (!trees) await look.see(batch, x, out, seen);
      await to.write(start, out);
    }
  }

  /** Made anew for each batch, as all together could take much memory, but in one place. */
  #bias(batch: RowBatch, places: Places, trees: readonly LaidTree[], window: number | undefined): Tensor {
    const dims = [batch.pieces.length, 1, places.tokens, places.total];
    const size = dims.reduce((a, b) => a * b, 1);
    if (this.#biases.length < size) this.#biases = new Float32Array(size);
    return new Tensor('float32', attentionBias(batch, places, trees, window, this.#biases.subarray(0, size)), dims);
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

  async #readBlock(layer: number): Promise<BlockValues> {
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

/** Whether later pieces read the keys and values of this one: onnxruntime copies every output that is asked for. */
const isRead = ({ batch: { pieces }, sequences }: Lot) =>
  pieces.some(({ document, to }) => to < itemAt(sequences, document).length);

/** Positions that the cache holds for each piece: of a long document all, so that later pieces find the earlier ones. */
function capacityOf({ batch, places, sequences }: Lot): number {
  const [first, second] = batch.pieces;
  return first && !second ? itemAt(sequences, first.document).length : places.total;
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

/** The sample's streams may take a part of what is left for streams. */
const sampleShare = 16;

/**
 * Bytes that a walk needs without any stream: blocks or, after them, the unembedding; a batch's activations, with trees one of
 * them too; and logits.
 */
export function leastMemory(
  checkpoint: Checkpoint,
  {
    rows = batchRows,
    withTrees = false,
    precision = 'fp32',
  }: { readonly rows?: number; readonly withTrees?: boolean; readonly precision?: Precision } = {},
): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = checkpoint.config;
  const activations = rows * (6 * hiddenSize + 4 * intermediateSize + 4 * (heads + 2 * kvHeads) * headDim);
  return largestWeights(checkpoint, precision).bytes + 4 * ((withTrees ? 2 : 1) * activations + logitNumbers);
}

/**
 * The bytes that a walk may use.
 * @param given default: half of what is free
 * @throws SurgeryError `usage` for fewer than it needs
 */
export function requireMemory(
  checkpoint: Checkpoint,
  given = memory().free / 2,
  precision: Precision = 'fp32',
  least = leastMemory(checkpoint, { precision }),
): number {
  if (given >= least) return given;
  throw new SurgeryError(
    'usage',
    `${sizeOf(given, Math.floor)} of memory are too few: ${largestWeights(checkpoint, precision).words}, a batch's activations and ` +
      `logits take ${sizeOf(least, Math.ceil)}`,
  );
}

/**
 * In fp32 one block is computed with, one is read and one edited; the unembedding is copied in parts. In int8 one is read and
 * one edited in float32, and one in 8 bits is computed with while the next one is made; the unembedding is made in 8 bits and
 * copied.
 */
function largestWeights({ config }: Checkpoint, precision: Precision) {
  const shapes = Array.from(blockTensors(config, 0), ({ shape }) => shape);
  const block = shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const words = config.vocabSize * config.hiddenSize;
  const [blocks, unembedding] = precision === 'fp32' ? [12 * block, 6 * words] : [10 * block, 2 * words];
  const several = precision === 'fp32' ? 'three blocks' : 'two blocks in float32 and two in int8';
  return blocks > unembedding
    ? { bytes: blocks, words: `${several} of this model` }
    : { bytes: unembedding, words: "this model's unembedding" };
}

/** Logits that are in memory at once, of all models. */
export const logitNumbers = 1 << 25;

/** In whole MB below 1 GB. What is there rounds down and what is needed up, so the two differ and the second is enough. */
function sizeOf(bytes: number, round: (value: number) => number): string {
  return bytes < 1e9 ? `${round(bytes / 1e6)} MB` : `${(round(bytes / 1e8) / 10).toFixed(1)} GB`;
}
