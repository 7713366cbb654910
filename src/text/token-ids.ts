// Token ids that a program gives: whether the model has them, and whether its context holds them.
import { createHash } from 'node:crypto';
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Allowed, described, requireArgument } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';

/** Names documents by their token ids and where each ends: SHA-256, in hexadecimal. */
export function documentsHash(documents: readonly (readonly number[])[]): string {
  return createHash('sha256').update(JSON.stringify(documents)).digest('hex');
}

const aListOfIds: Allowed = { words: 'a list of token ids, as Tokenizer.encode gives them', test: Array.isArray };

/** @throws SurgeryError `usage` for what is no list of the model's token ids */
export function requireIds(
  name: string,
  ids: unknown,
  { vocabSize }: Pick<LlamaConfig, 'vocabSize'>,
): asserts ids is readonly number[] {
  requireArgument(name, ids, aListOfIds);
  const list = ids as readonly unknown[];
  const at = list.findIndex((id) => !(Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize));
  if (at >= 0)
    throw new SurgeryError(
      'usage',
      `${name} holds ${described(list[at])}, allowed: token ids from 0 to ${vocabSize - 1}`,
    );
}

/**
 * @throws SurgeryError `usage` for what are no documents, `text` for one that is empty or longer than the context, and if
 * there is none
 */
export function requireDocumentIds(
  documents: readonly unknown[],
  config: Pick<LlamaConfig, 'vocabSize' | 'contextLength'>,
): asserts documents is readonly (readonly number[])[] {
  requireArgument('documents', documents, { words: 'a list of documents', test: Array.isArray });
  if (documents.length === 0) throw new SurgeryError('text', 'documents is [], allowed: at least one document');
  for (const [i, ids] of documents.entries()) {
    const name = `document ${i + 1}`;
    requireIds(name, ids, config);
    const { contextLength } = config;
    if (ids.length > contextLength)
      throw new SurgeryError(
        'text',
        `${name} has ${ids.length} tokens, the model's context is ${contextLength}: cut it`,
      );
    if (ids.length === 0) throw new SurgeryError('text', `${name} has no tokens: leave it out`);
  }
}
