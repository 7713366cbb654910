// The outliers of a checkpoint in one call.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { type AllowedOptions, aCount, requireOptions } from '../../platform/arguments.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { findOutliers } from './outliers.ts';
import type { OutlierLayer } from './result.ts';

export interface OutlierOptions {
  /** Threads. Default: one a core. */
  readonly threads?: number | undefined;
  /** Bytes of memory that weights and activations may take, as in `Walk`. */
  readonly memory?: number | undefined;
}

const outlierOptions: AllowedOptions<OutlierOptions> = { threads: aCount(1, 256), memory: aCount(1) };

/**
 * The largest input and output of each layer's down projection over the documents, the single weight that joins them, and
 * norms of the residual stream at first and later positions. This is what `surgery outliers` lists.
 * @param given documents: texts, which are cut to the model's context, or token ids
 * @throws SurgeryError `usage` for an argument that is not allowed, `text` for documents that the context does not hold,
 * `numeric` for values that are not finite
 */
export async function outliers(
  checkpoint: Checkpoint,
  given: Documents,
  options: OutlierOptions = {},
): Promise<readonly OutlierLayer[]> {
  requireCheckpoint(checkpoint);
  requireOptions('outliers', options, outlierOptions);
  const documents = await encodeDocuments(given, checkpoint);
  const tokenizer = await Tokenizer.open(checkpoint);
  return findOutliers(checkpoint, documents, (id) => tokenizer.spelled(id), options);
}
