// The last step of tokenizer.json: tokens become text again.

import { z } from 'zod';
import { itemAt } from '../../platform/indexing.ts';
import { bytesOfTokens, textOfBytes } from './bytes.ts';
import { patternSchema, replacer } from './pattern.ts';
import { metaspaceSchema } from './pre-tokenizer.ts';
import { type Makers, makeSteps } from './step.ts';

type Decode = (tokens: readonly string[]) => string[];

const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const makers: Makers<Decode> = {
  ByteLevel: () => (tokens) => [textOfBytes(tokens)],
  ByteFallback: () => fallBack,
  Fuse: () => (tokens) => [tokens.join('')],
  Metaspace: (step) => {
    const { replacement, prepend_scheme } = step.fields(metaspaceSchema);
    const start = prepend_scheme === 'never' ? ' ' : '';
    return (tokens) => tokens.map((token, i) => token.replaceAll(replacement, i === 0 ? start : ' '));
  },
  Replace: (step) => {
    const { pattern, content } = step.fields(z.object({ pattern: patternSchema, content: z.string() }));
    const replace = replacer(pattern, content);
    return (tokens) => tokens.map(replace);
  },
  Strip: (step) => {
    const { content, start, stop } = step.fields(
      z.object({ content: z.string(), start: z.int().nonnegative(), stop: z.int().nonnegative() }),
    );
    return (tokens) => tokens.map((token) => strip(Array.from(token), content, start, stop));
  },
};

/** Tokens such as `<0x0A>` are bytes. A run of them is a text if the whole is UTF-8, else as many U+FFFD. */
function fallBack(tokens: readonly string[]): string[] {
  const decoded: string[] = [];
  let run: number[] = [];
  const close = () => {
    if (run.length > 0) decoded.push(...textOrMarks(Uint8Array.from(run)));
    run = [];
  };
  for (const token of tokens) {
    const byte = byteOf(token);
    if (byte !== undefined) run.push(byte);
    else {
      close();
      decoded.push(token);
    }
  }
  close();
  return decoded;
}

/** The byte that a token such as `<0x0A>` stands for. */
function byteOf(token: string): number | undefined {
  const hex = /^<0x(?:([\da-fA-F]{2})|\+([\da-fA-F]))>$/.exec(token);
  return hex ? Number.parseInt(hex[1] ?? itemAt(hex, 2), 16) : undefined;
}

function textOrMarks(bytes: Uint8Array): string[] {
  try {
    return [strict.decode(bytes)];
  } catch {
    return Array.from(bytes, () => '\uFFFD');
  }
}

/** Without up to `start` characters `content` at the start, and up to `stop` at the end. */
function strip(characters: readonly string[], content: string, start: number, stop: number): string {
  let from = 0;
  while (from < start && characters[from] === content) from++;
  let to = characters.length;
  while (characters.length - to < stop && characters[to - 1] === content) to--;
  return characters.slice(from, to).join('');
}

/**
 * The `decoder` of a tokenizer.json.
 * @throws Error for a step that is not supported
 */
export function makeDecoder(part: unknown): (tokens: readonly string[]) => string {
  if (part === null || part === undefined) return (tokens) => tokens.join(' ');
  const steps = makeSteps(part, 'decoder', 'decoders', makers);
  return (tokens) => steps.reduce<readonly string[]>((chain, decode) => decode(chain), tokens).join('');
}

/**
 * UTF-8 of one token inside a text, where no first space is dropped. Of a token that is a part of a character: its bytes.
 * @param decode as {@link makeDecoder} makes it
 */
export function bytesOf(token: string, decode: (tokens: readonly string[]) => string): Uint8Array {
  const before = 'a';
  const text = decode([before, token]).slice(decode([before, '']).length);
  if (!text.includes('\uFFFD')) return encoder.encode(text);
  const byte = byteOf(token);
  return byte === undefined ? Uint8Array.from(bytesOfTokens([token])) : Uint8Array.of(byte);
}
