// Text → token ids and back, by the checkpoint's own tokenizer.json, chat template included.
import { join } from 'node:path';
import { z } from 'zod';
import type { LlamaConfig } from '../checkpoint/config.ts';
import { maxBytes, readText } from '../checkpoint/inside.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { messageOf, SurgeryError } from '../errors.ts';
import { within } from './deadline.ts';
import { renderTemplate } from './template.ts';
import { Pipeline } from './tokenizer/pipeline.ts';

const tokenText = z
  .union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)])
  .nullish();

const tokenizerConfigSchema = z.looseObject({
  bos_token: tokenText,
  eos_token: tokenText,
  add_bos_token: z.boolean().nullish(),
  tokenizer_class: z.string().nullish(),
  chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
});

/**
 * Llama 3.2's template writes today's date into every prompt unless it is told one, and the same command would give other
 * text tomorrow. This is the date that the templates of Llama 3.x themselves fall back on.
 */
const promptDate = '26 Jul 2024';

/** Texts that share a deadline. */
const textsADeadline = 64;

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export class Tokenizer {
  readonly #inner: Pipeline;
  readonly #file: string;
  /** What every text begins with; undefined for a model whose texts begin with nothing. */
  readonly bosId: number | undefined;
  readonly #vocabSize: number;
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string };
  readonly #template: string | undefined;

  private constructor(
    inner: Pipeline,
    checkpoint: Checkpoint,
    bosId: number | undefined,
    tokens: { bos_token: string; eos_token: string },
    template: string | undefined,
  ) {
    this.#inner = inner;
    this.#file = join(checkpoint.folder, 'tokenizer.json');
    this.bosId = bosId;
    this.#vocabSize = checkpoint.config.vocabSize;
    this.#tokens = tokens;
    this.#template = template;
  }

  /** @throws SurgeryError `config` if the folder's tokenizer files are missing or damaged */
  static async open(checkpoint: Checkpoint): Promise<Tokenizer> {
    const file = join(checkpoint.folder, 'tokenizer.json');
    const text = await readText(checkpoint.folder, 'tokenizer.json', maxBytes.tokenizer);
    if (text === undefined)
      throw new SurgeryError('config', `${checkpoint.folder} holds no tokenizer.json, which text needs`);
    const configFile = join(checkpoint.folder, 'tokenizer_config.json');
    const configText = await readText(checkpoint.folder, 'tokenizer_config.json', maxBytes.tokenizerConfig);
    const parsed = tokenizerConfigSchema.safeParse(parseJson(configText ?? '{}', configFile));
    if (!parsed.success)
      throw new SurgeryError(
        'config',
        `${configFile}: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
      );
    const config = parsed.data;
    const definition = parseJson(text, file);
    let inner: Pipeline;
    try {
      inner = new Pipeline(definition);
    } catch (cause) {
      throw new SurgeryError('config', `${file} is no tokenizer that can be read: ${messageOf(cause)}`, cause);
    }
    const named = config.chat_template;
    const own =
      typeof named === 'string' ? named : (named?.find(({ name }) => name === 'default') ?? named?.[0])?.template;
    const template = (await readText(checkpoint.folder, 'chat_template.jinja', maxBytes.template)) ?? own;
    return new Tokenizer(
      inner,
      checkpoint,
      leadingId(inner, config, checkpoint.config),
      { bos_token: config.bos_token ?? '', eos_token: config.eos_token ?? '' },
      template,
    );
  }

  /**
   * Token ids, BOS first where the model's texts begin with one, never twice.
   * @throws SurgeryError `text` for ids beyond the model's vocabulary
   */
  encode(text: string): number[] {
    return this.encodeAll([text])[0] ?? [];
  }

  /** {@link encode} of each text. A deadline costs about a millisecond, so several share one. */
  encodeAll(texts: readonly string[]): number[][] {
    const ids: number[][] = [];
    for (let from = 0; from < texts.length; from += textsADeadline)
      ids.push(...this.#pieces(texts.slice(from, from + textsADeadline)));
    return ids.map((one) => this.#withBos(one));
  }

  #withBos(ids: number[]): number[] {
    const bos = this.bosId;
    if (bos !== undefined && ids[0] !== bos) ids.unshift(bos);
    if (bos !== undefined && ids[0] === bos && ids[1] === bos) ids.shift();
    const outside = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < this.#vocabSize));
    if (outside !== undefined) {
      throw new SurgeryError(
        'config',
        `the tokenizer gives token ${outside}, the model's vocab_size is ${this.#vocabSize}: tokenizer.json belongs to another model`,
      );
    }
    return ids;
  }

  /** The tokenizer's own ids. Its patterns and tables come from a file: they may fail on a text, or never end. */
  #pieces(texts: readonly string[]): number[][] {
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    const seconds = 10 + Math.ceil(length / 10_000);
    try {
      return within(seconds * 1000, () => texts.map((text) => this.#inner.encode(text)));
    } catch (cause) {
      // One after the other: the first that fails is told, and each has its own time.
      if (texts.length > 1) return texts.flatMap((text) => this.#pieces([text]));
      const late = (cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
      const how = late ? `takes more than ${seconds} s for` : `fails on`;
      throw new SurgeryError(
        'config',
        `${this.#file} ${how} a text of ${length} characters: ${messageOf(cause)}`,
        cause,
      );
    }
  }

  /** Text of token ids, without BOS, EOS and other special tokens. */
  decode(ids: readonly number[]): string {
    return this.#inner.decode(ids);
  }

  /** A token as the vocabulary spells it, such as `▁the`; `#5` for an id that has no token. */
  piece(id: number): string {
    return this.#inner.idToToken(id) ?? `#${id}`;
  }

  /**
   * Text of a prompt and what follows it, of what follows alone, and what each new token adds to it: nothing for one that
   * leaves a character unfinished.
   */
  continuation(
    prompt: readonly number[],
    ids: readonly number[],
  ): { text: string; completion: string; pieces: string[] } {
    const stream = this.stream(prompt);
    const pieces = ids.slice(prompt.length).map((id) => stream.push(id));
    if (pieces.length > 0) pieces.push(`${pieces.pop()}${stream.flush()}`);
    return { text: this.decode(ids), completion: pieces.join(''), pieces };
  }

  get hasChatTemplate(): boolean {
    return this.#template !== undefined;
  }

  /**
   * The prompt that the model's own chat template makes of messages, ready for the assistant's answer.
   * @throws SurgeryError `config` if there is no template, it fails, or it may never end
   */
  chat(messages: readonly Message[]): string {
    if (this.#template === undefined)
      throw new SurgeryError('config', 'this model has no chat template: give --raw prompts');
    try {
      return renderTemplate(this.#template, {
        messages,
        add_generation_prompt: true,
        date_string: promptDate,
        ...this.#tokens,
      });
    } catch (cause) {
      throw new SurgeryError('config', `the model's chat template fails: ${messageOf(cause)}`, cause);
    }
  }

  /** A decoder for tokens that come one by one after `prompt`. */
  stream(prompt: readonly number[]): StreamDecoder {
    return new StreamDecoder((ids) => this.decode(ids), prompt);
  }
}

/**
 * The token that every text begins with. Having a BOS token is not enough: Qwen2 and SmolLM2 name one in their configs and
 * begin no text with it. It leads where the tokenizer puts it there, or its configuration says so, or where the tokenizer
 * is Llama's, which does so unless told otherwise. The tokenizer's BOS wins over that of config.json.
 */
function leadingId(
  inner: Pipeline,
  { bos_token, add_bos_token, tokenizer_class }: z.infer<typeof tokenizerConfigSchema>,
  { bosId, architecture }: LlamaConfig,
): number | undefined {
  const bos = (bos_token ? inner.tokenToId(bos_token) : undefined) ?? bosId;
  const isLlama = tokenizer_class
    ? /^(Code)?LlamaTokenizer/.test(tokenizer_class)
    : architecture !== 'Qwen2ForCausalLM';
  const leads = inner.encode('')[0] === bos || (add_bos_token ?? isLlama);
  return leads ? bos : undefined;
}

/**
 * Text of tokens as they come, never half a character: bytes of an unfinished one are held back.
 *
 * A token's text depends on its neighbours (a first space is dropped, bytes join to characters), so each step decodes a
 * short window that starts at the last clean cut, twice: without and with the new tokens. The difference is what is new.
 */
export class StreamDecoder {
  readonly #decode: (ids: readonly number[]) => string;
  #window: number[];
  /** Tokens of the window whose text was given out. */
  #given: number;

  constructor(decode: (ids: readonly number[]) => string, prompt: readonly number[]) {
    this.#decode = decode;
    this.#window = lastWhole(decode, prompt);
    this.#given = this.#window.length;
  }

  /** The text that this token completes, perhaps none. */
  push(id: number): string {
    this.#window.push(id);
    const text = this.#pending();
    if (text === '' || text.endsWith('\uFFFD')) return '';
    this.#window = this.#window.slice(this.#given);
    this.#given = this.#window.length;
    return text;
  }

  /** What was held back, at the end of the text: an unfinished character shows as U+FFFD. */
  flush(): string {
    const text = this.#pending();
    this.#given = this.#window.length;
    return text;
  }

  #pending(): string {
    return this.#decode(this.#window).slice(this.#decode(this.#window.slice(0, this.#given)).length);
  }
}

/**
 * The last eight tokens of a prompt, or up to three more: bytes that start inside a character can make U+FFFD of all bytes
 * that follow.
 */
function lastWhole(decode: (ids: readonly number[]) => string, prompt: readonly number[]): number[] {
  const damage = (ids: readonly number[]) => decode(ids).split('\uFFFD').length;
  const windows = [8, 9, 10, 11].map((length) => prompt.slice(-length));
  return windows.reduce((best, window) => (damage(window) < damage(best) ? window : best));
}

function parseJson(text: string, file: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw new SurgeryError('config', `${file} is not valid JSON: ${messageOf(cause)}`, cause);
  }
  throw new SurgeryError('config', `${file} does not hold a JSON object`);
}
