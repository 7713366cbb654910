// All text as one stream, cut into consecutive windows: how llama.cpp's perplexity and most papers score a long text.
import { counted } from '../platform/counts.ts';

/** What is scored at a time: each document alone, or windows of all text. */
export const chunkRules = ['documents', 'stream'] as const;
export type ChunkRule = (typeof chunkRules)[number];

/** Joins texts, with a line break between two of them if the first does not end in one. */
export function joinTexts(texts: readonly string[]): string {
  return texts.map((text, i) => (i === texts.length - 1 || text.endsWith('\n') ? text : `${text}\n`)).join('');
}

/** Consecutive pieces of a stream of tokens. */
export interface Windows {
  /** Token ids, each `length` long, or a single shorter one. */
  readonly windows: readonly (readonly number[])[];
  /** Tokens after the last whole window, which are not read. */
  readonly rest: number;
}

/**
 * Cuts token ids into consecutive windows of `length` tokens. As in llama.cpp's perplexity, BOS takes the place of each
 * window's first token, which is never scored anyway, and what does not fill a window at the end is left out; a text
 * that is shorter than one window is one.
 * @param ids of the whole text, BOS first where the tokenizer adds one
 */
export function windowsOf(ids: readonly number[], length: number, bosId: number | undefined): Windows {
  const count = Math.floor(ids.length / length);
  if (count === 0) return { windows: ids.length > 0 ? [ids] : [], rest: 0 };
  const windows = Array.from({ length: count }, (_, i) => {
    const own = ids.slice(i * length, (i + 1) * length);
    return bosId === undefined ? own : [bosId, ...own.slice(1)];
  });
  return { windows, rest: ids.length - count * length };
}

/**
 * The scoring rule of a stream in words, to be printed with the figures.
 * @param rest tokens left out at its end; undefined where only its beginning was wanted
 */
export function streamRule(texts: number, length: number, rest: number | undefined, hasBos: boolean): string {
  const end = rest === undefined ? 'only the first ones' : rest > 0 && `the last ${counted(rest, 'token')} left out`;
  return [
    `${counted(texts, 'text')} joined, a line break between two where the first has none at its end, tokenised as one`,
    [`consecutive windows of ${counted(length, 'token')}`, end].filter(Boolean).join(', '),
    hasBos ? "BOS in place of each window's first token" : "no BOS, as the model's tokenizer adds none",
    'every position of a window but the first scored, token-weighted mean, nats',
  ].join(', ');
}
