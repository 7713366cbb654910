// A tokenizer's special tokens: what its files and its class name, by the rules of transformers 5.
import { join } from 'node:path';
import type { Architecture } from '../checkpoint/architectures.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { SurgeryError, shown } from '../platform/errors.ts';
import { isObject, parseJsonFile } from '../platform/strict-json.ts';

/** A token that is found in a text as it stands, in tokenizer.json's own words. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
}

type Fields = Readonly<Record<string, unknown>>;
type Flags = Omit<AddedToken, 'id'>;

export interface SpecialTokens {
  /** Texts by the names that templates know: bos_token, eos_token and so on, and a model's own, such as image_token. */
  readonly named: Readonly<Record<string, string>>;
  /** Those that tokenizer.json does not have among its added tokens. */
  readonly missing: readonly AddedToken[];
  /** Contents that are special even where tokenizer.json says otherwise. */
  readonly special: ReadonlySet<string>;
}

const standard = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
const lists = ['additional_special_tokens', 'extra_special_tokens'];

/** What a class of transformers names where no file does, by the class without "Fast". */
const endOfText = '<|endoftext|>';
const llama = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' };
const gpt2 = { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText };
const qwen2 = { eos_token: endOfText, unk_token: endOfText, pad_token: endOfText };
const classes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  LlamaTokenizer: llama,
  CodeLlamaTokenizer: llama,
  GPT2Tokenizer: gpt2,
  CodeGenTokenizer: gpt2,
  GPTNeoXTokenizer: { ...gpt2, pad_token: '<|padding|>' },
  Qwen2Tokenizer: qwen2,
};

/**
 * The special tokens of a tokenizer.
 *
 * special_tokens_map.json and added_tokens.json count where tokenizer_config.json has no `added_tokens_decoder`, and then
 * before it. A token that a vocabulary has keeps its id there; any other follows the last one.
 * @param config tokenizer_config.json
 * @param definition tokenizer.json
 * @throws SurgeryError `config` for a file that is not a JSON object, or a token that is not a string
 */
export async function specialTokens(
  folder: string,
  config: Fields,
  definition: Fields,
  architecture: Architecture,
): Promise<SpecialTokens> {
  const isWhole = Object.hasOwn(config, 'added_tokens_decoder');
  const map = isWhole ? {} : await readFields(folder, 'special_tokens_map.json');
  const added = isWhole ? {} : await readFields(folder, 'added_tokens.json');
  const sources = [
    { file: 'tokenizer.json', fields: paddingOf(definition) },
    { file: 'its class', fields: classTokens(config, definition, architecture) },
    { file: join(folder, 'tokenizer_config.json'), fields: config },
    { file: join(folder, 'special_tokens_map.json'), fields: map },
  ];
  const named = new Map<string, Flags>();
  const others: Flags[] = [];
  for (const { file, fields } of sources)
    for (const [name, value] of Object.entries(fields)) {
      const where = `${file}: ${name}`;
      if (lists.includes(name)) {
        if (Array.isArray(value)) others.push(...value.map((one) => flagsOf(one, true, where)));
        else for (const [own, one] of Object.entries(value ?? {})) named.set(own, flagsOf(one, true, where));
      } else if (value === null) named.delete(name);
      else if (standard.includes(name) || (name.endsWith('_token') && isToken(value)))
        named.set(name, flagsOf(value, true, where));
    }
  const decoder = Object.entries(isWhole ? (config.added_tokens_decoder ?? {}) : {});
  const first = [
    ...decoder.map(([id, one]) => ({ id: Number(id), flags: flagsOf(one, false, `added_tokens_decoder.${id}`) })),
    ...Object.entries(added).map(([content, id]) => ({ id: Number(id), flags: flagsOf(content, false, content) })),
  ].sort((a, b) => a.id - b.id);
  const special = [...named.values(), ...others];
  const isSpecial = ({ content }: Flags) => special.some((one) => one.content === content);
  const all = [...first.map(({ flags }) => (isSpecial(flags) ? { ...flags, special: true } : flags)), ...special];
  return {
    named: Object.fromEntries([...named].map(([name, { content }]) => [name, content])),
    missing: missingFrom(definition, all),
    special: new Set(
      [...named.values(), ...first.map(({ flags }) => flags).filter((one) => one.special)].map((one) => one.content),
    ),
  };
}

/** Those that are not among tokenizer.json's added tokens, each once, with their ids. */
function missingFrom(definition: Fields, tokens: readonly Flags[]): AddedToken[] {
  const { added_tokens, model } = definition as { added_tokens?: unknown; model?: { vocab?: unknown } };
  const present = (Array.isArray(added_tokens) ? added_tokens : []) as readonly Partial<AddedToken>[];
  const seen = new Set(['', ...present.map(({ content }) => content)]);
  const vocab = vocabularyOf(model?.vocab);
  let next = Math.max(vocab.size, ...present.map(({ id }) => (id ?? -1) + 1));
  const missing: AddedToken[] = [];
  for (const token of tokens) {
    if (seen.has(token.content)) continue;
    seen.add(token.content);
    missing.push({ id: vocab.get(token.content) ?? next++, ...token });
  }
  return missing;
}

/** Ids by piece: of an object, or of a list of pieces with their scores. */
function vocabularyOf(vocab: unknown): ReadonlyMap<unknown, number> {
  if (Array.isArray(vocab)) return new Map(vocab.map((piece, id) => [Array.isArray(piece) ? piece[0] : piece, id]));
  return new Map(Object.entries((vocab ?? {}) as Readonly<Record<string, number>>));
}

const isToken = (value: unknown): value is string | { readonly content: string } =>
  typeof value === 'string' ||
  (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string');

/** @throws SurgeryError `config` for what is neither a text nor an object with one */
function flagsOf(value: unknown, special: boolean, where: string): Flags {
  if (!isToken(value))
    throw new SurgeryError('config', `${where} is ${shown(value)}, allowed: a text, or an object with its content`);
  const given: Partial<AddedToken> = typeof value === 'string' ? {} : value;
  const isSpecial = special || given.special === true;
  return {
    content: typeof value === 'string' ? value : value.content,
    special: isSpecial,
    single_word: given.single_word ?? false,
    lstrip: given.lstrip ?? false,
    rstrip: given.rstrip ?? false,
    normalized: given.normalized ?? !isSpecial,
  };
}

/** tokenizer.json names a padding token where it says how to pad. */
function paddingOf({ padding }: Fields): Fields {
  const { pad_token } = (padding ?? {}) as { pad_token?: unknown };
  return pad_token === undefined ? {} : { pad_token };
}

/** Tokens of the class that transformers chooses: Qwen2's for its models, the plain one for Mistral and byte-level Llamas. */
function classTokens({ tokenizer_class }: Fields, definition: Fields, architecture: Architecture): Fields {
  if (architecture === 'Qwen2ForCausalLM') return qwen2;
  const name = typeof tokenizer_class === 'string' ? tokenizer_class.replace(/Fast$/, '') : '';
  const isBytes = JSON.stringify([definition.pre_tokenizer, definition.decoder]).includes('"ByteLevel"');
  if (architecture === 'MistralForCausalLM' || (name === 'LlamaTokenizer' && isBytes)) return {};
  return Object.hasOwn(classes, name) ? (classes[name] ?? {}) : {};
}

async function readFields(folder: string, name: string): Promise<Fields> {
  const text = await readText(folder, name, maxBytes.tokenizerConfig);
  if (text === undefined) return {};
  const value = parseJsonFile(text, 'config', join(folder, name));
  if (isObject(value)) return value;
  throw new SurgeryError('config', `${join(folder, name)} does not hold a JSON object`);
}
