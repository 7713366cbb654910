// How well a model predicts documents, and how far a variant's predictions lie from the original's.
import type { Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import { argmax, requireFinite } from './sampling.ts';

/** A session and the variant's weights in it. */
export interface Model {
  readonly runtime: Runtime;
  readonly weights?: Weights;
}

/** Mean over scored tokens. */
export interface Score {
  /** Negative log-likelihood, nats per token. */
  readonly nll: number;
  readonly perplexity: number;
}

export interface Comparison extends Score {
  /** Mean KL(original ‖ variant), nats per token. */
  readonly kl: number;
  /** How often both put the same token first, 0 to 1. */
  readonly sameTop: number;
}

export interface Scores {
  readonly documents: number;
  /** Tokens scored. */
  readonly tokens: number;
  readonly original: Score;
  /** One for each variant, in their order. */
  readonly variants: readonly Comparison[];
}

/** The rule by which every figure here is made, to be printed beside it. */
export function scoringRule(hasBos: boolean): string {
  return `each document alone, ${hasBos ? 'BOS first' : 'without a BOS, which the model has not'}, every position but the first scored, token-weighted mean, nats`;
}

/**
 * Scores a model on documents, and any number of variants against it: the original is computed once for all of them.
 * Sums and log-softmax are in float64.
 * @param documents token ids, BOS first, each cut to the length wanted
 * @param onProgress called with the original's tokens done and in all
 */
export async function scoreDocuments(
  documents: readonly (readonly number[])[],
  original: Model,
  variants: readonly Model[] = [],
  onProgress?: (done: number, total: number) => void,
): Promise<Scores> {
  const vocab = original.runtime.checkpoint.config.vocabSize;
  const total = documents.reduce((sum, ids) => sum + Math.max(ids.length - 1, 0), 0);
  const sums = { tokens: 0, nll: 0, variants: variants.map(() => ({ nll: 0, kl: 0, same: 0 })) };
  for (const ids of documents) {
    const read = ids.slice(0, -1); // the last token is predicted, never read
    const chunksOf = ({ runtime, weights }: Model) => runtime.sequence(read.length, weights).readAll(read);
    const others = variants.map(chunksOf);
    let at = 1;
    for await (const logits of chunksOf(original)) {
      const rows = rowsOf(logits, vocab, ids.slice(at));
      for (const { row, target, logSum } of rows) sums.nll += logSum - (row[target] ?? 0);
      for (const [i, sum] of sums.variants.entries()) {
        const { value } = (await others[i]?.next()) ?? {};
        if (value) addComparison(sum, rows, rowsOf(value, vocab, ids.slice(at)));
      }
      at += rows.length;
      sums.tokens += rows.length;
      onProgress?.(sums.tokens, total);
    }
  }
  const { tokens } = sums;
  return {
    documents: documents.length,
    tokens,
    original: scoreOf(sums.nll / tokens),
    variants: sums.variants.map(({ nll, kl, same }) => ({
      ...scoreOf(nll / tokens),
      kl: kl / tokens,
      sameTop: same / tokens,
    })),
  };
}

/** Natural logarithm of Σ exp(logits), float64. */
export function logSumExp(logits: Float32Array): number {
  const largest = logits[argmax(logits)] ?? 0;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? 0) - largest);
  return largest + Math.log(sum);
}

/** KL(p ‖ q) in nats, of the distributions that two rows of logits stand for. */
export function klDivergence(p: Float32Array, pLogSum: number, q: Float32Array, qLogSum: number): number {
  let kl = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = (p[i] ?? 0) - pLogSum;
    kl += Math.exp(logP) * (logP - ((q[i] ?? 0) - qLogSum));
  }
  return kl;
}

/** Logits at one position, the token that came next, and the logarithm of the normaliser. */
interface Row {
  readonly row: Float32Array;
  readonly target: number;
  readonly logSum: number;
}

function rowsOf(logits: Float32Array, vocab: number, targets: readonly number[]): Row[] {
  return Array.from({ length: logits.length / vocab }, (_, i) => {
    const row = logits.subarray(i * vocab, (i + 1) * vocab);
    return { row, target: targets[i] ?? 0, logSum: requireFinite(logSumExp(row)) };
  });
}

function addComparison(
  sum: { nll: number; kl: number; same: number },
  original: readonly Row[],
  variant: readonly Row[],
): void {
  for (const [i, { row, target, logSum }] of variant.entries()) {
    const base = original[i];
    if (!base) throw new RangeError('a variant read another number of tokens than the original');
    sum.nll += logSum - (row[target] ?? 0);
    sum.kl += klDivergence(base.row, base.logSum, row, logSum);
    sum.same += argmax(base.row) === argmax(row) ? 1 : 0;
  }
}

function scoreOf(nll: number): Score {
  return { nll, perplexity: Math.exp(nll) };
}
