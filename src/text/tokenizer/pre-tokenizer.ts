// The second step of tokenizer.json: the text is cut to pieces, which the model then spells one by one.
import { z } from 'zod';
import { byteCharacters } from './bytes.ts';
import { compile, patternSchema, type Span, spans } from './pattern.ts';
import { type Makers, makeSteps } from './step.ts';
import { punctuation, whiteSpace, wordCharacters } from './unicode.ts';

/** What a piece becomes; `first` for one that stands at the beginning of the whole text. */
type Cut = (piece: string, first: boolean) => string[];

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
const behaviorSchema = z.enum(behaviors);
type Behavior = (typeof behaviors)[number];

const character = z.string().refine((text) => Array.from(text).length === 1, 'one character is expected');

/** Pieces of matches and what lies between, none of them empty. */
function pieces(parts: readonly Span[], behavior: Behavior): string[] {
  return join(parts, behavior).filter((piece) => piece !== '');
}

function join(parts: readonly Span[], behavior: Behavior): string[] {
  if (behavior === 'Isolated') return parts.map(({ text }) => text);
  if (behavior === 'Removed') return parts.filter(({ match }) => !match).map(({ text }) => text);
  const joined: string[] = [];
  let before = false;
  const backwards = behavior === 'MergedWithNext';
  for (const { text, match } of backwards ? parts.toReversed() : parts) {
    const joins = behavior === 'Contiguous' ? match === before : match && !before;
    const last = joins ? joined.pop() : undefined;
    joined.push(last === undefined ? text : backwards ? text + last : last + text);
    before = match;
  }
  return backwards ? joined.reverse() : joined;
}

/** GPT-2's own pattern. */
const byteLevel = compile({
  Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
});
const digit = /\p{N}/gu;
const blank = new RegExp(whiteSpace, 'gu');
const mark = new RegExp(punctuation, 'gu');
const words = new RegExp(`[${wordCharacters}]+|[^${wordCharacters}${whiteSpace}]+`, 'gu');

export const metaspaceSchema = z
  .object({
    replacement: character,
    prepend_scheme: z.enum(['first', 'never', 'always']).default('always'),
    add_prefix_space: z.boolean().nullish(),
    split: z.boolean().nullish(),
  })
  .refine(
    ({ add_prefix_space, prepend_scheme }) => add_prefix_space !== false || prepend_scheme === 'never',
    'add_prefix_space is false, prepend_scheme is not "never"',
  );

const makers: Makers<{ readonly cut: Cut; readonly asksFirst?: boolean }> = {
  ByteLevel: (step) => {
    const { add_prefix_space, use_regex } = step.fields(
      z.object({ add_prefix_space: z.boolean(), use_regex: z.boolean().default(true) }),
    );
    return {
      cut: (piece) => {
        const text = add_prefix_space && !piece.startsWith(' ') ? ` ${piece}` : piece;
        return use_regex ? pieces(spans(text, byteLevel), 'Isolated').map(byteCharacters) : [byteCharacters(text)];
      },
    };
  },
  Metaspace: (step) => {
    const { replacement, prepend_scheme, split } = step.fields(metaspaceSchema);
    const sign = compile({ String: replacement });
    return {
      asksFirst: prepend_scheme === 'first',
      cut: (piece, first) => {
        const text = piece.replaceAll(' ', () => replacement);
        const prepends = prepend_scheme === 'always' || (prepend_scheme === 'first' && first);
        const whole = prepends && !text.startsWith(replacement) ? replacement + text : text;
        return split === false ? [whole] : pieces(spans(whole, sign), 'MergedWithNext');
      },
    };
  },
  Split: (step) => {
    const { pattern, behavior, invert } = step.fields(
      z.object({ pattern: patternSchema, behavior: behaviorSchema, invert: z.boolean() }),
    );
    const compiled = compile(pattern);
    return {
      cut: (piece) => {
        const parts = spans(piece, compiled);
        return pieces(invert ? parts.map(({ text, match }) => ({ text, match: !match })) : parts, behavior);
      },
    };
  },
  Digits: (step) => {
    const { individual_digits } = step.fields(z.object({ individual_digits: z.boolean() }));
    return { cut: (piece) => pieces(spans(piece, digit), individual_digits ? 'Isolated' : 'Contiguous') };
  },
  Punctuation: (step) => {
    const { behavior } = step.fields(z.object({ behavior: behaviorSchema.default('Isolated') }));
    return { cut: (piece) => pieces(spans(piece, mark), behavior) };
  },
  Whitespace: () => ({ cut: (piece) => piece.match(words) ?? [] }),
  WhitespaceSplit: () => ({ cut: (piece) => pieces(spans(piece, blank), 'Removed') }),
  CharDelimiterSplit: (step) => {
    const { delimiter } = step.fields(z.object({ delimiter: character }));
    return { cut: (piece) => piece.split(delimiter).filter((part) => part !== '') };
  },
  FixedLength: (step) => {
    const { length } = step.fields(z.object({ length: z.int().positive().default(5) }));
    return {
      cut: (piece) => {
        const characters = Array.from(piece);
        const parts = Math.ceil(characters.length / length);
        return Array.from({ length: parts }, (_, i) => characters.slice(i * length, (i + 1) * length).join(''));
      },
    };
  },
};

/**
 * The `pre_tokenizer` of a tokenizer.json.
 * @param mayDropFirst whether the normalizer may take a text's first character away
 * @throws Error for a step that is not supported
 */
export function makePreTokenizer(part: unknown, mayDropFirst: boolean): Cut {
  const steps = makeSteps(part, 'pre_tokenizer', 'pretokenizers', makers);
  if (steps.some(({ asksFirst }, i) => asksFirst && (i > 0 || mayDropFirst)))
    throw new Error(
      `pre_tokenizer: Metaspace with prepend_scheme "first" is supported as the first step alone, and where the normalizer keeps each text's first character`,
    );
  return (text, atStart) => steps.reduce((all, { cut }) => all.flatMap((piece) => cut(piece, atStart)), [text]);
}
