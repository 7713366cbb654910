// The logit lens on documents, a chunk at a time: one walk keeps the residual stream of both models at every point, and
// final norm and unembedding are then applied to its rows.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { pointsOf } from '../../graph/taps.ts';
import { cacheFolder } from '../../platform/cache.ts';
import { requireSpace } from '../../platform/disk-space.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import { type LensChunk, lensTokens } from '../../runtime/sequence.ts';
import { type Stream, Streams } from '../../runtime/walk/streams.ts';
import type { VisitedRows } from '../../runtime/walk/visitor.ts';
import { logitNumbers, type Unembedding, Walk } from '../../runtime/walk/walk.ts';
import type { VariantName } from '../shapes.ts';
import { type VariantOptions, variantNames, walkVariants } from '../variants.ts';

/** Documents as a model reads them. */
export interface LensSource {
  readonly name: VariantName;
  readonly checkpoint: Checkpoint;
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  /** @param ids one of the documents @returns chunks, whose logits hold until the next one is asked for */
  chunks(ids: readonly number[]): AsyncGenerator<LensChunk>;
}

export interface LensSources {
  /** The original first. */
  readonly models: readonly LensSource[];
  close(): Promise<void>;
}

/**
 * Takes documents through the original and the variant of a recipe, and keeps what passes each point: rows × points × hidden
 * numbers of 4 bytes for each model, fewer where the variant has changed nothing yet.
 * @param onBlock called with the blocks done and in all
 * @throws SurgeryError as `Walk` and the recipe's operations do, `output` where the residuals do not fit the disk
 */
export async function lensSources(
  checkpoint: Checkpoint,
  documents: readonly (readonly number[])[],
  options: VariantOptions = {},
  onBlock?: (done: number, total: number) => void,
): Promise<LensSources> {
  const names = variantNames(options.recipe);
  const points = pointsOf(checkpoint.config.layers, options.sublayers);
  const rows = documents.reduce((sum, { length }) => sum + length, 0);
  const kept = new KeptStreams(rows, checkpoint.config.hiddenSize, names.length * points.length);
  const reserved = kept.memory + logitBytes(checkpoint.config, points.length, names.length);
  const { threads, memory, precision } = options;
  const walk = new Walk(checkpoint, documents, { precision, threads, memory, reserved });
  const close = async () => {
    await walk.close();
    await kept.close();
  };
  try {
    await kept.requireSpace();
    const ended = await walkVariants(walk, options, (rows) => kept.keep(rows), onBlock);
    const unembed = await walk.unembedding();
    const starts = startsOf(documents);
    const models = names.map((name, model) => {
      const reader = {
        points: points.map((point) => kept.at(model, point)),
        end: itemAt(ended, model),
        unembed,
        config: checkpoint.config,
      };
      return {
        name,
        checkpoint,
        points,
        chunks: (ids: readonly number[]) => chunksOf(reader, ids, entryOf(starts, ids)),
      };
    });
    return { models, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

interface Reader {
  readonly points: readonly Stream[];
  /** The model's own stream at its end. */
  readonly end: Stream;
  readonly unembed: Unembedding;
  readonly config: LlamaConfig;
}

/** @param start row of the first token */
async function* chunksOf(
  { points, end, unembed, config: { hiddenSize, vocabSize } }: Reader,
  ids: readonly number[],
  start: number,
): AsyncGenerator<LensChunk> {
  const tokens = lensTokens(points.length, vocabSize);
  const logits = new Float32Array(points.length * Math.min(tokens, ids.length) * vocabSize);
  for (let from = 0; from < ids.length; from += tokens) {
    const read = ids.slice(from, from + tokens);
    const size = read.length * hiddenSize;
    const residuals = new Float32Array(points.length * size); // (points, tokens, hidden)
    for (const [i, point] of points.entries()) residuals.set(await point.read(start + from, read.length), i * size);
    yield {
      ids: read,
      points: points.map((_, i) => residuals.subarray(i * size, (i + 1) * size)),
      logits: await unembed({ ...end, read: async () => residuals }, 0, points.length * read.length, logits),
    };
  }
}

/** Bytes of the logits of a chunk of each model, beyond those that the walk itself has room for. */
function logitBytes({ vocabSize }: LlamaConfig, points: number, models: number): number {
  return 4 * Math.max(0, models * points * lensTokens(points, vocabSize) * vocabSize - logitNumbers);
}

/** Row of each document's first token. */
function startsOf(documents: readonly (readonly number[])[]): Map<readonly number[], number> {
  const starts = new Map<readonly number[], number>();
  let row = 0;
  for (const ids of documents) {
    starts.set(ids, row);
    row += ids.length;
  }
  return starts;
}

/** Bytes of residuals that stay in memory: those of prompts and short texts. */
const inMemory = 1 << 26;

/** What a walk shows, kept in a stream for each model and point; those that two models share, once. */
class KeptStreams {
  readonly #streams: Streams;
  readonly #bytes: number;
  readonly #byPoint = new Map<string, Stream>();

  /** @param streams at most */
  constructor(rows: number, hidden: number, streams: number) {
    this.#streams = new Streams(rows, hidden, inMemory);
    this.#bytes = streams * this.#streams.bytes;
  }

  /** Bytes of memory that are taken at most. */
  get memory(): number {
    return Math.min(this.#bytes, inMemory);
  }

  /** @throws SurgeryError `output` where the disk has no room for the others */
  async requireSpace(): Promise<void> {
    if (this.#bytes <= inMemory) return;
    const remedy = 'read less with --documents or --max-tokens, or set SURGERY_CACHE to another disk';
    await requireSpace(cacheFolder('residuals'), this.#bytes, 'the residual stream at every point', remedy);
  }

  async keep({ point, model, source, batch, residual }: VisitedRows): Promise<void> {
    if (model !== source) return;
    const key = keyOf(model, point);
    const stream = this.#byPoint.get(key) ?? (await this.#streams.make());
    this.#byPoint.set(key, stream);
    await stream.write(batch.start, residual);
  }

  at(model: number, point: string): Stream {
    return this.#byPoint.get(keyOf(model, point)) ?? entryOf(this.#byPoint, keyOf(0, point));
  }

  close(): Promise<void> {
    return this.#streams.close();
  }
}

const keyOf = (model: number, point: string) => `${model} ${point}`;
