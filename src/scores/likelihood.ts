// How well a model predicts documents, and how far a variant's predictions are from the original's.

import { aFunction, optional, requireArgument } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { type Documents, encodeDocuments } from '../text/encode-documents.ts';
import { requireDocumentIds } from '../text/token-ids.ts';
import type { ChunkRule } from '../text/windows.ts';
import { type Described, describeRow, requireFinite } from './logits.ts';
import { type Model, requireModel } from './model.ts';
import { type Comparison, type Score, tokenScores } from './registry.ts';
import type { Shape, TokenScore } from './score.ts';
import { type Prediction, TokenSums } from './token-sums.ts';

/** A model's logits for documents: computed live, or read from a recording. */
export interface Predictions {
  readonly vocab: number;
  /** Logits after each token read. */
  chunks(document: number, read: readonly number[]): AsyncIterable<Chunk>;
}

/** Logits of consecutive tokens, (tokens, vocab), with the statistics of each row if they are already known. */
export interface Chunk {
  readonly logits: Float32Array;
  readonly rows?: readonly Described[];
}

/**
 * Sums over each document's tokens, in the order of the documents. Paired differences of two variants follow from them.
 */
export interface ByDocument {
  readonly tokens: readonly number[];
  readonly nll: readonly number[];
}

export interface Scores {
  readonly documents: number;
  /** Tokens scored. */
  readonly tokens: number;
  readonly original: Score;
  readonly originalByDocument: ByDocument;
  /** One for each variant, in order. */
  readonly variants: readonly Comparison[];
  /** KL is in nats, like nll. */
  readonly variantsByDocument: readonly (ByDocument & { readonly kl: readonly number[] })[];
}

/** What was scored, and by which rule. */
export interface ScoredText {
  /** File, dataset, or the name of the built-in text. */
  readonly text: string;
  /** Set where the documents are windows of all text joined. */
  readonly chunk?: 'stream';
  readonly documents: number;
  readonly tokens: number;
  /** Number of documents that were truncated. */
  readonly cut: number;
  /** Tokens of the truncated documents that are not read; not known of older results. */
  readonly unread?: number;
  /** Set where they were counted; else they are estimated, to one digit, from the tokens that are read. */
  readonly isCounted?: true;
  /** Length in tokens at which documents are truncated. */
  readonly maxTokens: number;
  readonly rule: string;
  /** How intervals are made. */
  readonly intervalRule: string;
}

/** The scoring rule in words, to be printed with the scores. */
export function scoringRule(hasBos: boolean): string {
  return `each document alone, ${hasBos ? 'BOS first' : "no BOS, as the model's tokenizer adds none"}, every position but the first scored, token-weighted mean, nats`;
}

/** The scoring rule of documents that are given as token ids. */
export const givenIdsRule =
  'token ids as given, each document alone, nothing added, every position but the first scored, token-weighted mean, nats';

/** The rule of the intervals in words, to be printed with them. */
export function intervalRule(chunk: ChunkRule): string {
  const unit = chunk === 'stream' ? 'windows' : 'documents';
  return `95 % bootstrap-t over ${unit}, 2,000 resamples, seed 0`;
}

/** Tokens between two calls of a progress callback. */
const progressTokens = 128;

/**
 * Scores a model on documents, and compares any number of variants with it. The original is computed once for all of
 * them.
 * Sums and log-softmax are in float64.
 * Every position of a document but the first is scored. Means are over tokens, in nats.
 * @param given documents: texts, which are cut to the model's context, or token ids, with BOS first where the model has one; ids
 * only where there are predictions and no model
 * @param onProgress called with the tokens scored so far and in all
 * @throws SurgeryError `usage` for an argument that is not allowed, `text` for a document that is empty or longer than the
 * context, and if none has two tokens, `numeric` for logits that are not finite
 */
export async function scoreDocuments(
  given: Documents,
  original: Model | Predictions,
  variants: readonly (Model | Predictions)[] = [],
  onProgress?: (done: number, total: number) => void,
): Promise<Scores> {
  requireArgument('variants', variants, { words: 'a list of {runtime, weights}', test: Array.isArray });
  requireArgument('onProgress', onProgress, optional(aFunction));
  const base = predicting('the original', original);
  const models = variants.map((variant, i) => predicting(`variants: model ${i + 1}`, variant));
  const documents = await idsOf(given, [original, ...variants], base.vocab);
  const sums = new ScoreSums(documents, variants.length);
  for (const [document, ids] of documents.entries()) {
    const others = models.map((model) => predictionsIn(model, document, ids));
    for await (const prediction of predictionsIn(base, document, ids)) {
      sums.addOriginal(document, prediction);
      for (const [i, other] of others.entries()) {
        const own = await other.next();
        if (own.done) throw new RangeError('a variant read fewer tokens than the original');
        sums.addVariant(i, document, own.value, prediction);
      }
      if (sums.done % progressTokens === 0 || sums.done === sums.tokens) onProgress?.(sums.done, sums.tokens);
    }
  }
  return sums.scores();
}

/** What an original and its variants come to over documents. Each model's predictions are added in the documents' order. */
export class ScoreSums {
  /** Tokens that are scored in all. */
  readonly tokens: number;
  /** Tokens of the original that were added. */
  done = 0;
  readonly #counts: readonly number[];
  readonly #original: Sums;
  readonly #variants: readonly Sums[];

  /** @throws SurgeryError `text` if no document has two tokens */
  constructor(documents: readonly (readonly number[])[], variants: number) {
    this.tokens = scoredTokens(documents);
    if (this.tokens === 0) throw new SurgeryError('text', 'no document has two tokens, so there is nothing to score');
    this.#counts = documents.map(countOf);
    this.#original = emptySums(this.#counts);
    this.#variants = Array.from({ length: variants }, () => emptySums(this.#counts));
  }

  addOriginal(document: number, prediction: Prediction): void {
    add(this.#original, document, prediction);
    this.done++;
  }

  addVariant(variant: number, document: number, prediction: Prediction, original: Prediction): void {
    add(itemAt(this.#variants, variant), document, prediction, original);
  }

  scores(): Scores {
    const byDocument = ({ nll }: Sums) => ({ tokens: this.#counts, nll: nll.sums });
    return {
      documents: this.#counts.length,
      tokens: this.tokens,
      original: scoreOf(this.#original),
      originalByDocument: byDocument(this.#original),
      variants: this.#variants.map((sums) => comparisonOf(sums, this.#original)),
      variantsByDocument: this.#variants.map((sums) => ({ ...byDocument(sums), kl: sums.kl.sums })),
    };
  }
}

/** Tokens of documents that are scored: all but the first of each. */
export function scoredTokens(documents: readonly (readonly number[])[]): number {
  return documents.reduce((sum, ids) => sum + countOf(ids), 0);
}

function countOf(ids: readonly number[]): number {
  return Math.max(ids.length - 1, 0);
}

/** @throws SurgeryError `usage` for what are neither a model nor predictions */
function predicting(name: string, model: Model | Predictions): Predictions {
  if (typeof model === 'object' && model !== null && 'chunks' in model) return model;
  requireModel(name, model);
  return predictionsOf(model);
}

/** The documents' ids. Without a model that is run there is no tokenizer for texts, and no context to keep to. */
async function idsOf(
  documents: Documents,
  models: readonly (Model | Predictions)[],
  vocabSize: number,
): Promise<readonly (readonly number[])[]> {
  const model = models.find((one) => 'runtime' in one);
  if (model) return encodeDocuments(documents, model.runtime.checkpoint);
  requireDocumentIds(documents, { vocabSize, contextLength: Number.POSITIVE_INFINITY });
  return documents;
}

function predictionsOf({ runtime, weights }: Model): Predictions {
  return {
    vocab: runtime.checkpoint.config.vocabSize,
    async *chunks(_, read) {
      for await (const logits of runtime.sequence(read.length, weights).readAll(read)) yield { logits };
    },
  };
}

/** @throws SurgeryError `numeric` for logits that are not finite */
export function describeRows(logits: Float32Array, vocab: number): Described[] {
  return Array.from({ length: logits.length / vocab }, (_, i) => {
    const described = describeRow(logits.subarray(i * vocab, (i + 1) * vocab));
    requireFinite(described.logSum);
    return described;
  });
}

/** A model's predictions of a document's tokens, one after the other: those of two models may come in other chunks. */
async function* predictionsIn(
  model: Predictions,
  document: number,
  ids: readonly number[],
): AsyncGenerator<Prediction, undefined> {
  const { vocab } = model;
  let at = 1;
  // The last token is predicted, never read.
  for await (const { logits, rows } of model.chunks(document, ids.slice(0, -1)))
    for (const [i, { top, logSum }] of (rows ?? describeRows(logits, vocab)).entries())
      yield { logits: logits.subarray(i * vocab, (i + 1) * vocab), target: itemAt(ids, at++), top, logSum };
}

/** A model's sums of every score. */
type Sums = Readonly<Record<keyof typeof tokenScores, TokenSums>>;
type ScoreName = keyof Sums;

/** Any of the scores. */
type AnyScore = Omit<TokenScore<Required<Shape>, string>, 'figures'>;
const scores = Object.entries(tokenScores) as unknown as (readonly [ScoreName, AnyScore])[];

function emptySums(counts: readonly number[]): Sums {
  return Object.fromEntries(scores.map(([name, score]) => [name, new TokenSums(counts, score)])) as Sums;
}

/** @param original what a variant is compared with; none for the original itself */
function add(sums: Sums, document: number, own: Prediction, original?: Prediction): void {
  for (const [name, { summarise }] of scores) if (original || summarise) sums[name].add(document, own, original ?? own);
}

function scoreOf(sums: Sums): Score {
  return Object.assign({}, ...scores.map(([name, score]) => score.summarise?.(sums[name])));
}

function comparisonOf(own: Sums, original: Sums): Comparison {
  const parts = scores.map(([name, score]) => score.compare?.(own[name], original[name]));
  const { kl, sameTop, deltaNll, intervals: _, ...others }: Comparison = Object.assign({}, ...parts);
  const intervals = Object.assign({}, ...parts.map((part) => part?.intervals));
  // Keys in the order that result files have had; those of other scores follow.
  return { ...scoreOf(own), kl, sameTop, deltaNll, intervals, ...others };
}
