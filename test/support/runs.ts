// A run made by hand, for what needs no model.
import { format } from '../../src/results/format.ts';
import type { RunResult } from '../../src/results/run.ts';
import type { Sample } from '../../src/results/study.ts';
import { cell, group, study } from './studies.ts';

interface Given {
  readonly prompt?: string;
  readonly ids?: readonly number[];
  /** Probabilities under either model. */
  readonly original?: readonly number[];
  readonly operated?: readonly number[];
}

/** A text, and the log-probabilities of its new tokens under either model. */
interface Written {
  readonly sample: Omit<Sample, 'logprobs'>;
  readonly original: readonly number[];
  readonly operated: readonly number[];
}

/** A text of these pieces, a token each; probabilities are one half, or as given. */
export function sample(pieces: readonly string[], given: Given = {}): Written {
  const { prompt = 'Once', ids = pieces.map((_, i) => i), original = pieces.map(() => 0.5) } = given;
  const { operated = original } = given;
  return {
    sample: { prompt, text: prompt + pieces.join(''), completion: pieces.join(''), pieces, ids: [1, ...ids] },
    original: original.map(Math.log),
    operated: operated.map(Math.log),
  };
}

/** What the original and the variant wrote after the same prompt. */
export type Pair = readonly [original: Written, operated: Written];

/** @param pairs one a prompt */
export function run(
  more: Partial<RunResult> = {},
  pairs: readonly Pair[] = [[sample([' a', ' b']), sample([' a', ' c'], { ids: [0, 7] })]],
): RunResult {
  const layers = [0, 1].map((layer) => ({
    layer,
    groups: [group('q', 3, { q: 0.4 }), group('kv', 5, { k: 0.5, v: 0.6 })],
  }));
  const one = cell('run', { mode: 'shared-kv', variance: 0.7, mean: 'keep', layers: [0, 1] }, { layers });
  const { original, text } = study([]);
  if (!original) throw new TypeError('no original');
  return {
    format,
    kind: 'run',
    command: 'surgery run',
    date: '2026-01-02T03:04:05.678Z',
    versions: { surgery: '1' },
    model: {
      ref: 'org/name',
      path: '/models/name',
      architecture: 'LlamaForCausalLM',
      layers: 2,
      parameters: 1000,
      dtype: 'BF16',
      sha256: 'abc',
    },
    precision: 'fp32',
    dtype: 'BF16',
    text,
    sampling: { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, maxNewTokens: 4 },
    original: { ...original, samples: pairs.map(([own]) => ({ ...own.sample, logprobs: own.original })) },
    cell: {
      ...one,
      samples: pairs.map(([base, own]) => ({
        ...own.sample,
        logprobs: own.operated,
        underOriginal: own.original,
        ofOriginal: base.operated,
      })),
    },
    curves: layers.flatMap(({ layer }) =>
      ['q', 'kv'].map((name) => ({
        group: name,
        layers: [layer],
        of: 64,
        ranks: [1, 32, 64],
        explained: [0.1, 0.8, 1],
      })),
    ),
    tokensPerSecond: { original: pairs.map(() => 10), variant: pairs.map(() => 10) },
    seconds: { load: 1, decompose: 1, write: 1, generate: 1, score: 1, total: 5 },
    output: 'results/run',
    ...more,
  };
}
