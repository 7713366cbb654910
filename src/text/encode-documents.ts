// Documents as a program gives them, texts or token ids → token ids.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { requireArgument } from '../platform/arguments.ts';
import { itemAt } from '../platform/indexing.ts';
import { requireDocumentIds } from './token-ids.ts';
import { Tokenizer } from './tokenizer.ts';

/** Texts, or token ids with BOS first where the model has one, or some of each. */
export type Documents = readonly (string | readonly number[])[];

/**
 * The documents' token ids: texts are encoded, and cut to the model's context as the commands cut them.
 * @throws SurgeryError `usage` for what are no documents, `text` for ids that the context does not hold, and if there are
 * none; `config` for a tokenizer that is missing or damaged
 */
export async function encodeDocuments(documents: Documents, checkpoint: Checkpoint): Promise<(readonly number[])[]> {
  requireArgument('documents', documents, { words: 'a list of texts or of lists of token ids', test: Array.isArray });
  const { config } = checkpoint;
  const texts = documents.filter((document) => typeof document === 'string');
  const encoded = texts.length > 0 ? (await Tokenizer.open(checkpoint)).encodeAll(texts, config.contextLength) : [];
  let text = 0;
  const ids = documents.map((document) => (typeof document === 'string' ? itemAt(encoded, text++) : document));
  requireDocumentIds(ids, config);
  return ids;
}
