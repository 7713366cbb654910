// Results of the commands that look inside, made by hand: two points, two models, figures that all differ.
import type { BasisResult } from '../../src/analyses/basis/result.ts';
import type { LensMeans, LensResult, SpelledCell } from '../../src/analyses/lens/result.ts';
import { againstLast, byStatistic, ofCells } from '../../src/analyses/lens/statistics/registry.ts';
import type { Statistic } from '../../src/analyses/lens/statistics/statistic.ts';
import type { OutliersResult } from '../../src/analyses/outliers/result.ts';
import type {
  Evaluation,
  Likeness,
  MapEvaluation,
  MapKind,
  PointEvaluation,
  ProbeResult,
} from '../../src/analyses/probe/result.ts';
import type { Finding, FindingKind } from '../../src/analyses/results.ts';
import type { Mean, Median } from '../../src/analyses/shapes.ts';
import type { UnlikelyResult } from '../../src/analyses/unlikely/result.ts';
import type { FindingInfo } from '../../src/results/finding.ts';
import { format } from '../../src/results/format.ts';
import { run } from './runs.ts';

const points = ['embed', '0', '1'];
const variants = ['original', 'operated'] as const;

const info: Omit<FindingInfo, 'command'> = {
  format,
  versions: { surgery: '1' },
  model: run().model,
  precision: 'fp32',
  seed: 7,
  recipe: run().cell.recipe,
  documentsSha256: 'def',
};

/** Figures one after the other, none the same. */
function series(step: number) {
  let at = 0;
  return () => {
    at += step;
    return at;
  };
}

/** Of a SentencePiece vocabulary. */
const shownAs = (token: string) => token.replaceAll('▁', '·');

const mean = (value: number): Mean => ({ mean: value, interval: [value * 0.9, value * 1.1] });
const median = (value: number): Median => ({ median: value, interval: [value * 0.9, value * 1.1], largest: 2 * value });

/** @param token what every token is called */
export function lensResult(token = '▁dog', tokens = 3): LensResult {
  const next = series(0.001);
  const value = ({ values }: Statistic) => (values === 'rank' ? 1 : 0) + next();
  const means = (): LensMeans => ({ ...byStatistic(againstLast, (_, one) => mean(value(one))), inputTop: null });
  const cell = (): SpelledCell => ({
    top: [{ id: 5, token, shown: shownAs(token), probability: next() }],
    ...byStatistic(ofCells, (_, one) => value(one)),
  });
  const all = Array.from({ length: tokens }, (_, i) => `${token}${i}`);
  return {
    ...info,
    command: 'surgery lens',
    points,
    vocabulary: 1024,
    system: 'Be brief.',
    chat: 'abc',
    notes: ['no BOS'],
    prompts: [
      {
        prompt: `${token} said`,
        ids: all.map((_, i) => i),
        tokens: all,
        shown: all.map(shownAs),
        variants: variants.map((variant) => ({
          variant,
          cells: points.map((_, layer) =>
            all.map((_, i) =>
              variant === 'operated' ? { ...cell(), change: { kl: next(), logProbability: layer - i } } : cell(),
            ),
          ),
        })),
      },
    ],
    text: {
      text: 'text.txt',
      documents: 12,
      maxTokens: 64,
      rule: 'every position',
      intervalRule: '95 %',
      positions: 30,
      sampled: 30,
      variants: variants.map((variant) => ({
        variant,
        points: points.map((point) => ({
          point,
          ...means(),
          norm: median(9),
          entropy: mean(next()),
          shuffled: means(),
        })),
        steps: points.slice(1).map((to, i) => ({
          from: points[i] ?? '',
          to,
          cosine: mean(next()),
          kl: mean(next()),
          cka: mean(next()),
          shuffled: { cosine: mean(next()), kl: mean(next()), cka: next() },
        })),
        uniform: { kl: 9, entropy: 10, rank: 512.5, probability: 1 / 1024 },
        unigram: means(),
        ...(variant === 'operated'
          ? {
              changes: points.map((point) => ({
                point,
                kl: mean(next()),
                cosine: mean(next()),
                relativeError: median(next()),
                sameTop: mean(next()),
              })),
            }
          : {}),
      })),
    },
  };
}

function unlikelyResult(): UnlikelyResult {
  const next = series(0.01);
  const band = (name: string, first: boolean) => ({
    band: name,
    pairs: 100,
    energy: mean(next()),
    projection: mean(-next()),
    shuffled: mean(next()),
    change: first ? null : mean(-next()),
    sameTokens: {
      pairs: 10,
      energy: mean(next()),
      whereLikely: mean(next()),
      difference: first ? null : mean(-next()),
    },
  });
  return {
    ...info,
    command: 'surgery unlikely',
    text: { text: 'text.txt', documents: 12, maxTokens: 64, rule: 'energy of a position', intervalRule: '95 %' },
    variants: variants.map((variant) => ({
      variant,
      positions: 30,
      likelyTokens: 4,
      points: points.map((point, i) => ({
        point,
        random: mean(next()),
        mixtures: mean(next()),
        bands: ['≥ 0.1', '< 1e-6'].map((name) => band(name, i === 0)),
      })),
      fromMiddle: { from: '0', to: '1', bands: [mean(next()), mean(-next())] },
    })),
  };
}

export function probeResult(): ProbeResult {
  const next = series(0.0005);
  const figure = () => {
    const value = next();
    return { value, interval: [value * 0.9, value * 1.1] as const };
  };
  // The residual itself is no guess of an embedding: its R² is far below 0.
  const evaluation = (map: MapKind): Evaluation => ({
    rows: 40,
    r2: map === 'identity' ? { value: -2424.4, interval: null } : figure(),
    cosine: figure(),
    top1: figure(),
    top5: figure(),
    bands: [1, 10].map((from) => ({ from, rows: 20, top1: next(), top5: next() })),
  });
  const maps = (kinds: readonly MapKind[]): MapEvaluation[] =>
    kinds.flatMap((map) =>
      (['input', 'previous'] as const).flatMap((label) =>
        (['positions', 'types'] as const).flatMap((split) =>
          (['embedding', 'token'] as const).map((target) => ({ map, label, split, target, reading: evaluation(map) })),
        ),
      ),
    );
  const likeness = (permuted: boolean): Likeness => ({
    value: next(),
    permuted: permuted ? { mean: 0, least: -next(), most: next() } : null,
    random: { mean: 0, least: -next(), most: next() },
  });
  const resemblance = () => ({
    rowCosine: likeness(true),
    cka: likeness(true),
    hiddenSpace: likeness(false),
    tokenSpace: likeness(true),
  });
  const shares = () => [0.4, 0.6 - next()];
  const weights = () => ({ weight: shares(), signal: shares() });
  const pointEvaluation = (point: string): PointEvaluation => ({
    point,
    readings: maps(['probe', 'pooled', 'shuffled', 'identity', 'random']),
    parts: (['leading', 'trailing', 'random'] as const).map((part) => ({
      part,
      dimensions: 8,
      reading: evaluation('probe'),
    })),
    resemblance: { embed: resemblance(), unembed: resemblance() },
    weights: { embed: weights(), unembed: weights() },
  });
  return {
    ...info,
    command: 'surgery probe',
    points,
    compared: 20,
    text: { text: 'text.txt', documents: 12, positions: 200, cut: 1, maxTokens: 64 },
    rules: {
      positions: 'every position',
      split: 'seven of ten',
      reading: 'R² against the mean',
      intervals: '95 %',
      resemblance: 'columns centred',
      matrices: { embed: 'the embedding', unembed: 'the unembedding' },
    },
    ownShares: { embed: { embed: shares(), unembed: shares() }, unembed: { embed: shares(), unembed: shares() } },
    variants: variants.map((variant) => ({ variant, chance: maps(['mean']), points: points.map(pointEvaluation) })),
  };
}

/** A dictionary of tokens that are called `token`. */
export function basisResult(token = '▁dog'): BasisResult {
  const next = series(0.001);
  const near = () => [{ id: 5, token, shown: shownAs(token), cosine: next() }];
  const coherence = () => ({ largest: next(), mean: next(), pairs: [next()], independent: [3] });
  return {
    ...info,
    command: 'surgery basis',
    of: 'embed',
    method: 'dictionary',
    hidden: 32,
    points,
    sparsity: 2,
    text: { text: 'text.txt', documents: 12, positions: 200, cut: 0, maxTokens: 64 },
    rules: { basis: 'atoms', matrix: 'the embedding', positions: 'every position', split: 'seven of ten' },
    reconstruction: [8, 16, 40].map((components) => ({ components, error: 0.5 - next() })),
    dictionary: {
      sparsity: [1, 2].map((atoms) => ({ atoms, error: 0.5 - next() })),
      limits: [0.1],
      coherence: coherence(),
      random: [coherence(), coherence()],
    },
    components: Array.from({ length: 40 }, (_, i) => ({
      component: i + 1,
      nearest: near(),
      farthest: near(),
      shares: { embed: next(), unembed: next() },
      probe: variants.map((variant) => ({ variant, points: points.map(next) })),
    })),
  };
}

function outliersResult(token: string): OutliersResult {
  const next = series(0.01);
  const outlier = (coordinate: number) => ({
    value: -10 - next(),
    coordinate,
    document: 1,
    position: 2,
    token,
    shown: shownAs(token),
    rms: next(),
  });
  return {
    ...info,
    command: 'surgery outliers',
    text: { text: 'text.txt', documents: 12, positions: 200, cut: 1, maxTokens: 64 },
    layers: [0, 1].map((layer) => ({
      layer,
      input: outlier(5),
      output: outlier(6),
      weight: { row: 6, column: 5, value: next(), adds: 1 + layer },
      residual: { first: median(9), later: median(3) },
    })),
  };
}

/** One of each kind. */
export function findings(token?: string): Readonly<Record<FindingKind, Finding>> {
  return {
    lens: { kind: 'lens', result: lensResult(token) },
    unlikely: { kind: 'unlikely', result: unlikelyResult() },
    probe: { kind: 'probe', result: probeResult() },
    basis: { kind: 'basis', result: basisResult(token) },
    outliers: { kind: 'outliers', result: outliersResult(token ?? '▁dog') },
  };
}
