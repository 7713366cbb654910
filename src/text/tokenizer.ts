// Text → token ids and back, by the checkpoint's own tokenizer.json, chat template included.
import { join } from 'node:path';
import { z } from 'zod';
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { aCount, aList, aText, isPlainObject, requireArgument } from '../platform/arguments.ts';
import { messageOf, SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { ChatTemplate, chatTemplate, type Message, roles } from './chat.ts';
import { within } from './deadline.ts';
import { type SpecialTokens, specialTokens } from './special-tokens.ts';
import { requireIds } from './token-ids.ts';
import { Pipeline } from './tokenizer/pipeline.ts';

const templates = z.union([
  z.array(z.object({ name: z.string(), template: z.string() })),
  z.record(z.string(), z.string()),
]);

const tokenizerConfigSchema = z.looseObject({
  add_bos_token: z.boolean().nullish(),
  tokenizer_class: z.string().nullish(),
  chat_template: z
    .union([
      z.string(),
      templates.transform(
        (named) => new Map(Array.isArray(named) ? named.map((one) => [one.name, one.template]) : Object.entries(named)),
      ),
    ])
    .nullish(),
});

/** Texts that share a deadline. */
const textsADeadline = 64;

/** Characters of a text that are encoded first, for each of the tokens that are wanted of it. */
const charactersAToken = 8;

/** Tokens at the end of a part of a text may differ from those of the whole: so many more are encoded. */
const margin = 64;

const messageList = aList(
  {
    words: '',
    test: (value) =>
      isPlainObject(value) && typeof value.content === 'string' && roles.includes(value.role as Message['role']),
  },
  `a list of {"role", "content"}, with a role of ${roles.join(', ')}`,
  1,
);

export class Tokenizer {
  readonly #inner: Pipeline;
  readonly #file: string;
  /** What every text begins with; undefined for a model whose texts begin with nothing. */
  readonly bosId: number | undefined;
  readonly #vocabSize: number;
  readonly #tokens: SpecialTokens['named'];
  readonly #template: ChatTemplate | SurgeryError | undefined;

  private constructor(
    inner: Pipeline,
    checkpoint: Checkpoint,
    bosId: number | undefined,
    tokens: SpecialTokens['named'],
    template: string | SurgeryError | undefined,
  ) {
    this.#inner = inner;
    this.#file = join(checkpoint.folder, 'tokenizer.json');
    this.bosId = bosId;
    this.#vocabSize = checkpoint.config.vocabSize;
    this.#tokens = tokens;
    this.#template = typeof template === 'string' ? new ChatTemplate(template, tokens) : template;
  }

  /** @throws SurgeryError `config` if the folder's tokenizer files are missing or damaged */
  static async open(checkpoint: Checkpoint): Promise<Tokenizer> {
    requireCheckpoint(checkpoint);
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
    const special = await specialTokens(checkpoint.folder, config, definition, checkpoint.config.architecture);
    const { named } = special;
    let inner: Pipeline;
    try {
      // Added tokens are normalised by the file's own patterns.
      inner = within(60_000, () => new Pipeline(withTokens(definition, special)));
    } catch (cause) {
      throw new SurgeryError('config', `${file} cannot be read as a tokenizer: ${messageOf(cause)}`, cause);
    }
    return new Tokenizer(
      inner,
      checkpoint,
      leadingId(inner, config, named.bos_token, checkpoint.config),
      named,
      await chatTemplate(checkpoint.folder, config.chat_template ?? undefined),
    );
  }

  /**
   * Encodes a text as token ids, with BOS first (and only once) if the model's texts begin with one.
   * @param maxTokens the first so many tokens, without encoding the rest of a long text. Default: all
   * @throws SurgeryError `config` for ids beyond the model's vocabulary, `usage` for what is no text
   */
  encode(text: string, maxTokens?: number): number[] {
    return itemAt(this.encodeAll([text], maxTokens), 0);
  }

  /** {@link encode} of each text. */
  encodeAll(texts: readonly string[], maxTokens = Number.MAX_SAFE_INTEGER): number[][] {
    requireArgument('texts', texts, { words: 'a list of texts', test: Array.isArray });
    for (const text of texts) requireArgument('the text', text, aText);
    requireArgument('maxTokens', maxTokens, aCount(1));
    const first = charactersAToken * maxTokens;
    const starts = this.#encodeWhole(texts.map((text) => text.slice(0, first)));
    return texts.map((text, i) => {
      let ids = itemAt(starts, i);
      for (let length = first; length < text.length && ids.length <= maxTokens + margin; ) {
        length *= 2;
        ids = itemAt(this.#encodeWhole([text.slice(0, length)]), 0);
      }
      return ids.length > maxTokens ? ids.slice(0, maxTokens) : ids;
    });
  }

  /** A deadline costs about a millisecond, so several texts share one. */
  #encodeWhole(texts: readonly string[]): number[][] {
    const ids: number[][] = [];
    for (let from = 0; from < texts.length; from += textsADeadline)
      ids.push(...this.#pieces(texts.slice(from, from + textsADeadline)));
    return ids.map((one) => this.#withBos(one));
  }

  /**
   * Encodes a prompt made by {@link chat}. The template writes its special tokens itself: none is added, none taken
   * away, as transformers' `apply_chat_template` does it.
   * @throws SurgeryError `config` for ids beyond the model's vocabulary
   */
  encodeChat(prompt: string): number[] {
    requireArgument('the prompt', prompt, aText);
    return this.#requireKnown(this.#pieces([prompt], false).flat());
  }

  #withBos(ids: number[]): number[] {
    const bos = this.bosId;
    if (bos !== undefined && ids[0] !== bos) ids.unshift(bos);
    if (bos !== undefined && ids[0] === bos && ids[1] === bos) ids.shift();
    return this.#requireKnown(ids);
  }

  #requireKnown(ids: number[]): number[] {
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
  #pieces(texts: readonly string[], addSpecialTokens = true): number[][] {
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    const seconds = 10 + Math.ceil(length / 10_000);
    try {
      return within(seconds * 1000, () => texts.map((text) => this.#inner.encode(text, addSpecialTokens)));
    } catch (cause) {
      // One after the other: the first failure is reported, and each text has its own deadline.
      if (texts.length > 1) return texts.flatMap((text) => this.#pieces([text], addSpecialTokens));
      const late = (cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
      const how = late ? `takes more than ${seconds} s for` : `fails on`;
      throw new SurgeryError(
        'config',
        `${this.#file} ${how} a text of ${length} characters: ${messageOf(cause)}`,
        cause,
      );
    }
  }

  /** Decodes token ids, leaving out BOS, EOS and other special tokens. */
  decode(ids: readonly number[]): string {
    requireIds('ids', ids, { vocabSize: this.#vocabSize });
    return this.#inner.decode(ids);
  }

  /** A token as the vocabulary spells it, such as `▁the`; `#5` for an id that has no token. */
  piece(id: number): string {
    requireIds('id', [id], { vocabSize: this.#vocabSize });
    return this.#inner.idToToken(id) ?? `#${id}`;
  }

  /**
   * A token as people read it, on one line: `·the`, `⏎`, `⇥`, `⟨U+00A0⟩` for a no-break space, `⟨E2⟩` for a byte of a
   * character, `<|im_end|>`, and `#5` for an id that has no token.
   */
  shown(id: number): string {
    return this.#inner.shown(id) ?? `#${id}`;
  }

  /** Both, as results hold a token. */
  spelled(id: number): { token: string; shown: string } {
    return { token: this.piece(id), shown: this.shown(id) };
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
   * Renders messages with the model's own chat template, ready for the assistant's answer, or for more of it
   * where the last message is the assistant's.
   * @param date that the template sees as today's. Default: {@link chatDate}
   * @throws SurgeryError `config` if there is no template, there are several and none is the default, it fails, or it may never end
   */
  chat(messages: readonly Message[], date?: Date): string {
    requireArgument('messages', messages, messageList);
    if (date !== undefined)
      requireArgument('date', date, {
        words: 'a Date',
        test: (one) => one instanceof Date && !Number.isNaN(one.valueOf()),
      });
    if (this.#template === undefined)
      throw new SurgeryError('config', 'this model has no chat template: give --raw prompts');
    if (this.#template instanceof SurgeryError) throw this.#template;
    return this.#template.prompt(messages, date);
  }

  /** The date that the chat template sees where none is given, at midnight. Undefined if it uses none. */
  get chatDate(): Date | undefined {
    return this.#template instanceof ChatTemplate ? this.#template.date : undefined;
  }

  /** Whether {@link chatDate} is another one tomorrow. */
  get readsClock(): boolean {
    return this.#template instanceof ChatTemplate && this.#template.readsClock;
  }

  /** The token that ends a text, undefined if the tokenizer names none. */
  get eosId(): number | undefined {
    const { eos_token } = this.#tokens;
    return eos_token === undefined ? undefined : this.#inner.tokenToId(eos_token);
  }

  /** A decoder for tokens that come one by one after `prompt`. */
  stream(prompt: readonly number[]): StreamDecoder {
    return new StreamDecoder((ids) => this.decode(ids), prompt);
  }
}

/**
 * The token that every text begins with. Having a BOS token is not enough: Qwen2 and SmolLM2 name one in their configs and
 * begin no text with it. It leads where the tokenizer puts it there, or its configuration says so, or where the tokenizer
 * is Llama's, which does so by default. The tokenizer's BOS wins over that of config.json.
 */
function leadingId(
  inner: Pipeline,
  { add_bos_token, tokenizer_class }: z.infer<typeof tokenizerConfigSchema>,
  token: string | undefined,
  { bosId, architecture, vocabSize }: LlamaConfig,
): number | undefined {
  const own = token ? inner.tokenToId(token) : undefined;
  const bos = own !== undefined && own < vocabSize ? own : bosId;
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

/** tokenizer.json with the tokens that other files name: those it lacks, and special where they say so. */
function withTokens(definition: object, { missing, special }: SpecialTokens): object {
  const { added_tokens } = definition as { added_tokens?: unknown };
  if (added_tokens !== undefined && !Array.isArray(added_tokens)) return definition;
  const own = (added_tokens ?? []).map((token: { content?: unknown } | null) =>
    typeof token?.content === 'string' && special.has(token.content) ? { ...token, special: true } : token,
  );
  return { ...definition, added_tokens: [...own, ...missing] };
}

function parseJson(text: string, file: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch (cause) {
    throw new SurgeryError('config', `${file} is not valid JSON: ${messageOf(cause)}`, cause);
  }
  throw new SurgeryError('config', `${file} does not hold a JSON object`);
}
