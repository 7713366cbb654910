// The logit lens of a checkpoint in one call: prompts cell by cell, and averages over documents.
import { type Checkpoint, requireCheckpoint } from '../../checkpoint/reader.ts';
import { pointsOf } from '../../graph/taps.ts';
import { aCount, requireOptions } from '../../platform/arguments.ts';
import { itemAt } from '../../platform/indexing.ts';
import { type Documents, encodeDocuments } from '../../text/encode-documents.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { type VariantOptions, variantOptions } from '../variants.ts';
import { lensesOf } from './lens.ts';
import { type DepthProfiles, depthProfiles } from './over-text.ts';
import type { PromptLens } from './result.ts';
import { type LensSource, lensSources } from './source.ts';

export interface LensOptions extends VariantOptions {
  /** Likeliest tokens of each point and position. Default 5. */
  readonly topTokens?: number;
  /** Documents to average over. */
  readonly documents?: Documents;
  /** Of all random draws. Default 0. */
  readonly seed?: number;
}

export interface LensOfCheckpoint {
  /** Names of the points of the residual stream. */
  readonly points: readonly string[];
  /** For each prompt its tokens, and each model's cells, (points, positions). */
  readonly prompts: readonly Omit<PromptLens, 'prompt'>[];
  /** Averages over the documents, if there are any. */
  readonly text?: DepthProfiles;
}

/**
 * The logit lens at every point of the residual stream, of the original and of the variant that a recipe makes: all that
 * `surgery lens` measures.
 * @param given prompts: texts, which are read as they are, or token ids; longer ones are cut to the model's context
 * @throws SurgeryError `usage` for an argument that is not allowed, and for a recipe that this model does not allow, `text` for
 * prompts or documents that are empty or that the context does not hold, `numeric` for logits that are not finite
 */
export async function lens(
  checkpoint: Checkpoint,
  given: Documents,
  options: LensOptions = {},
): Promise<LensOfCheckpoint> {
  requireCheckpoint(checkpoint);
  requireOptions('lens', options, {
    ...variantOptions,
    topTokens: aCount(1, 1000),
    documents: { words: 'a list of texts or of lists of token ids', test: Array.isArray },
    seed: aCount(0),
  });
  const { topTokens = 5, documents, seed = 0, ...models } = options;
  const prompts = await encodeDocuments(given, checkpoint);
  const texts = documents && (await encodeDocuments(documents, checkpoint));
  const tokenizer = await Tokenizer.open(checkpoint);
  const sources = await lensSources(checkpoint, [...prompts, ...(texts ?? [])], models);
  try {
    const ofPrompts: Omit<PromptLens, 'prompt'>[] = [];
    for (const ids of prompts) ofPrompts.push(await promptLens(sources.models, ids, topTokens, tokenizer));
    const text = texts && (await depthProfiles(texts, sources.models, { seed, bosId: tokenizer.bosId }));
    return {
      points: pointsOf(checkpoint.config.layers, models.sublayers),
      prompts: ofPrompts,
      ...(text && { text }),
    };
  } finally {
    await sources.close();
  }
}

/** The lens of several models on one prompt, its tokens spelled. */
export async function promptLens(
  variants: readonly LensSource[],
  ids: readonly number[],
  topTokens: number,
  tokenizer: Tokenizer,
  onProgress?: (done: number, total: number) => void,
): Promise<Omit<PromptLens, 'prompt'>> {
  const cells = await lensesOf(variants, ids, topTokens, onProgress);
  const spelled = cells.map((rows) =>
    rows.map((row) =>
      row.map((cell) => ({ ...cell, top: cell.top.map((one) => ({ ...one, ...tokenizer.spelled(one.id) })) })),
    ),
  );
  return {
    ids,
    tokens: ids.map((id) => tokenizer.piece(id)),
    shown: ids.map((id) => tokenizer.shown(id)),
    variants: variants.map(({ name }, i) => ({ variant: name, cells: itemAt(spelled, i) })),
  };
}
