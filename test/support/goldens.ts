// Golden files of scripts/reference, and how far the program may lie from them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mode } from '../../src/operations/pca/grouping.ts';
import type { LayerReport } from '../../src/operations/pca/report.ts';
import type { MeanRule } from '../../src/operations/pca/spec.ts';

export interface Forward {
  readonly prompt: string;
  readonly ids: number[];
  /** (layers + 1, tokens) */
  readonly residual_norms: number[][];
  readonly last_logits: number[];
  /** The likeliest token by final norm and unembedding, (layers + 1, tokens). */
  readonly lens_top1: number[][];
}

export interface Greedy {
  readonly prompt: string;
  readonly max_new_tokens: number;
  readonly ids: number[];
  readonly text: string;
}

export interface OperationRow {
  readonly mode: Mode;
  readonly variance: number;
  readonly mean: MeanRule;
}

/** By layer and group: rank, of, explained, and `<projection>_relative_error`. */
export type PcaRow = OperationRow & { readonly layers: Record<string, Record<string, number>>[] };

export type ScoreRow = OperationRow & {
  readonly perplexity: number;
  readonly nll: number;
  readonly kl: number;
  readonly same_top: number;
  /** Greedy text from the goldens' sample prompt. */
  readonly sample: string;
};

export interface Scores {
  readonly documents: number;
  readonly max_tokens: number;
  readonly baseline: { readonly tokens: number; readonly nll: number; readonly perplexity: number };
  readonly operated: readonly ScoreRow[];
}

export function golden<T>(folder: string, file: string): T {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

/** A layer report in the goldens' shape, for comparing whole operations at once. */
export function asGolden(layers: readonly LayerReport[]): PcaRow['layers'] {
  return layers.map(({ groups }) =>
    Object.fromEntries(
      groups.map(({ name, rank, of, explained, relativeError }) => [
        name,
        {
          rank,
          of,
          explained,
          ...Object.fromEntries(Object.entries(relativeError).map(([p, error]) => [`${p}_relative_error`, error])),
        },
      ]),
    ),
  );
}

/** Largest absolute difference of two rows of numbers. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN)));
  return largest;
}

/** Frobenius norm of each row of (rows, cols). */
export function rowNorms(values: Float32Array, cols: number): number[] {
  return Array.from({ length: values.length / cols }, (_, row) =>
    Math.hypot(...values.subarray(row * cols, (row + 1) * cols)),
  );
}

/** Figures of a lens by point and position, bits. */
export interface LensGolden {
  readonly kl: number[][];
  readonly probability_final: number[][];
  readonly rank_final: number[][];
  readonly rank_input: number[][];
  readonly step_kl: number[][];
}

/** inside.json, by scripts/reference/inside.py. */
export interface Inside {
  readonly documents: number[][];
  readonly prompt: LensGolden & {
    readonly ids: number[];
    readonly partners: number[];
    readonly top: number[][];
    readonly entropy: number[][];
    readonly shuffled: LensGolden;
  };
  readonly depth: {
    readonly points: Record<
      | 'norm'
      | 'longest'
      | 'entropy'
      | 'kl'
      | 'probability_final'
      | 'same_top'
      | 'rank_final'
      | 'input_top'
      | 'rank_input',
      number
    >[];
    readonly steps: Record<'cosine' | 'kl' | 'cka' | 'cka_error', number>[];
    readonly unigram: Record<'kl' | 'rank_final', number>;
  };
  readonly unlikely: {
    readonly likely_tokens: number;
    /** By point and band. */
    readonly points: Record<
      'pairs' | 'energy' | 'projection' | 'same_pairs' | 'same_energy' | 'where_likely',
      number
    >[][];
  };
}
