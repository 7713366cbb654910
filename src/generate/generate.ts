// Prompts → continuations, token by token, several in one batch.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { seededRandom } from '../linalg/random.ts';
import {
  type AllowedOptions,
  aCount,
  aFunction,
  aNumber,
  isPlainObject,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { entryOf, itemAt } from '../platform/indexing.ts';
import type { Batch, Sequence, Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import { logProbability } from '../scores/logits.ts';
import { requireRuntime } from '../scores/model.ts';
import { requireIds } from '../text/token-ids.ts';
import { defaultMaxNewTokens, defaultSampling } from './defaults.ts';
import { type Sampling, sample } from './sampling.ts';

export interface GenerateOptions {
  readonly sampling: Sampling;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Tokens that end the text; they are not part of it. */
  readonly stopIds: readonly number[];
}

/** As a program gives them: what is left out has the commands' default. */
export interface GenerationSettings extends Partial<Omit<GenerateOptions, 'sampling'>> {
  /** Default: temperature 0.7, top-p 0.9. */
  readonly sampling?: Partial<Sampling>;
}

const samplingOptions: AllowedOptions<Sampling> = {
  temperature: aNumber(0, 100),
  topP: aNumber(0, 1, true),
  topK: aCount(0),
  repetitionPenalty: aNumber(0, 100, true),
};

const generationOptions: AllowedOptions<GenerationSettings> = {
  sampling: { words: `an object with ${Object.keys(samplingOptions).join(', ')}`, test: isPlainObject },
  maxNewTokens: aCount(1),
  seed: aCount(0),
  stopIds: { words: 'a list of token ids', test: Array.isArray },
};

/**
 * The settings with the commands' defaults: 100 new tokens, seed 0, up to the model's own stop tokens.
 * @throws SurgeryError `usage` for a setting that is not allowed
 */
export function completeGeneration(settings: GenerationSettings, config: LlamaConfig): GenerateOptions {
  requireOptions('generation', settings, generationOptions);
  const { sampling = {}, maxNewTokens = defaultMaxNewTokens, seed = 0, stopIds = config.eosIds } = settings;
  requireOptions('sampling', sampling, samplingOptions);
  return { sampling: { ...defaultSampling, ...sampling }, maxNewTokens, seed, stopIds };
}

/** A prompt and the variant that continues it. */
export interface Start {
  readonly prompt: readonly number[];
  /** The variant's weights. Default: the original's. */
  readonly weights?: Weights;
  /** Called with each new token. */
  readonly onToken?: (id: number) => void;
}

/** A stop token in the place of a text's first token. */
export interface EndToken {
  readonly id: number;
  /** Natural log-probability, before temperature and nucleus. */
  readonly logprob: number;
}

export interface Generated {
  /** Token ids of the prompt and its continuation. */
  readonly ids: number[];
  readonly promptTokens: number;
  /** The stop token, where it came first. */
  readonly end?: EndToken;
  /** New tokens per second, after the first (which comes with the prompt). 0 if there are none. */
  readonly tokensPerSecond: number;
}

/** Sequences in one batch: beyond about eight, a step takes so much longer that nothing is gained. */
const batchSize = 8;

/**
 * Continues a prompt until a stop token, `maxNewTokens`, or the end of the model's context.
 * The same seed gives the same text, whatever was generated before.
 * @param options what is left out has the commands' default: temperature 0.7, top-p 0.9, seed 0, 100 new tokens, up to the
 * model's own stop tokens
 * @throws SurgeryError `text` if the prompt is empty or does not fit the context, `usage` for an option that is not allowed
 */
export async function generate(
  runtime: Runtime,
  prompt: readonly number[],
  options: GenerationSettings & Omit<Start, 'prompt'> = {},
): Promise<Generated> {
  requireOptions('generate', options, { ...generationOptions, weights: anything, onToken: aFunction });
  const { weights, onToken, ...settings } = options;
  return itemAt(await generateTogether(runtime, [{ prompt, weights, onToken }], settings), 0);
}

/** Checked by the runtime that gave it. */
const anything = { words: '', test: () => true };

/**
 * Continues each start as {@link generate} does, each from the same seed, up to eight in a batch: a step reads the
 * weights once for all of them.
 * @throws SurgeryError `text` if a prompt is empty or does not fit the context, `usage` for an option that is not allowed
 * and for more different weights than the runtime was opened for
 */
export async function generateTogether(
  runtime: Runtime,
  starts: readonly Start[],
  settings: GenerationSettings = {},
): Promise<Generated[]> {
  requireRuntime(runtime);
  requireArgument('starts', starts, { words: 'a list of {prompt, weights}', test: isListOfObjects });
  for (const { prompt } of starts) {
    requireIds('the prompt', prompt, runtime.config);
    if (prompt.length === 0) throw new SurgeryError('text', 'the prompt has no tokens, and nothing can be continued');
  }
  const options = completeGeneration(settings, runtime.config);
  const generated: Generated[] = [];
  for (let at = 0; at < starts.length; at += batchSize) {
    generated.push(...(await generateBatch(runtime, starts.slice(at, at + batchSize), options)));
  }
  return generated;
}

const isListOfObjects = (value: unknown) => Array.isArray(value) && value.every(isPlainObject);

/** A text in the making. */
class Text {
  readonly sequence: Sequence;
  readonly ids: number[];
  readonly #start: Start;
  readonly #options: GenerateOptions;
  readonly #limit: number;
  readonly #random: () => number;
  end: EndToken | undefined;

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
    if (this.#options.stopIds.includes(id)) {
      if (this.created === 0) this.end = { id, logprob: logProbability(logits, id) };
      return undefined;
    }
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
    ...(text.end ? { end: text.end } : {}),
    // The first token comes with the prompt: only the others took a step each.
    tokensPerSecond: text.created > 1 ? (text.created - 1) / entryOf(seconds, text) : 0,
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
