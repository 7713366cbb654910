// Sequences: the tokens that one variant has read, alone or in a batch with others, with their keys and values.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { cacheHeadDim, cacheName } from '../graph/block.ts';
import { inputOf } from '../graph/linear.ts';
import type { Tap } from '../graph/taps.ts';
import { aCount, requireArgument } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { Tensor } from '../platform/onnxruntime.ts';
import { requireIds } from '../text/token-ids.ts';

/** Replaceable weights by tensor name, each (out, in) float32, as inputs of the graph. */
export type Weights = Readonly<Record<string, Tensor>>;

/** A graph with what is needed to run it. `capacity` is the maximum number of positions in the caches. */
export interface GraphRunner {
  readonly config: LlamaConfig;
  /** Different variants that one batch can hold at most. */
  readonly variantsTogether: number;
  /** Points of the residual stream that every run outputs. */
  readonly taps: readonly Tap[];
  run(feeds: Weights, caches: Weights, capacity: number): Promise<Readonly<Record<string, Tensor>>>;
}

/** Tokens that go through the graph at once: long enough for fast products, short enough for Ctrl-C and progress. */
const chunkTokens = 128;

/** Numbers of the lens's logits that may be made at once: few tokens of a large vocabulary, whole chunks of a small one. */
const lensNumbers = 2 ** 25;

/** Tokens whose logits are made at once, at every point. */
export function lensTokens(points: number, vocab: number): number {
  return Math.min(Math.max(Math.floor(lensNumbers / (points * vocab)), 1), chunkTokens);
}

/** Some tokens of a text with the residual stream at every point, each (tokens, hidden). */
export interface ResidualChunk {
  readonly ids: readonly number[];
  readonly points: readonly Float32Array[];
}

/** Some tokens with the residual stream and, from every point through the final norm and the unembedding, logits. */
export interface LensChunk extends ResidualChunk {
  /** (points, tokens, vocab) */
  readonly logits: Float32Array;
}

/** Keys and values of all layers, each (rows, kvHeads, capacity, cacheHeadDim). */
class KeyValues {
  readonly capacity: number;
  readonly #buffers: ReadonlyMap<string, Float32Array>;
  readonly #config: LlamaConfig;
  #view: { key: string; past: Weights; present: Weights } | undefined;

  constructor(config: LlamaConfig, rows: number, capacity: number) {
    this.capacity = capacity;
    this.#config = config;
    const size = rows * config.kvHeads * capacity * cacheHeadDim(config);
    const names = Array.from({ length: config.layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
    this.#buffers = new Map(names.map((name) => [name, new Float32Array(size)]));
  }

  /** The rows `from` to `from + count` as inputs and outputs: the same memory, so that onnxruntime appends in place. */
  rows(from: number, count: number): { past: Weights; present: Weights } {
    const key = `${from}.${count}`;
    if (this.#view?.key === key) return this.#view; // a sequence asks for the same rows at every step
    const headDim = cacheHeadDim(this.#config);
    const { kvHeads, layers } = this.#config;
    const dims = [count, kvHeads, this.capacity, headDim];
    const size = kvHeads * this.capacity * headDim;
    const past: Record<string, Tensor> = {};
    const present: Record<string, Tensor> = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const what of ['key', 'value'] as const) {
        const values = this.#buffers.get(`${layer}.${what}`)?.subarray(from * size, (from + count) * size);
        if (!values) throw new RangeError(`no cache for layer ${layer}`);
        past[cacheName('past', layer, what)] = new Tensor('float32', values, dims);
        present[cacheName('present', layer, what)] = new Tensor('float32', values, dims);
      }
    }
    this.#view = { key, past, present };
    return this.#view;
  }
}

/** The tokens that one variant has read. Made by `Runtime.sequence`, or in a batch by `Runtime.batch`. */
export class Sequence {
  /** Tokens read. */
  length = 0;
  /** Residual stream of the last chunk at each of the runtime's taps, (tokens, hidden). */
  residuals: readonly Float32Array[] = [];
  readonly #runner: GraphRunner;
  readonly #capacity: number;
  readonly #weights: Weights;
  readonly #cache: KeyValues;
  readonly #row: number;

  /** @param place the cache and the row in it that is this sequence's own */
  constructor(runner: GraphRunner, capacity: number, weights: Weights, place?: { cache: KeyValues; row: number }) {
    this.#runner = runner;
    this.#capacity = capacity;
    this.#weights = weights;
    this.#cache = place?.cache ?? new KeyValues(runner.config, 1, capacity);
    this.#row = place?.row ?? 0;
  }

  /** Reads tokens in chunks and returns the logits after the last one, (vocab). */
  async readToEnd(ids: readonly number[], onProgress?: (tokens: number) => void): Promise<Float32Array> {
    requireIds('ids', ids, this.#runner.config);
    let logits: Float32Array = new Float32Array(0);
    let done = 0;
    for (const chunk of chunksOf(ids, chunkTokens)) {
      logits = await this.#read(chunk, this.#rows(chunk.length).slice(-1));
      done += chunk.length;
      onProgress?.(done);
    }
    return logits;
  }

  /** Reads tokens in chunks and yields each chunk's logits, (tokens, vocab). */
  async *readAll(ids: readonly number[]): AsyncGenerator<Float32Array> {
    requireIds('ids', ids, this.#runner.config);
    for (const chunk of chunksOf(ids, chunkTokens)) yield await this.#read(chunk, this.#rows(chunk.length));
  }

  /** Reads tokens in chunks and yields each chunk's residual stream, and no logits. The runtime needs taps. */
  async *readResiduals(ids: readonly number[]): AsyncGenerator<ResidualChunk> {
    this.#requireTaps();
    requireIds('ids', ids, this.#runner.config);
    for (const chunk of chunksOf(ids, chunkTokens)) {
      await this.#read(chunk, []);
      yield { ids: chunk, points: this.residuals };
    }
  }

  /**
   * Reads tokens in chunks and yields each chunk's residual stream and what the unembedding makes of it at every point.
   * The runtime needs taps. A chunk's logits take up to 134 MB, or one token's.
   */
  async *readLens(ids: readonly number[]): AsyncGenerator<LensChunk> {
    this.#requireTaps();
    requireIds('ids', ids, this.#runner.config);
    const { taps, config } = this.#runner;
    for (const chunk of chunksOf(ids, lensTokens(taps.length, config.vocabSize))) {
      const logits = await this.#read(chunk, [...Array(taps.length * chunk.length).keys()]);
      yield { ids: chunk, points: this.residuals, logits };
    }
  }

  /** Places of the stream's last point among the rows that a run can give logits of. */
  #rows(tokens: number): number[] {
    const from = firstOfLast(this.#runner, tokens);
    return Array.from({ length: tokens }, (_, i) => from + i);
  }

  /** Forgets all tokens after the first `length`. */
  rewind(length: number): void {
    requireArgument('length', length, aCount(0, this.length));
    this.length = length;
  }

  async #read(ids: readonly number[], selected: readonly number[]): Promise<Float32Array> {
    this.requireRoom(ids.length);
    const from = this.length;
    const to = from + ids.length;
    const { past, present } = this.#cache.rows(this.#row, 1);
    const outputs = await this.#runner.run(
      {
        ...weightFeeds(this.#runner.variantsTogether, [{ weights: this.#weights, rows: ids.length }]),
        ...past,
        input_ids: int64(ids, [1, ids.length]),
        position_ids: int64(
          ids.map((_, i) => from + i),
          [1, ids.length],
        ),
        past_lengths: int32([to - 1]),
        total_length: int32([to]),
        selected: int64(selected, [selected.length]),
      },
      present,
      this.#cache.capacity,
    );
    this.length = to;
    this.residuals = this.#runner.taps.map(({ output }) => floats(outputs, output));
    return floats(outputs, 'logits');
  }

  #requireTaps(): void {
    if (this.#runner.taps.length === 0)
      throw new SurgeryError(
        'usage',
        'this runtime has no taps, which the residual stream needs: open it with taps: true',
      );
  }

  /** @throws SurgeryError `text` where `tokens` more do not fit */
  requireRoom(tokens: number): void {
    const to = this.length + tokens;
    if (to > this.#capacity)
      throw new SurgeryError('text', `${to} tokens do not fit a sequence with room for ${this.#capacity}`);
  }
}

/**
 * Sequences that read their next tokens together: one pass over the weights then serves all of them, and reading the
 * weights is what a token costs. Each computes what it would alone, up to the rounding of the products.
 */
export class Batch {
  /** One for each of the weights that the batch was made with, in their order. */
  readonly sequences: readonly Sequence[];
  readonly #runner: GraphRunner;
  readonly #cache: KeyValues;
  /** The sequences in the cache's order, where those with the same weights are neighbours. */
  readonly #rows: readonly { readonly sequence: Sequence; readonly weights: Weights }[];

  /** @throws SurgeryError `usage` for more different weights than the runner takes together */
  constructor(runner: GraphRunner, capacity: number, weights: readonly Weights[]) {
    this.#runner = runner;
    // One position more than is ever used: a full sequence that sits out a step has somewhere to write.
    this.#cache = new KeyValues(runner.config, weights.length, capacity + 1);
    const different = [...new Set(weights)];
    if (different.length > runner.variantsTogether)
      throw new SurgeryError(
        'usage',
        `${different.length} different variants in a batch, the runtime was opened for ${runner.variantsTogether}: open it with variantsTogether: ${different.length}`,
      );
    const order = different.flatMap((one) => weights.flatMap((other, at) => (other === one ? [at] : [])));
    const sequences = weights.map((one, at) => {
      const row = order.indexOf(at);
      return { row, weights: one, sequence: new Sequence(runner, capacity, one, { cache: this.#cache, row }) };
    });
    this.sequences = sequences.map(({ sequence }) => sequence);
    this.#rows = sequences.toSorted((a, b) => a.row - b.row);
  }

  /**
   * Reads one more token of each sequence in `next` and returns the logits after it, (vocab).
   * @throws SurgeryError `text` for a sequence that is full, `usage` for a token that the model does not have
   */
  async step(next: ReadonlyMap<Sequence, number>): Promise<Map<Sequence, Float32Array>> {
    requireArgument('next', next, { words: 'a Map of tokens by sequence', test: (value) => value instanceof Map });
    requireIds('next', [...next.values()], this.#runner.config);
    for (const sequence of next.keys()) sequence.requireRoom(1);
    const isActive = ({ sequence }: { sequence: Sequence }) => next.has(sequence);
    const first = this.#rows.findIndex(isActive);
    if (first < 0) return new Map();
    // The cache's rows must be neighbours: those that sit out between two active ones read a token that leaves no trace,
    // because what is written beyond a sequence's length is written again before it is read.
    const rows = this.#rows.slice(first, this.#rows.findLastIndex(isActive) + 1);
    const { past, present } = this.#cache.rows(first, rows.length);
    const lengths = rows.map(({ sequence }) => sequence.length);
    const outputs = await this.#runner.run(
      {
        ...weightFeeds(this.#runner.variantsTogether, runs(rows.map(({ weights }) => weights))),
        ...past,
        input_ids: int64(
          rows.map(({ sequence }) => next.get(sequence) ?? 0),
          [rows.length, 1],
        ),
        position_ids: int64(lengths, [rows.length, 1]),
        past_lengths: int32(lengths),
        total_length: int32([Math.max(...lengths) + 1]),
        selected: int64(
          rows.map((_, row) => firstOfLast(this.#runner, rows.length) + row),
          [rows.length],
        ),
      },
      present,
      this.#cache.capacity,
    );
    const logits = floats(outputs, 'logits');
    const vocab = logits.length / rows.length;
    const result = new Map<Sequence, Float32Array>();
    for (const [row, { sequence }] of rows.entries()) {
      if (!next.has(sequence)) continue;
      sequence.length++;
      result.set(sequence, logits.subarray(row * vocab, (row + 1) * vocab));
    }
    return result;
  }
}

/** The first row of the last tapped point: with taps, the rows of all points can be selected, one point after the other. */
function firstOfLast({ taps }: GraphRunner, rows: number): number {
  return Math.max(taps.length - 1, 0) * rows;
}

function* chunksOf(ids: readonly number[], tokens: number): Generator<readonly number[]> {
  for (let at = 0; at < ids.length; at += tokens) yield ids.slice(at, at + tokens);
}

interface RowsOfWeights {
  readonly weights: Weights;
  readonly rows: number;
}

/** Neighbours with the same weights, counted. */
function runs(weights: readonly Weights[]): RowsOfWeights[] {
  return [...new Set(weights)].map((one) => ({
    weights: one,
    rows: weights.filter((other) => other === one).length,
  }));
}

/** Weights of the graph's variants. Those that no row uses get the first one's, which are then not read. */
function weightFeeds(variants: number, used: readonly RowsOfWeights[]): Weights {
  const [first] = used;
  if (variants === 1 || !first || Object.keys(first.weights).length === 0) return first?.weights ?? {};
  const feeds: Record<string, Tensor> = {};
  const rows = Array.from({ length: variants }, (_, i) => used[i]?.rows ?? 0);
  for (let i = 0; i < variants; i++) {
    const { weights } = used[i] ?? first;
    for (const [name, tensor] of Object.entries(weights)) feeds[inputOf(name, i)] = tensor;
  }
  return { ...feeds, variant_rows: int64(rows, [variants]) };
}

function int64(values: readonly number[], dims: number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function int32(values: readonly number[]): Tensor {
  return new Tensor('int32', Int32Array.from(values), [values.length]);
}

function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new TypeError(`output ${name} is not float32`);
  return data;
}
