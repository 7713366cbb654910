// Every kind of operation against the float64 reference, on pocket and on the random models of other shapes.
import { describe, expect, test } from 'vitest';
import type { Projection } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Operator } from '../../src/operations/operator.ts';
import type { Mode } from '../../src/operations/pca/grouping.ts';
import type { MeanRule } from '../../src/operations/pca/spec.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { golden } from '../support/goldens.ts';
import { applyPca, type PcaParameters } from '../support/operations.ts';
import { fixture, pocket } from '../support/paths.ts';

interface Row {
  readonly operation: {
    readonly mode: Mode;
    readonly targets: Projection[];
    readonly layers: number[];
    readonly variance: number | null;
    readonly rank: number | null;
    readonly mean: MeanRule;
    readonly center: 'on' | 'off';
    readonly balance: boolean;
    readonly allocate: 'uniform' | 'global';
    readonly match: { readonly rule: 'width' | 'parameters' | 'error'; readonly mode: Mode } | null;
    readonly control: 'full-rank' | 'other-layer' | null;
  };
  readonly groups: readonly {
    readonly group: string;
    readonly layer: number | null;
    readonly rank: number;
    readonly of: number;
    readonly explained: number;
    readonly relative_error: Readonly<Record<string, number>>;
  }[];
  readonly scores: {
    readonly tokens: number;
    readonly nll: number;
    readonly perplexity: number;
    readonly kl: number;
    readonly same_top: number;
    readonly near_ties: number;
  };
}

interface Golden {
  readonly documents: number[][];
  readonly baseline: { readonly nll: number };
  readonly operations: readonly Row[];
  readonly statistics: {
    readonly operation: Row['operation'];
    readonly documents: readonly Readonly<Record<'tokens' | 'nll' | 'base_nll' | 'kl' | 'same_top', number>>[];
    readonly kl: Readonly<Record<'mean' | 'median' | 'p99' | 'p99_9' | 'max', number>>;
    readonly delta_p: Readonly<Record<'mean' | 'rms', number>>;
  };
}

/** The reference's spelling → ours. */
function operationOf({ variance, rank, center, match, control, ...rest }: Row['operation']): PcaParameters {
  return {
    ...rest,
    center: center === 'on',
    ...(variance === null ? {} : { variance }),
    ...(rank === null ? {} : { rank }),
    ...(match ? { match: { rule: match.rule, of: match.mode } } : {}),
    ...(control ? { control } : {}),
  };
}

// A 16-bit weight half-way between two values may round either way: scores may then differ in their fourth digit.
const models = [
  { name: 'pocket', folder: pocket, tolerance: 2e-3 },
  { name: 'mha-tied-f16', folder: fixture('mha-tied-f16'), tolerance: 2e-3 },
  { name: 'gqa-headdim-llama3-bf16-sharded', folder: fixture('gqa-headdim-llama3-bf16-sharded'), tolerance: 2e-3 },
  { name: 'mqa-bias-f32', folder: fixture('mqa-bias-f32'), tolerance: 1e-5 },
];

describe.each(models)('$name', ({ name, folder, tolerance }) => {
  const { documents, operations, statistics, baseline } = golden<Golden>(fixture('operations'), `${name}.json`);
  const open = async () => {
    const checkpoint = await Checkpoint.open(folder);
    const replaceable = [...checkpoint.tensors.keys()].filter((tensor) => /_proj\.weight$/.test(tensor));
    return { checkpoint, runtime: await Runtime.open(checkpoint, { replaceable, threads: 1 }) };
  };

  test('ranks, errors and scores of every operation', async () => {
    const { checkpoint, runtime } = await open();
    const operator = new Operator(checkpoint);
    expect(operations.length).toBeGreaterThan(50);
    for (const row of operations) {
      const label = JSON.stringify(row.operation);
      const { tensors, layers } = await applyPca(operator, operationOf(row.operation));
      for (const { group, layer, rank, of, explained, relative_error } of row.groups) {
        const at = layers.filter((one) => layer === null || one.layer === layer);
        expect(at.length, label).toBeGreaterThan(0);
        for (const one of at) {
          // With one head, heads apart are a group of whole projections, and called so.
          const names = [group, group.replace(/\.0$/, '')];
          const found = one.groups.find((each) => names.includes(each.name));
          expect([found?.rank, found?.of], `${label} layer ${one.layer} ${group}`).toEqual([rank, of]);
          expect(found?.explained).toBeCloseTo(explained, 6);
          for (const [key, error] of Object.entries(relative_error)) {
            const [from, projection = ''] = key.split('.');
            // Where v comes from another layer, it is listed under the group's own.
            if (layer === null && Number(from) !== one.layer) continue;
            expect(found?.relativeError[projection], `${label} ${group} ${key}`).toBeCloseTo(error, 6);
          }
        }
      }
      const weights = runtime.variant(tensors);
      const { variants, tokens } = await scoreDocuments(documents, { runtime }, [{ runtime, weights }]);
      const { nll = 0, kl = 0, sameTop = 0 } = variants[0] ?? {};
      expect(tokens, label).toBe(row.scores.tokens);
      expect(Math.abs(nll - row.scores.nll), label).toBeLessThan(tolerance);
      expect(Math.abs(kl - row.scores.kl), label).toBeLessThan(tolerance * Math.max(1, row.scores.kl));
      const ties = row.scores.near_ties / tokens + 1e-9; // the goldens are rounded to ten digits
      expect(Math.abs(sameTop - row.scores.same_top), label).toBeLessThanOrEqual(ties);
    }
    await runtime.close();
  });

  test('sums by document, quantiles of KL, Δp', async () => {
    const { checkpoint, runtime } = await open();
    const { tensors } = await applyPca(new Operator(checkpoint), operationOf(statistics.operation));
    const scores = await scoreDocuments(documents, { runtime }, [{ runtime, weights: runtime.variant(tensors) }]);
    const [variant] = scores.variants;
    const [byDocument] = scores.variantsByDocument;
    expect(scores.original.nll).toBeCloseTo(baseline.nll, 5);
    for (const [i, expected] of statistics.documents.entries()) {
      const each = (values: readonly number[] | undefined) => (values?.[i] ?? Number.NaN) / expected.tokens;
      expect(byDocument?.tokens[i]).toBe(expected.tokens);
      expect(Math.abs(each(byDocument?.nll) - expected.nll / expected.tokens)).toBeLessThan(tolerance);
      expect(Math.abs(each(byDocument?.kl) - expected.kl / expected.tokens)).toBeLessThan(tolerance);
      expect(Math.abs(each(scores.originalByDocument.nll) - expected.base_nll / expected.tokens)).toBeLessThan(1e-5);
    }
    const { median, p99, p99_9: p999, max } = statistics.kl;
    for (const [key, value] of Object.entries({ median, p99, p999, max }))
      expect(Math.abs((variant?.klQuantiles[key as 'max'] ?? Number.NaN) - value), key).toBeLessThan(
        tolerance * Math.max(1, value) * 5,
      );
    expect(Math.abs((variant?.deltaP.mean ?? Number.NaN) - statistics.delta_p.mean)).toBeLessThan(tolerance);
    expect(Math.abs((variant?.deltaP.rms ?? Number.NaN) - statistics.delta_p.rms)).toBeLessThan(tolerance);
    await runtime.close();
  });
});
