// tokenizer.json as a whole: text to token ids and back, id for id as Python's `tokenizers` 0.23 gives them.
import { z } from 'zod';
import { AddedTokens, addedTokensSchema } from './added-tokens.ts';
import { BytePairs } from './bpe.ts';
import { bytesOf, makeDecoder } from './decoder.ts';
import { makeNormalizer } from './normalizer.ts';
import { makePostProcessor } from './post-processor.ts';
import { makePreTokenizer } from './pre-tokenizer.ts';
import { readFields } from './step.ts';
import { visible } from './visible.ts';

const encoder = new TextEncoder();

const definitionSchema = z.looseObject({ added_tokens: addedTokensSchema.default([]) });

/**
 * The tokenizer that a tokenizer.json describes. Its `truncation` and `padding` are left aside, as transformers does
 * unless it is asked.
 */
export class Pipeline {
  readonly #normalize: (text: string) => string;
  readonly #cut: (text: string, atStart: boolean) => string[];
  readonly #model: BytePairs;
  readonly #process: (ids: readonly number[]) => readonly number[];
  readonly #decode: (tokens: readonly string[]) => string;
  readonly #added: AddedTokens;

  /** @throws Error that names the part of the definition that is not supported, or is wrong */
  constructor(definition: unknown) {
    const { added_tokens, normalizer, pre_tokenizer, model, post_processor, decoder } = readFields(
      definition,
      'the file',
      definitionSchema,
    );
    const { normalize, mayDropFirst } = makeNormalizer(normalizer);
    this.#normalize = normalize;
    this.#cut = makePreTokenizer(pre_tokenizer, mayDropFirst);
    this.#model = new BytePairs(model);
    this.#process = makePostProcessor(post_processor);
    this.#decode = makeDecoder(decoder);
    this.#added = new AddedTokens(added_tokens, this.#model, normalize);
  }

  /**
   * Ids of a text. Halves of surrogate pairs count as U+FFFD, as in UTF-8.
   * @param addSpecialTokens whether the file's special tokens are put around it; those that the text spells count anyway
   */
  encode(text: string, addSpecialTokens = true): number[] {
    const ids: number[] = [];
    for (const raw of this.#added.splitRaw(text.replace(/\p{Surrogate}/gu, '\uFFFD')))
      if (typeof raw === 'number') ids.push(raw);
      else this.#encodeSection(raw.text, raw.at === 0, ids);
    return addSpecialTokens ? [...this.#process(ids)] : ids;
  }

  #encodeSection(section: string, atStart: boolean, ids: number[]): void {
    for (const part of this.#added.splitNormalized(this.#normalize(section)))
      if (typeof part === 'number') ids.push(part);
      else for (const piece of this.#cut(part.text, atStart && part.at === 0)) this.#model.spell(piece, ids);
  }

  /** Text of ids, without special tokens. Ids that have no token are left out. */
  decode(ids: readonly number[]): string {
    const tokens = ids.flatMap((id) => this.idToToken(id) ?? []);
    return this.#decode(tokens.filter((token) => !this.#added.isSpecial(token)));
  }

  tokenToId(token: string): number | undefined {
    return this.#added.tokenToId(token) ?? this.#model.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.#added.idToToken(id) ?? this.#model.idToToken(id);
  }

  /** A token as people read it, on one line: see {@link visible}. A special token by its name. */
  shown(id: number): string | undefined {
    const token = this.idToToken(id);
    if (token === undefined) return undefined;
    return visible(this.#added.isSpecial(token) ? encoder.encode(token) : bytesOf(token, this.#decode));
  }
}
