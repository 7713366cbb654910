// A run made by hand, for what needs no model.
import type { RunResult, RunSample } from '../../src/report/results.ts';
import { cell, group } from './studies.ts';

interface Given {
  readonly prompt?: string;
  readonly ids?: readonly number[];
  /** Probabilities under either model. */
  readonly original?: readonly number[];
  readonly operated?: readonly number[];
}

/** A sample of these pieces, a token each; probabilities are one half, or as given. */
export function sample(variant: RunSample['variant'], pieces: readonly string[], given: Given = {}): RunSample {
  const { prompt = 'Once', ids = pieces.map((_, i) => i), original = pieces.map(() => 0.5) } = given;
  const { operated = original } = given;
  return {
    ...{ variant, prompt, text: prompt + pieces.join(''), completion: pieces.join(''), pieces },
    ...{ ids: [1, ...ids], tokensPerSecond: 10 },
    logprobs: { original: original.map(Math.log), operated: operated.map(Math.log) },
  };
}

export function run(more: Partial<RunResult> = {}): RunResult {
  const operation = { mode: 'shared-kv', variance: 0.7, mean: 'keep' } as const;
  const layers = [0, 1].map((layer) => ({
    layer,
    groups: [group('q', 3, { q: 0.4 }), group('kv', 5, { k: 0.5, v: 0.6 })],
  }));
  const one = cell('run', operation);
  return {
    ...{ schema: 1, command: 'surgery run', date: '2026-01-02T03:04:05.678Z', versions: { surgery: '1' } },
    model: {
      ...{ ref: 'org/name', path: '/models/name', architecture: 'LlamaForCausalLM', layers: 2, parameters: 1000 },
      ...{ dtype: 'BF16', sha256: 'abc' },
    },
    operation: { ...one.operation, groups: ['q', 'kv'], dtype: 'BF16' },
    layers,
    curves: layers.flatMap(({ layer }) =>
      ['q', 'kv'].map((name) => ({
        group: name,
        layers: [layer],
        of: 64,
        ranks: [1, 32, 64],
        explained: [0.1, 0.8, 1],
      })),
    ),
    parameters: { dense: 4000, factored: 160 },
    sampling: { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, maxNewTokens: 4 },
    samples: [sample('original', [' a', ' b']), sample('operated', [' a', ' c'], { ids: [0, 7] })],
    scores: {
      ...{ text: 'text.txt', documents: 2, tokens: 30, cut: 0, maxTokens: 512 },
      ...{
        rule: 'each alone',
        intervalRule: '95 %',
        original: { nll: 2, perplexity: Math.exp(2) },
        operated: one.scores,
      },
    },
    precision: 'fp32',
    seconds: { load: 1, decompose: 1, write: 1, generate: 1, score: 1, total: 5 },
    output: 'results/run',
    ...more,
  };
}
