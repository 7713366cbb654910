// The native session: a checkpoint's graph in onnxruntime, and the weights that variants replace.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import { requireReplacements } from '../checkpoint/writer.ts';
import { cacheHeadDim } from '../graph/block.ts';
import type { WeightSource } from '../graph/linear.ts';
import { llamaGraph } from '../graph/llama.ts';
import { rotaryTables } from '../graph/rope.ts';
import { type Tap, type TapOptions, tapsOf } from '../graph/taps.ts';
import {
  type AllowedOptions,
  aCount,
  aFlag,
  aFunction,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { memory } from '../platform/limits.ts';
import { openSession, type Session, Tensor } from '../platform/onnxruntime.ts';
import { withInt8Weights } from './int8/int8.ts';
import { integerOptions } from './int8/saturation.ts';
import { type Precision, precisions } from './precision.ts';
import { Batch, type GraphRunner, Sequence, type Weights } from './sequence.ts';
import { fileWeights, type SessionWeights } from './weights.ts';

/**
 * With `taps`, runs also output the residual stream, see {@link Sequence.readResiduals} and {@link Sequence.readLens}.
 */
export interface RuntimeOptions extends TapOptions {
  readonly precision?: Precision;
  /** Threads inside a matrix product. Default: one a core. */
  readonly threads?: number | undefined;
  /**
   * Names of the weights that variants replace, see `touchedBy`. They are inputs of every run, so that one session
   * serves all variants.
   */
  readonly replaceable?: Iterable<string>;
  /** Maximum number of different variants in one batch. Default 1. */
  readonly variantsTogether?: number;
  /** Called with the steps done and in all while the weights are put into 8 bits, which happens once for a checkpoint. */
  readonly onProgress?: (done: number, total: number) => void;
}

const runtimeOptions: AllowedOptions<RuntimeOptions> = {
  precision: oneOfWords(precisions),
  threads: aCount(1, 256),
  replaceable: {
    words: 'a list of tensor names, as touchedBy gives them',
    test: (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
  },
  variantsTogether: aCount(1),
  taps: aFlag,
  sublayers: aFlag,
  onProgress: aFunction,
};

/** A model as an onnxruntime session. One session serves the original and every variant of it. */
export class Runtime implements GraphRunner {
  readonly checkpoint: Checkpoint;
  readonly variantsTogether: number;
  /** The original's replaceable weights. */
  readonly original: Weights;
  /** Points of the residual stream that every run outputs, in forward order. */
  readonly taps: readonly Tap[];
  readonly #session: Session;
  readonly #memory = memory().total;
  #rotary = { positions: 0, feeds: {} as Weights };

  private constructor(
    checkpoint: Checkpoint,
    session: Session,
    original: Weights,
    { variantsTogether = 1, ...taps }: RuntimeOptions,
  ) {
    this.checkpoint = checkpoint;
    this.variantsTogether = variantsTogether;
    this.original = original;
    this.#session = session;
    this.taps = tapsOf(checkpoint.config.layers, taps);
  }

  /**
   * Builds the graph over the checkpoint's files and makes a session of it. Takes seconds at a billion parameters.
   * @throws SurgeryError `usage` for an option that is not allowed, `checkpoint` for a replaceable weight that is not there
   */
  static async open(checkpoint: Checkpoint, options: RuntimeOptions = {}): Promise<Runtime> {
    requireCheckpoint(checkpoint);
    requireOptions('Runtime.open', options, runtimeOptions);
    const replaceable = new Set(options.replaceable ?? []);
    // Without replaceable weights there is nothing for variants to differ in.
    const variantsTogether = replaceable.size > 0 ? options.variantsTogether : 1;
    const products = options.precision === 'int8' ? await integerOptions() : {};
    const start = ({ embedding, source, folder }: SessionWeights) => {
      const from = (name: string): WeightSource =>
        replaceable.has(name) ? { kind: 'input', shape: checkpoint.shapeOf(name) } : source(name);
      const addedBiases = [...replaceable].filter((name) => !checkpoint.tensors.has(name));
      const graph = llamaGraph(checkpoint.config, embedding, from, { ...options, variantsTogether, addedBiases });
      return createSession(graph, options.threads, folder, products);
    };
    const session =
      options.precision === 'int8'
        ? await withInt8Weights(checkpoint, start, (damaged) => damaged.release(), options)
        : await start(fileWeights(checkpoint));
    const original: Record<string, Tensor> = {};
    for (const name of replaceable) {
      const values = await checkpoint.readOrZeros(name);
      original[name] = new Tensor('float32', values, [...checkpoint.shapeOf(name)]);
    }
    return new Runtime(checkpoint, session, original, { ...options, variantsTogether });
  }

  /**
   * The original with some weights replaced.
   * @throws SurgeryError `usage` for a weight that was not declared replaceable, or of another size
   */
  variant(replaced: ReadonlyMap<string, Float32Array>): Weights {
    requireReplacements(this.checkpoint, replaced);
    const weights: Record<string, Tensor> = { ...this.original };
    for (const [name, values] of replaced) {
      const from = weights[name];
      if (!from)
        throw new SurgeryError(
          'usage',
          `${name} was not declared replaceable: give it to Runtime.open, as touchedBy does`,
        );
      weights[name] = new Tensor('float32', values, from.dims);
    }
    return weights;
  }

  get config(): LlamaConfig {
    return this.checkpoint.config;
  }

  /**
   * An empty sequence with room for `capacity` tokens.
   * @throws SurgeryError `text` beyond the model's context, `usage` for what are no weights of this runtime
   */
  sequence(capacity: number, weights: Weights = this.original): Sequence {
    this.#requireWeights(weights);
    this.#requireRoom(capacity, 1);
    return new Sequence(this, capacity, weights);
  }

  /**
   * Empty sequences that can be read side by side, one for each of `weights`, with room for `capacity` tokens each.
   * @throws SurgeryError `text` beyond the model's context
   * @throws SurgeryError `usage` for what are no weights of this runtime, and for more different ones than it was opened for
   */
  batch(capacity: number, weights: readonly Weights[]): Batch {
    requireArgument('weights', weights, { words: 'a list of weights, from Runtime.variant', test: Array.isArray });
    for (const one of weights) this.#requireWeights(one);
    this.#requireRoom(capacity, weights.length);
    return new Batch(this, capacity, weights);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  /** One run of the graph. For {@link Sequence} and {@link Batch}, which know what to feed. */
  async run(feeds: Weights, caches: Weights, capacity: number): Promise<Readonly<Record<string, Tensor>>> {
    const wanted: Record<string, Tensor | null> = { logits: null, ...caches };
    for (const { output } of this.taps) wanted[output] = null;
    return this.#session.run({ ...feeds, ...this.#rotaryFeeds(capacity) }, wanted);
  }

  #requireWeights(weights: Weights): void {
    requireArgument('weights', weights, {
      words: 'what variant of this runtime gives',
      test: (value) =>
        isPlainObject(value) && Object.keys(this.original).every((name) => value[name] instanceof Tensor),
    });
  }

  #requireRoom(capacity: number, rows: number): void {
    requireArgument('capacity', capacity, aCount(0));
    const { contextLength: limit, layers, kvHeads } = this.config;
    if (capacity > limit) {
      throw new SurgeryError(
        'text',
        `${capacity} tokens do not fit the model's context of ${limit}: shorten the text or ask for fewer new tokens`,
      );
    }
    const bytes = 8 * layers * kvHeads * capacity * cacheHeadDim(this.config) * rows;
    if (bytes > this.#memory) {
      const sizes = `${(bytes / 1e9).toFixed(1)} GB, this process may use ${(this.#memory / 1e9).toFixed(1)}`;
      throw new SurgeryError('text', `keys and values of ${capacity} tokens take ${sizes}: ask for fewer new tokens`);
    }
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

/** The native call blocks for seconds and would sleep through our handlers: meanwhile a signal ends the program by itself. */
async function createSession(
  graph: Uint8Array,
  threads: number | undefined,
  folder: string,
  products: Readonly<Record<string, string>>,
): Promise<Session> {
  // A signal that came before still goes to them: between two immediates the event loop looks for signals once.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const handlers = signals.map((signal) => ({ signal, listeners: process.listeners(signal) }));
  for (const { signal } of handlers) process.removeAllListeners(signal);
  try {
    return await openSession(graph, {
      executionProviders: ['cpu'],
      ...(threads ? { intraOpNumThreads: threads } : {}),
      logSeverityLevel: 4,
      extra: {
        session: {
          model_external_initializers_file_folder_path: folder,
          // Else the weights go through the arena, which asks for more memory than they take.
          use_device_allocator_for_initializers: '1',
          ...products,
        },
      },
    });
  } finally {
    for (const { signal, listeners } of handlers) for (const listener of listeners) process.on(signal, listener);
  }
}
