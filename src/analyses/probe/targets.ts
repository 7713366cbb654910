// What a probe predicts: a token's row of the embedding, or the token itself.
import { type Matrix, multiply } from '../../linalg/products.ts';
import type { LabelSums } from './moments.ts';
import type { ProbeTask } from './result.ts';

/** A vector for each token type. Sums over rows are sums over types, so the rows themselves are not needed. */
export interface Target {
  readonly kind: ProbeTask['target'];
  /** Numbers that are read. */
  readonly width: number;
  /** Mean over the rows that were counted, (width). */
  mean(labels: LabelSums): Float64Array;
  /**
   * Σ x (y − mean)ᵀ, (inputs, width).
   * @param sums Σ x over the rows of each type, in the order of `types`
   */
  cross(sums: Matrix, types: readonly number[], mean: Float64Array): Promise<Matrix>;
}

/** The token's row of the embedding matrix, (vocab, hidden). */
export function embeddingTarget({ cols, data }: Matrix<Float32Array>): Target {
  const rowsOf = (types: readonly number[], mean: Float64Array): Matrix => {
    const out = new Float64Array(types.length * cols);
    for (const [i, type] of types.entries())
      for (let j = 0; j < cols; j++) out[i * cols + j] = (data[type * cols + j] as number) - (mean[j] as number);
    return { rows: types.length, cols, data: out };
  };
  return {
    kind: 'embedding',
    width: cols,
    mean: ({ types, counts }) => {
      const mean = new Float64Array(cols);
      const total = counts.reduce((sum, count) => sum + count, 0);
      for (const [i, type] of types.entries())
        for (let j = 0; j < cols; j++)
          mean[j] = (mean[j] as number) + ((counts[i] as number) / total) * (data[type * cols + j] as number);
      return mean;
    },
    cross: (sums, types, mean) => multiply(sums, rowsOf(types, mean), { transposeA: true }),
  };
}

/**
 * One number for each token type of the training rows: 1 for the row's own, 0 for all others. Its products with the rows
 * are their sums by type. Types that were never seen would have weights of zero and are left out.
 * @param outputs token ids, ascending
 */
export function tokenTarget(outputs: readonly number[]): Target {
  const at = new Map(outputs.map((type, i) => [type, i]));
  return {
    kind: 'token',
    width: outputs.length,
    mean: ({ types, counts }) => {
      const mean = new Float64Array(outputs.length);
      const total = counts.reduce((sum, count) => sum + count, 0);
      for (const [i, type] of types.entries()) {
        const output = at.get(type);
        if (output !== undefined) mean[output] = (counts[i] as number) / total;
      }
      return mean;
    },
    cross: async ({ rows, cols, data }, types, mean) => {
      const out = new Float64Array(cols * outputs.length);
      const sum = new Float64Array(cols);
      for (let i = 0; i < rows; i++) {
        const output = at.get(types[i] ?? -1);
        for (let j = 0; j < cols; j++) {
          const value = data[i * cols + j] as number;
          sum[j] = (sum[j] as number) + value;
          if (output !== undefined) out[j * outputs.length + output] = value;
        }
      }
      for (let j = 0; j < cols; j++) {
        for (let k = 0; k < outputs.length; k++) {
          const place = j * outputs.length + k;
          out[place] = (out[place] as number) - (sum[j] as number) * (mean[k] as number);
        }
      }
      return { rows: cols, cols: outputs.length, data: out };
    },
  };
}
