// The first step of tokenizer.json: changes of the text itself, such as Unicode's normal forms or blanks as `▁`.
import { z } from 'zod';
import { byteCharacters } from './bytes.ts';
import { mayBeEmpty, patternSchema, replacer } from './pattern.ts';
import { type Makers, makeSteps } from './step.ts';
import { combiningMark, normalForm, whiteSpace } from './unicode.ts';

export interface Normalizer {
  normalize(text: string): string;
  /** Whether the text's first character may go, which matters to what asks where the text begins. */
  readonly mayDropFirst: boolean;
}

const nothing = /(?:)/;
const leadingSpace = new RegExp(`^${whiteSpace}+`, 'u');
const trailingSpace = new RegExp(`(?<!${whiteSpace})${whiteSpace}+$`, 'u');
const marks = new RegExp(combiningMark, 'gu');

const keeps = (normalize: (text: string) => string): Normalizer => ({ normalize, mayDropFirst: false });
const drops = (normalize: (text: string) => string): Normalizer => ({ normalize, mayDropFirst: true });

const makers: Makers<Normalizer> = {
  NFC: () => keeps((text) => normalForm(text, 'NFC')),
  NFD: () => keeps((text) => normalForm(text, 'NFD')),
  NFKC: () => keeps((text) => normalForm(text, 'NFKC')),
  NFKD: () => keeps((text) => normalForm(text, 'NFKD')),
  // One character at a time: JavaScript looks around for the form of a last sigma.
  Lowercase: () =>
    keeps((text) =>
      text.replace(/\P{ASCII}/gu, (one) => one.toLowerCase()).replace(/[A-Z]/g, (one) => one.toLowerCase()),
    ),
  StripAccents: () => drops((text) => text.replace(marks, '')),
  ByteLevel: () => keeps(byteCharacters),
  Prepend: (step) => {
    const { prepend } = step.fields(z.object({ prepend: z.string() }));
    return keeps((text) => (text === '' ? '' : prepend + text));
  },
  Strip: (step) => {
    const { strip_left, strip_right } = step.fields(z.object({ strip_left: z.boolean(), strip_right: z.boolean() }));
    const [left, right] = [strip_left ? leadingSpace : nothing, strip_right ? trailingSpace : nothing];
    return { normalize: (text) => text.replace(left, '').replace(right, ''), mayDropFirst: strip_left };
  },
  Replace: (step) => {
    const { pattern, content } = step.fields(z.object({ pattern: patternSchema, content: z.string() }));
    // What is put where nothing was makes `tokenizers` repeat characters in later steps.
    if (mayBeEmpty(pattern)) throw new Error(`${step.where}: a pattern that may match nothing is not supported`);
    const one = 'String' in pattern && Array.from(pattern.String).length === 1 && content !== '';
    return { normalize: replacer(pattern, content), mayDropFirst: !one };
  },
};

/**
 * The `normalizer` of a tokenizer.json.
 * @throws Error for a step that is not supported
 */
export function makeNormalizer(part: unknown): Normalizer {
  const steps = makeSteps(part, 'normalizer', 'normalizers', makers);
  return {
    normalize: (text) => steps.reduce((changed, step) => step.normalize(changed), text),
    mayDropFirst: steps.some(({ mayDropFirst }) => mayDropFirst),
  };
}
