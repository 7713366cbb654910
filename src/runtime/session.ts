// The native session: a checkpoint's graph in onnxruntime, the weights that variants replace, and sequences with a cache.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { projectionName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../errors.ts';
import { cacheHeadDim, cacheName, llamaGraph, tapName, type WeightSource } from '../graph/llama.ts';
import { rotaryTables } from '../graph/rope.ts';
import { fileWeights, int8Weights } from './weights.ts';

export const precisions = ['fp32', 'int8'] as const;
/** `fp32` computes exactly; `int8` keeps the weights that no operation touches in 8-bit blocks. */
export type Precision = (typeof precisions)[number];

export interface RuntimeOptions {
  readonly precision?: Precision;
  /** Threads inside a matrix product. Default: one a core. */
  readonly threads?: number | undefined;
  /** Names of the weights that variants replace. They are fed at every run, so that one session serves all variants. */
  readonly replaceable?: Iterable<string>;
  /** Also gives the residual stream, see {@link Sequence.residuals}. */
  readonly taps?: boolean;
  /** Called with the weights done and in all while 8-bit blocks are made. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A model's replaceable weights, ready to be fed. */
export type Weights = Readonly<Record<string, Tensor>>;

/** Tokens that go through the graph at once: long enough for fast products, short enough for Ctrl-C and progress. */
const chunkTokens = 128;

/** A model that is ready to run. */
export class Runtime {
  readonly checkpoint: Checkpoint;
  /** The untouched model's replaceable weights. */
  readonly original: Weights;
  readonly #session: InferenceSession;
  readonly #taps: boolean;
  #rotary = { positions: 0, feeds: {} as Weights };

  private constructor(checkpoint: Checkpoint, session: InferenceSession, original: Weights, taps: boolean) {
    this.checkpoint = checkpoint;
    this.original = original;
    this.#session = session;
    this.#taps = taps;
  }

  /** Builds the graph over the checkpoint's files and makes a session of it. Takes seconds at a billion parameters. */
  static async open(checkpoint: Checkpoint, options: RuntimeOptions = {}): Promise<Runtime> {
    const replaceable = new Set(options.replaceable ?? []);
    const weights =
      options.precision === 'int8'
        ? await int8Weights(checkpoint, replaceable, options.onProgress)
        : await fileWeights(checkpoint);
    const source = (name: string): WeightSource =>
      replaceable.has(name) ? { kind: 'input', shape: checkpoint.tensor(name).shape } : weights.source(name);
    const taps = options.taps ?? false;
    const graph = llamaGraph(checkpoint.config, weights.embedding, source, { taps });
    const session = await createSession(graph, options.threads, weights.options);
    const original: Record<string, Tensor> = {};
    for (const name of replaceable) {
      original[name] = new Tensor('float32', await checkpoint.readFloat32(name), [...checkpoint.tensor(name).shape]);
    }
    return new Runtime(checkpoint, session, original, taps);
  }

  /** The original with some weights replaced. @throws RangeError for a weight that was not declared replaceable */
  variant(replaced: ReadonlyMap<string, Float32Array>): Weights {
    const weights: Record<string, Tensor> = { ...this.original };
    for (const [name, values] of replaced) {
      const from = weights[name];
      if (!from) throw new RangeError(`${name} was not declared replaceable`);
      weights[name] = new Tensor('float32', values, from.dims);
    }
    return weights;
  }

  /** An empty sequence with room for `capacity` tokens. @throws SurgeryError `text` beyond the model's context. */
  sequence(capacity: number, weights: Weights = this.original): Sequence {
    const limit = this.checkpoint.config.contextLength;
    if (capacity > limit) {
      throw new SurgeryError(
        'text',
        `${capacity} tokens do not fit the model's context of ${limit}: shorten the text or ask for fewer new tokens`,
      );
    }
    return new Sequence(this, capacity, weights);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  /** One run of the graph. For {@link Sequence}, which knows what to feed. */
  async run(feeds: Weights, caches: Weights, capacity: number): Promise<Readonly<Record<string, Tensor>>> {
    const wanted: Record<string, Tensor | null> = { logits: null, ...caches };
    if (this.#taps) for (let point = 0; point <= this.checkpoint.config.layers; point++) wanted[tapName(point)] = null;
    return this.#session.run({ ...feeds, ...this.#rotaryFeeds(capacity) }, wanted);
  }

  #rotaryFeeds(positions: number): Weights {
    if (positions > this.#rotary.positions) {
      const { cos, sin } = rotaryTables(this.checkpoint.config, positions);
      const dims = [positions, this.checkpoint.config.headDim / 2];
      this.#rotary = {
        positions,
        feeds: { cos: new Tensor('float32', cos, dims), sin: new Tensor('float32', sin, dims) },
      };
    }
    return this.#rotary.feeds;
  }
}

/** Tokens read so far by one variant, with their keys and values. */
export class Sequence {
  /** Tokens read. */
  length = 0;
  /** Residual stream of the last chunk at each of layers + 1 points, (tokens, hidden), if the runtime has taps. */
  residuals: readonly Float32Array[] = [];
  readonly #runtime: Runtime;
  readonly #capacity: number;
  readonly #weights: Weights;
  readonly #past: Weights;
  readonly #present: Weights;

  constructor(runtime: Runtime, capacity: number, weights: Weights) {
    this.#runtime = runtime;
    this.#capacity = capacity;
    this.#weights = weights;
    const { layers, kvHeads } = runtime.checkpoint.config;
    const headDim = cacheHeadDim(runtime.checkpoint.config);
    const past: Record<string, Tensor> = {};
    const present: Record<string, Tensor> = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const what of ['key', 'value'] as const) {
        // The same buffer as past and as present: onnxruntime then appends in place and copies nothing.
        const buffer = new Float32Array(kvHeads * capacity * headDim);
        const dims = [1, kvHeads, capacity, headDim];
        past[cacheName('past', layer, what)] = new Tensor('float32', buffer, dims);
        present[cacheName('present', layer, what)] = new Tensor('float32', buffer, dims);
      }
    }
    this.#past = past;
    this.#present = present;
  }

  /** Reads tokens in chunks and returns the logits after the last one, (vocab). */
  async readToEnd(ids: readonly number[], onProgress?: (tokens: number) => void): Promise<Float32Array> {
    let logits: Float32Array = new Float32Array(0);
    for (let at = 0; at < ids.length; at += chunkTokens) {
      const chunk = ids.slice(at, at + chunkTokens);
      logits = await this.#read(chunk, [chunk.length - 1]);
      onProgress?.(at + chunk.length);
    }
    return logits;
  }

  /** Reads tokens in chunks and yields each chunk's logits, (tokens, vocab). */
  async *readAll(ids: readonly number[]): AsyncGenerator<Float32Array> {
    for (let at = 0; at < ids.length; at += chunkTokens) {
      const chunk = ids.slice(at, at + chunkTokens);
      yield await this.#read(
        chunk,
        chunk.map((_, i) => i),
      );
    }
  }

  /** Forgets all tokens after the first `length`. */
  rewind(length: number): void {
    if (length > this.length) throw new RangeError(`cannot rewind from ${this.length} to ${length} tokens`);
    this.length = length;
  }

  async #read(ids: readonly number[], selected: readonly number[]): Promise<Float32Array> {
    const from = this.length;
    const to = from + ids.length;
    if (to > this.#capacity) throw new RangeError(`${to} tokens in a sequence made for ${this.#capacity}`);
    const outputs = await this.#runtime.run(
      {
        ...this.#weights,
        ...this.#past,
        input_ids: int64(ids, [1, ids.length]),
        position_ids: int64(
          ids.map((_, i) => from + i),
          [1, ids.length],
        ),
        past_lengths: new Tensor('int32', Int32Array.of(to - 1), [1]),
        total_length: new Tensor('int32', Int32Array.of(to), [1]),
        selected: int64(selected, [selected.length]),
      },
      this.#present,
      this.#capacity,
    );
    this.length = to;
    const { layers } = this.#runtime.checkpoint.config;
    this.residuals = outputs[tapName(0)]
      ? Array.from({ length: layers + 1 }, (_, point) => floats(outputs, tapName(point)))
      : [];
    return floats(outputs, 'logits');
  }
}

/** Names of the attention projections that operations replace, in all layers. */
export function attentionWeights({ config }: Checkpoint): string[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    (['q', 'k', 'v'] as const).map((projection) => projectionName(layer, projection)),
  ).flat();
}

/** The native call blocks for seconds and would sleep through our handlers: meanwhile a signal ends the program by itself. */
async function createSession(
  graph: Uint8Array,
  threads: number | undefined,
  weights: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const handlers = signals.map((signal) => ({ signal, listeners: process.listeners(signal) }));
  for (const { signal } of handlers) process.removeAllListeners(signal);
  try {
    return await InferenceSession.create(graph, {
      executionProviders: ['cpu'],
      ...(threads ? { intraOpNumThreads: threads } : {}),
      logSeverityLevel: 4,
      ...weights,
    });
  } finally {
    for (const { signal, listeners } of handlers) for (const listener of listeners) process.on(signal, listener);
  }
}

function int64(values: readonly number[], dims: number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new TypeError(`output ${name} is not float32`);
  return data;
}
