// Studies and cells made by hand, for what needs no model.
import type { GroupReport } from '../../src/decompose/operate.ts';
import { type Operation, settled } from '../../src/decompose/operation.ts';
import type { TaskScores } from '../../src/measure/tasks.ts';
import type { CellResult, Study } from '../../src/study/results.ts';
import { extentOf } from '../../src/study/summary.ts';

export const layers = 22;

/** A group with these errors, relative to weights of norm 1. */
export function group(name: string, rank: number, relativeError: Record<string, number>): GroupReport {
  const squaredNorm = Object.fromEntries(Object.keys(relativeError).map((projection) => [projection, 1]));
  const parameters = { dense: 1000, factored: rank * 10 };
  return { name, rank, of: 64, explained: 0.5, relativeError, squaredNorm, parameters };
}

export interface CellSums {
  readonly nll?: readonly number[];
  readonly kl?: readonly number[];
  readonly tokens?: readonly number[];
  readonly tasks?: TaskScores;
  readonly groups?: readonly GroupReport[];
}

/** A cell whose sums by document are given; its scores follow from them, beside an original of nll 2 a token. */
export function cell(
  id: string,
  operation: Operation,
  {
    nll = [20, 40],
    kl = [1, 1],
    tokens = [10, 20],
    tasks,
    groups = [group('kv', 4, { k: 0.5, v: 0.5 })],
  }: CellSums = {},
): CellResult {
  const mean = (sums: readonly number[]) => sums.reduce((a, b) => a + b, 0) / tokens.reduce((a, b) => a + b, 0);
  const deltaNll = mean(nll) - 2;
  const reports = operation.control === 'none' ? [] : [{ layer: 0, groups }];
  return {
    id,
    operation: settled(operation, { layers }),
    extent: extentOf(reports),
    layers: reports,
    scores: {
      ...{ nll: mean(nll), perplexity: Math.exp(mean(nll)), kl: mean(kl), sameTop: 0.5, deltaNll },
      intervals: { deltaNll: [deltaNll - 0.0123, deltaNll + 0.0123], kl: [mean(kl) * 0.9, mean(kl) * 1.1] },
      klQuantiles: { median: 0.1, p99: 1, p999: 2, max: 3 },
      deltaP: { mean: -0.01, rms: 0.1 },
    },
    byDocument: { tokens, nll, kl },
    ...(tasks ? { tasks } : {}),
    samples: [],
  };
}

/** A study of these cells with nothing held against anything yet. */
export function study(cells: readonly string[], more: Partial<Study> = {}): Study {
  return {
    ...{ schema: 1, kind: 'sweep', complete: false, command: 'surgery sweep' },
    model: {
      ref: 'org/name',
      architecture: 'LlamaForCausalLM',
      layers,
      parameters: 1_100_048_384,
      dtype: 'BF16',
      sha256: 'a',
    },
    context: {
      ...{ format: 1, versions: { surgery: '1' }, model: 'a', precision: 'fp32', engine: 'native', dtype: 'source' },
      ...{ documents: 'b', tasks: null, prompts: null, sampling: null },
    },
    text: {
      text: 'text.txt',
      documents: 2,
      tokens: 30,
      cut: 0,
      maxTokens: 512,
      rule: 'each alone',
      intervalRule: '95 %',
    },
    cells,
    original: {
      scores: { nll: 2, perplexity: Math.exp(2) },
      byDocument: { tokens: [10, 20], nll: [20, 40] },
      samples: [],
    },
    ...{ pairs: [], controls: [], angles: [] },
    ...more,
  };
}
