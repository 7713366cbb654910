// The model of tokenizer.json, byte-pair encoding: the library joins the pairs, what it does not know is dealt with here.

import { BPE } from '@huggingface/tokenizers';
import { z } from 'zod';
import { shown } from '../../platform/errors.ts';
import { lookUp } from '../../platform/indexing.ts';
import { readFields } from './step.ts';

/** What is used of the library. Its own declarations cannot be found by Node's rules. */
declare module '@huggingface/tokenizers' {
  export class BPE {
    constructor(definition: { readonly vocab: object; readonly merges: readonly (readonly [string, string])[] });
    /** The tokens of a text after all merges; a character that is not in the vocabulary is one of its own. */
    bpe(text: string): string[];
  }
}

const modelSchema = z.object({
  type: z.literal('BPE').optional(),
  dropout: z.number().nullish(),
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().nullish(),
  end_of_word_suffix: z.string().nullish(),
  fuse_unk: z.boolean().nullish(),
  byte_fallback: z.boolean().nullish(),
  ignore_merges: z.boolean().nullish(),
  // Both have a hundred thousand entries: they are checked where they are read.
  vocab: z.unknown(),
  merges: z.array(z.unknown()),
});

const encoder = new TextEncoder();

type Definition = z.infer<typeof modelSchema> & { readonly vocab: Readonly<Record<string, unknown>> };

export class BytePairs {
  readonly #library: BPE;
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, string>();
  /** Ids of `<0x00>` and on, for those that stand for their bytes. */
  readonly #bytes: readonly (number | undefined)[];
  readonly #unknown: string | undefined;
  readonly #fuses: boolean;
  readonly #wholeFirst: boolean;

  /** @throws Error for a definition that is not supported or contradicts itself */
  constructor(part: unknown) {
    const definition = read(part);
    for (const [token, id] of Object.entries(definition.vocab)) {
      if (!(typeof id === 'number' && Number.isInteger(id) && id >= 0))
        throw new Error(`model.vocab: the id of ${shown(token)} is ${shown(id)}`);
      const other = this.#tokens.get(id);
      if (other !== undefined)
        throw new Error(`model.vocab: ${shown(other)} and ${shown(token)} have the same id ${id}`);
      this.#tokens.set(id, token);
      this.#ids.set(token, id);
    }
    const byteTokens = Array.from({ length: 256 }, (_, byte) => byteToken(byte));
    this.#bytes = byteTokens.map((token) => (definition.byte_fallback ? this.#ids.get(token) : undefined));
    this.#unknown = definition.unk_token ?? undefined;
    this.#fuses = definition.fuse_unk ?? false;
    this.#wholeFirst = definition.ignore_merges ?? false;
    const merges = pairs(definition.merges);
    this.#check(merges, new Set([...(definition.byte_fallback ? byteTokens : []), this.#unknown]));
    this.#library = new BPE({ vocab: definition.vocab, merges });
  }

  /** Each merge joins two tokens to a third, and none of them stands for what is not in the vocabulary. */
  #check(merges: readonly (readonly [string, string])[], stands: ReadonlySet<string | undefined>): void {
    for (const merge of merges) {
      const [left, right] = merge;
      if (!this.#ids.has(left) || !this.#ids.has(right) || !this.#ids.has(left + right))
        throw new Error(`model.merges: the vocabulary lacks a part or the whole of ${shown(merge)}`);
      if (stands.has(left) || stands.has(right))
        throw new Error(
          `model.merges: ${shown(merge)} joins a token that stands for unknown characters: not supported`,
        );
    }
  }

  get size(): number {
    return this.#ids.size;
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /**
   * Adds the ids that spell a piece of text to `ids`.
   * @throws Error for an unknown character if the token that stands for it is itself unknown
   */
  spell(piece: string, ids: number[]): void {
    const whole = this.#wholeFirst ? this.#ids.get(piece) : undefined;
    if (whole === undefined) this.#join(piece, ids);
    else ids.push(whole);
  }

  #join(piece: string, ids: number[]): void {
    const before = ids.length;
    let unknown = false;
    for (const token of this.#library.bpe(piece)) {
      const id = this.#ids.get(token);
      const bytes = id === undefined ? this.#bytesOf(token) : undefined;
      if (id === undefined && bytes === undefined && this.#unknown === undefined) {
        // Without a token for it, an unknown character is left out first, and what stands around it may join.
        ids.length = before;
        this.#join(this.#withoutUnknown(piece), ids);
        return;
      }
      // Bytes do not end a run of unknown characters, and come before its token.
      if (unknown && bytes === undefined && (id !== undefined || !this.#fuses)) ids.push(this.#unknownId());
      if (id !== undefined) ids.push(id);
      if (bytes !== undefined) ids.push(...bytes);
      else unknown = id === undefined;
    }
    if (unknown) ids.push(this.#unknownId());
  }

  #withoutUnknown(piece: string): string {
    return Array.from(piece)
      .filter((character) => this.#ids.has(character) || this.#bytesOf(character))
      .join('');
  }

  /** The ids of a character's bytes, if all are in the vocabulary. */
  #bytesOf(character: string): number[] | undefined {
    const ids = Array.from(encoder.encode(character), (byte) => this.#bytes[byte]);
    return ids.every((id) => id !== undefined) ? ids : undefined;
  }

  #unknownId(): number {
    const id = lookUp(this.#ids, this.#unknown);
    if (id === undefined) throw new Error(`model.unk_token ${shown(this.#unknown)} is not in the vocabulary`);
    return id;
  }
}

function read(part: unknown): Definition {
  const { type } = z.looseObject({ type: z.unknown() }).catch({ type: undefined }).parse(part);
  if (type !== undefined && type !== 'BPE') throw new Error(`model: type ${shown(type)} is not supported (BPE is)`);
  const definition = readFields(part, 'model', modelSchema);
  const { vocab } = definition;
  if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length === 0)
    throw new Error(`model.vocab is ${shown(vocab)}`);
  if (definition.dropout)
    throw new Error(`model.dropout is ${definition.dropout}: ids that are random are not supported`);
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix'] as const)
    if (definition[key]) throw new Error(`model.${key} is ${shown(definition[key])}: not supported`);
  return { ...definition, vocab: vocab as Record<string, unknown> };
}

/** Merges as pairs. Old files have them as lines of two tokens, the first of which may name a version. */
function pairs(merges: readonly unknown[]): [string, string][] {
  return merges.flatMap((merge, i): [string, string][] => {
    if (typeof merge === 'string' && merge.startsWith('#version')) return [];
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    const [left, right]: unknown[] = Array.isArray(pair) && pair.length === 2 ? pair : [];
    if (typeof left === 'string' && typeof right === 'string') return [[left, right]];
    throw new Error(`model.merges[${i}] is ${shown(merge)}: two tokens are expected`);
  });
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
