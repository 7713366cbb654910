// Energies along the directions of near-impossible tokens, of a checkpoint and a variant, in one call.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { aCount, requireOptions } from '../../platform/arguments.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { lensSources } from '../lens/source.ts';
import { type VariantOptions, variantOptions } from '../variants.ts';
import type { UnlikelyResult } from './result.ts';
import { unlikelyTokens } from './unlikely.ts';

export interface UnlikelyOptions extends VariantOptions {
  /** Of all random draws. Default 0. */
  readonly seed?: number;
}

/**
 * Whether the directions of tokens that almost never come next are reused inside, in the original and in the variant that a
 * recipe makes. This is what `surgery unlikely` does; its rule says what an energy is.
 * @param given documents: texts, which are cut to the model's context, or token ids
 * @returns for each model, the original first, energies at every point of the residual stream by band of probability; 1 is the
 * chance level
 * @throws SurgeryError `usage` for an argument that is not allowed, and for a recipe that this model does not allow, `text` for
 * documents that the context does not hold, `numeric` for logits that are not finite
 */
export async function unlikely(
  checkpoint: Checkpoint,
  given: Documents,
  options: UnlikelyOptions = {},
): Promise<UnlikelyResult['variants']> {
  requireCheckpoint(checkpoint);
  requireOptions('unlikely', options, { ...variantOptions, seed: aCount(0) });
  const { seed = 0, ...models } = options;
  const documents = await encodeDocuments(given, checkpoint);
  const { bosId } = await Tokenizer.open(checkpoint);
  const sources = await lensSources(checkpoint, documents, models);
  try {
    const measured: UnlikelyResult['variants'][number][] = [];
    for (const model of sources.models)
      measured.push({ variant: model.name, ...(await unlikelyTokens(documents, model, { seed, bosId })) });
    return measured;
  } finally {
    await sources.close();
  }
}
