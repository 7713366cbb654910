// Prompts → continuations, token by token, several in one batch.

import { seededRandom } from '../linalg/random.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Batch, Sequence, Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import { type Sampling, sample } from './sampling.ts';

export interface GenerateOptions {
  readonly sampling: Sampling;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Tokens that end the text; they are not part of it. */
  readonly stopIds: readonly number[];
}

/** A prompt and the variant that continues it. */
export interface Start {
  readonly prompt: readonly number[];
  /** The variant's weights. Default: the original's. */
  readonly weights?: Weights;
  /** Called with each new token. */
  readonly onToken?: (id: number) => void;
}

export interface Generated {
  /** Token ids of the prompt and its continuation. */
  readonly ids: number[];
  readonly promptTokens: number;
  /** New tokens per second, after the first (which comes with the prompt). 0 if there are none. */
  readonly tokensPerSecond: number;
}

/** Sequences in one batch: beyond about eight, a step takes so much longer that nothing is gained. */
const batchSize = 8;

/**
 * Continues a prompt until a stop token, `maxNewTokens`, or the end of the model's context.
 * The same seed gives the same text, whatever was generated before.
 * @throws SurgeryError `text` if the prompt alone does not fit the context
 */
export async function generate(
  runtime: Runtime,
  prompt: readonly number[],
  options: GenerateOptions & Omit<Start, 'prompt'>,
): Promise<Generated> {
  return itemAt(await generateTogether(runtime, [{ ...options, prompt }], options), 0);
}

/**
 * Continues each start as {@link generate} does, each from the same seed, up to eight in a batch: a step reads the
 * weights once for all of them.
 * @throws SurgeryError `text` if a prompt alone does not fit the context
 * @throws RangeError for more different weights than the runtime was opened for
 */
export async function generateTogether(
  runtime: Runtime,
  starts: readonly Start[],
  options: GenerateOptions,
): Promise<Generated[]> {
  const generated: Generated[] = [];
  for (let at = 0; at < starts.length; at += batchSize) {
    generated.push(...(await generateBatch(runtime, starts.slice(at, at + batchSize), options)));
  }
  return generated;
}

/** A text in the making. */
class Text {
  readonly sequence: Sequence;
  readonly ids: number[];
  readonly #start: Start;
  readonly #options: GenerateOptions;
  readonly #limit: number;
  readonly #random: () => number;

  constructor(sequence: Sequence, start: Start, options: GenerateOptions, limit: number) {
    this.sequence = sequence;
    this.ids = [...start.prompt];
    this.#start = start;
    this.#options = options;
    this.#limit = limit;
    this.#random = seededRandom(options.seed);
  }

  get created(): number {
    return this.ids.length - this.#start.prompt.length;
  }

  /** Chooses the next token; undefined where the text ends, either before it or with it. */
  push(logits: Float32Array): number | undefined {
    if (this.ids.length >= this.#limit) return undefined; // a prompt that fills the context
    const id = sample(logits, this.ids, this.#options.sampling, this.#random);
    if (this.#options.stopIds.includes(id)) return undefined;
    this.ids.push(id);
    this.#start.onToken?.(id);
    return this.ids.length < this.#limit ? id : undefined;
  }
}

async function generateBatch(
  runtime: Runtime,
  starts: readonly Start[],
  options: GenerateOptions,
): Promise<Generated[]> {
  const context = runtime.config.contextLength;
  const limits = starts.map(({ prompt: { length } }) =>
    Math.max(length, Math.min(length + options.maxNewTokens, context)),
  );
  const batch = runtime.batch(
    Math.max(...limits),
    starts.map(({ weights }) => weights ?? runtime.original),
  );
  const texts = starts.map((start, i) => new Text(itemAt(batch.sequences, i), start, options, itemAt(limits, i)));
  // Prompts are read one by one: many tokens at once are bound by arithmetic, so nothing would be gained together.
  const logits = new Map<Text, Float32Array>();
  for (const text of texts) logits.set(text, await text.sequence.readToEnd(text.ids));
  const seconds = await continueTexts(batch, logits);
  return texts.map((text) => ({
    ids: text.ids,
    promptTokens: text.ids.length - text.created,
    // The first token comes with the prompt: only the others took a step each.
    tokensPerSecond: text.created > 1 ? (text.created - 1) / (seconds.get(text) ?? 0) : 0,
  }));
}

/** Continues every text from its logits to its end. Returns the seconds that each took from now on. */
async function continueTexts(
  batch: Batch,
  logits: ReadonlyMap<Text, Float32Array>,
): Promise<ReadonlyMap<Text, number>> {
  const start = performance.now();
  const seconds = new Map<Text, number>();
  for (let current = logits; current.size > 0; ) {
    const next = new Map<Sequence, number>();
    for (const [text, row] of current) {
      const id = text.push(row);
      if (id === undefined) seconds.set(text, (performance.now() - start) / 1000);
      else next.set(text.sequence, id);
    }
    const rows = await batch.step(next);
    current = new Map(
      [...current.keys()].flatMap((text) => {
        const row = rows.get(text.sequence);
        return row ? [[text, row] as const] : [];
      }),
    );
  }
  return seconds;
}
