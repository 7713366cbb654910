// How well a model predicts documents, and how far a variant's predictions are from the original's.

import { itemAt } from '../platform/indexing.ts';
import type { Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import type { ChunkRule } from '../text/windows.ts';
import { type Described, describeRow, klDivergence, requireFinite } from './logits.ts';
import { bootstrap, summarise } from './statistics.ts';

/** A session and a variant's weights, from `Runtime.variant`. Without weights: the original. */
export interface Model {
  readonly runtime: Runtime;
  readonly weights?: Weights;
}

/** A model's logits for documents: computed live, or read from a recording. */
export interface Predictions {
  readonly vocab: number;
  /** Logits after each token read. */
  chunks(document: number, read: readonly number[]): AsyncIterator<Chunk>;
}

/** Logits of consecutive tokens, (tokens, vocab), with the statistics of each row if they are already known. */
export interface Chunk {
  readonly logits: Float32Array;
  readonly rows?: readonly Described[];
}

/** A 95 % confidence interval. Null for a single document. */
export type Interval = readonly [low: number, high: number] | null;

/** Mean over scored tokens. */
export interface Score {
  /** Negative log-likelihood, nats per token. */
  readonly nll: number;
  readonly perplexity: number;
}

export interface Comparison extends Score {
  /** Mean KL(original ‖ variant), nats per token. Rounding may leave it a little below 0, and it stays so. */
  readonly kl: number;
  /** Share of positions at which both rank the same token first, 0 to 1. */
  readonly sameTop: number;
  /** nll of the variant minus nll of the original, nats per token. */
  readonly deltaNll: number;
  readonly intervals: { readonly deltaNll: Interval; readonly kl: Interval };
  /** Quantiles of KL over tokens, nats. */
  readonly klQuantiles: Readonly<Record<'median' | 'p99' | 'p999' | 'max', number>>;
  /** Probability of the correct token: variant minus original. */
  readonly deltaP: { readonly mean: number; readonly rms: number };
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

/** The rule of the intervals in words, to be printed with them. */
export function intervalRule(chunk: ChunkRule): string {
  const unit = chunk === 'stream' ? 'windows' : 'documents';
  return `95 % bootstrap-t over ${unit}, 2,000 resamples, seed 0`;
}

/**
 * Scores a model on documents, and compares any number of variants with it. The original is computed once for all of
 * them.
 * Sums and log-softmax are in float64.
 * Every position of a document but the first is scored. Means are over tokens, in nats.
 * @param documents token ids, with BOS first where the model has one, each no longer than the context
 * @param onProgress called with the tokens scored so far and in all
 * @throws SurgeryError `text` for a document longer than the context, `numeric` for logits that are not finite
 */
export async function scoreDocuments(
  documents: readonly (readonly number[])[],
  original: Model | Predictions,
  variants: readonly Model[] = [],
  onProgress?: (done: number, total: number) => void,
): Promise<Scores> {
  const base = 'runtime' in original ? predictionsOf(original) : original;
  const total = scoredTokens(documents);
  const ours = new TokenSums(total);
  const theirs = variants.map(() => new TokenSums(total));
  for (const [document, ids] of documents.entries()) {
    const read = ids.slice(0, -1); // the last token is predicted, never read
    const chunks = base.chunks(document, read);
    const others = variants.map((variant) => predictionsOf(variant).chunks(document, read));
    for (const sums of [ours, ...theirs]) sums.startDocument();
    let at = 1;
    for (let chunk = await chunks.next(); !chunk.done; chunk = await chunks.next()) {
      const rows = rowsOf(chunk.value, base.vocab, ids, at);
      for (const row of rows) ours.add(row);
      for (const [i, sums] of theirs.entries()) {
        const { value } = (await others[i]?.next()) ?? {};
        if (value) compare(sums, rows, rowsOf(value, base.vocab, ids, at));
      }
      at += rows.length;
      onProgress?.(ours.done, total);
    }
  }
  return {
    documents: documents.length,
    tokens: ours.done,
    original: scoreOf(ours),
    originalByDocument: { tokens: ours.tokens, nll: ours.nll },
    variants: theirs.map((sums) => comparisonOf(ours, sums)),
    variantsByDocument: theirs.map(({ tokens, nll, kl }) => ({ tokens, nll, kl })),
  };
}

/** Tokens of documents that are scored: all but the first of each. */
export function scoredTokens(documents: readonly (readonly number[])[]): number {
  return documents.reduce((sum, ids) => sum + Math.max(ids.length - 1, 0), 0);
}

export function predictionsOf({ runtime, weights }: Model): Predictions {
  return {
    vocab: runtime.checkpoint.config.vocabSize,
    async *chunks(_, read) {
      for await (const logits of runtime.sequence(read.length, weights).readAll(read)) yield { logits };
    },
  };
}

/**
 * The token-weighted mean over documents of what a quantity sums to in each, and its interval by {@link intervalRule}.
 * With differences of two variants' sums it is the interval of a paired comparison.
 */
export function meanOver(tokens: readonly number[], sums: readonly number[]): { mean: number; interval: Interval } {
  const { mean, low, high } = resampled(sums.map((sum, i) => ({ sum, count: itemAt(tokens, i) })));
  return { mean, interval: low === undefined || high === undefined ? null : [low, high] };
}

/** All intervals over the same documents come from the same resamples. */
const resampled = bootstrap(0);

/** Logits at one position, the token that came next, the likeliest one, and the logarithm of the normaliser. */
interface Row extends Described {
  readonly row: Float32Array;
  readonly target: number;
}

/** @throws SurgeryError `numeric` for logits that are not finite */
export function describeRows(logits: Float32Array, vocab: number): Described[] {
  return Array.from({ length: logits.length / vocab }, (_, i) => {
    const described = describeRow(logits.subarray(i * vocab, (i + 1) * vocab));
    requireFinite(described.logSum);
    return described;
  });
}

/** @param at position in the document of the token that the first row predicts */
function rowsOf({ logits, rows }: Chunk, vocab: number, ids: readonly number[], at: number): Row[] {
  return (rows ?? describeRows(logits, vocab)).map(({ top, logSum }, i) => ({
    row: logits.subarray(i * vocab, (i + 1) * vocab),
    target: itemAt(ids, at + i),
    top,
    logSum,
  }));
}

/** Sums over the tokens of each document, and what is needed of each token. */
class TokenSums {
  readonly tokens: number[] = [];
  readonly nll: number[] = [];
  readonly kl: number[] = [];
  /** For each token: its KL, and the correct token's probability under the variant minus that under the original. */
  readonly tokenKl: Float64Array;
  readonly deltaP: Float64Array;
  same = 0;
  done = 0;

  constructor(total: number) {
    this.tokenKl = new Float64Array(total);
    this.deltaP = new Float64Array(total);
  }

  startDocument(): void {
    for (const sums of [this.tokens, this.nll, this.kl]) sums.push(0);
  }

  add({ row, target, logSum }: Row): void {
    const document = this.tokens.length - 1;
    this.tokens[document] = itemAt(this.tokens, document) + 1;
    this.nll[document] = itemAt(this.nll, document) + logSum - (row[target] as number);
    this.done++;
  }

  addComparison(kl: number, deltaP: number, same: boolean): void {
    const document = this.kl.length - 1;
    this.kl[document] = itemAt(this.kl, document) + kl;
    this.tokenKl[this.done] = kl;
    this.deltaP[this.done] = deltaP;
    this.same += same ? 1 : 0;
  }
}

function compare(sums: TokenSums, original: readonly Row[], variant: readonly Row[]): void {
  for (const [i, row] of variant.entries()) {
    const base = original[i];
    if (!base) throw new RangeError('a variant read another number of tokens than the original');
    const probability = ({ row: logits, target, logSum }: Row) => Math.exp((logits[target] as number) - logSum);
    const kl = klDivergence(base.row, base.logSum, row.row, row.logSum);
    sums.addComparison(kl, probability(row) - probability(base), base.top === row.top);
    sums.add(row);
  }
}

function scoreOf({ nll, done }: TokenSums): Score {
  const mean = nll.reduce((sum, value) => sum + value, 0) / done;
  return { nll: mean, perplexity: Math.exp(mean) };
}

function comparisonOf(original: TokenSums, variant: TokenSums): Comparison {
  const { tokens, nll, kl, same, done } = variant;
  const delta = meanOver(
    tokens,
    nll.map((value, i) => value - itemAt(original.nll, i)),
  );
  const divergence = meanOver(tokens, kl);
  const { kl: spread, deltaP } = summarise(variant.tokenKl, variant.deltaP);
  const { median, p99, p999, max } = spread;
  return {
    ...scoreOf(variant),
    kl: divergence.mean,
    sameTop: same / done,
    deltaNll: delta.mean,
    intervals: { deltaNll: delta.interval, kl: divergence.interval },
    klQuantiles: { median, p99, p999, max },
    deltaP,
  };
}
