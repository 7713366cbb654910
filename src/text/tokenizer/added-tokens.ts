// Added tokens such as <s>, outside the model's vocabulary: they are matched before the text is split.
import { z } from 'zod';
import { whiteSpace, wordCharacters } from './unicode.ts';

export const addedTokensSchema = z.array(
  z.object({
    content: z.string(),
    single_word: z.boolean(),
    lstrip: z.boolean(),
    rstrip: z.boolean(),
    normalized: z.boolean(),
    special: z.boolean(),
  }),
);

type AddedToken = z.infer<typeof addedTokensSchema>[number];

/** A part of a text: an added token's id, or text that starts at `at` (UTF-16 units). */
export type Segment = number | { readonly text: string; readonly at: number };

interface Entry {
  /** The text that the token is found as: normalised if the token is. */
  readonly text: string;
  readonly id: number;
  readonly token: AddedToken;
}

const startsWithWord = new RegExp(`^[${wordCharacters}]`, 'u');
const endsWithWord = new RegExp(`[${wordCharacters}]$`, 'u');
const blanks = new RegExp(`${whiteSpace}*`, 'yu');
const blank = new RegExp(whiteSpace, 'u');

export class AddedTokens {
  readonly #byId = new Map<number, Entry>();
  readonly #ids = new Map<string, number>();
  /** Contents that normalising changes, as it leaves them. */
  readonly #changed = new Map<number, string>();
  readonly #special = new Set<string>();
  readonly #raw: Finder;
  readonly #normalized: Finder;

  /**
   * Ids are the model's for a token that it has, else those after its vocabulary, in order: the file's own say no more.
   * @throws Error if two tokens are the same text after normalising, or one is empty
   */
  constructor(
    tokens: readonly AddedToken[],
    model: { readonly size: number; tokenToId(token: string): number | undefined },
    normalize: (text: string) => string,
  ) {
    let next = model.size;
    for (const token of tokens) {
      if (token.content === '') continue;
      const id = this.#ids.get(token.content) ?? model.tokenToId(token.content) ?? next++;
      this.#ids.set(token.content, id);
      if (token.special) this.#special.add(token.content);
      const text = token.normalized ? normalize(token.content) : token.content;
      if (text !== token.content) this.#changed.set(id, text);
      this.#byId.set(id, { text, id, token });
    }
    const entries = [...this.#byId.values()];
    this.#raw = new Finder(entries.filter(({ token }) => !token.normalized));
    this.#normalized = new Finder(entries.filter(({ token }) => token.normalized));
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** A token as decoders see it: normalised, where it is found so or an earlier one of the same content is. */
  idToToken(id: number): string | undefined {
    return this.#changed.get(id) ?? this.#byId.get(id)?.text;
  }

  isSpecial(token: string): boolean {
    return this.#special.has(token);
  }

  /** Cuts a text at the tokens that are found as they are written. */
  splitRaw(text: string): Segment[] {
    return this.#raw.split(text);
  }

  /** Cuts a normalised text at the tokens that are found in it. */
  splitNormalized(text: string): Segment[] {
    return this.#normalized.split(text);
  }
}

/** Finds texts in a text: the leftmost, of those that start there the longest, one after the other. */
class Finder {
  readonly #entries = new Map<string, Entry>();
  /** Lengths of the texts that start with a UTF-16 unit, the longest first: there may be thousands of `<unused…>`. */
  readonly #lengths = new Map<string, number[]>();
  readonly #starts: RegExp;

  constructor(entries: readonly Entry[]) {
    for (const entry of entries.toSorted((a, b) => b.text.length - a.text.length)) {
      const { text, token } = entry;
      if (text === '' || this.#entries.has(text))
        throw new Error(
          `added_tokens: "${token.content}" is ${text === '' ? 'no text' : 'the same as another'} once normalised`,
        );
      this.#entries.set(text, entry);
      const lengths = this.#lengths.get(text.charAt(0));
      if (!lengths) this.#lengths.set(text.charAt(0), [text.length]);
      else if (lengths.at(-1) !== text.length) lengths.push(text.length);
    }
    const units = [...this.#lengths.keys()].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    this.#starts = new RegExp(`[${units.join('')}]`, 'g');
  }

  split(text: string): Segment[] {
    const segments: Segment[] = [];
    let done = 0;
    for (let found = this.#find(text, 0); found; found = this.#find(text, found.to)) {
      const { token, id } = found.entry;
      let { from, to } = found;
      if (token.single_word && (endsWithWord.test(before(text, from)) || startsWithWord.test(text.slice(to, to + 2))))
        continue;
      if (token.lstrip) from = Math.max(withoutBlanks(text, from), done);
      if (token.rstrip) to = afterBlanks(text, to);
      if (done < from) segments.push({ text: text.slice(done, from), at: done });
      if (from < to) segments.push(id); // blanks may have gone to the token before
      done = to;
    }
    if (done !== text.length) segments.push({ text: text.slice(done), at: done });
    return segments;
  }

  #find(text: string, at: number): { entry: Entry; from: number; to: number } | undefined {
    this.#starts.lastIndex = at;
    for (let start = this.#starts.exec(text); start; start = this.#starts.exec(text)) {
      const from = start.index;
      for (const length of this.#lengths.get(start[0]) ?? []) {
        const entry = this.#entries.get(text.slice(from, from + length));
        if (entry) return { entry, from, to: from + entry.text.length }; // the text may end before
      }
    }
    return undefined;
  }
}

/** The character before a place: one or two UTF-16 units. */
function before(text: string, at: number): string {
  return Array.from(text.slice(Math.max(0, at - 2), at)).at(-1) ?? '';
}

/** Where the blanks begin that end at a place. */
function withoutBlanks(text: string, at: number): number {
  let start = at;
  while (start > 0 && blank.test(text.charAt(start - 1))) start--; // white space is one unit each
  return start;
}

/** Where the blanks end that begin at a place. */
function afterBlanks(text: string, at: number): number {
  blanks.lastIndex = at;
  return at + (blanks.exec(text)?.[0].length ?? 0);
}
