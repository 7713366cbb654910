// Every score of a cell, described once: tables in a terminal and on pages, CSV files, tooltips and charts derive from this.
import type { CellResult } from '../results/study.ts';
import type { Comparison, Interval, Score } from '../scores/likelihood.ts';
import type { TaskScores } from '../scores/tasks.ts';
import { between, figure, integer, percent, short, signed } from './format.ts';

/** A cell, or the original, which has neither a footprint nor differences from itself. */
export interface Scored {
  readonly scores: Score & Partial<Comparison>;
  readonly footprint?: CellResult['footprint'] | undefined;
  readonly tasks?: TaskScores | undefined;
}

/**
 * Where a score is shown: in the terminal's table of cells, in its table of a run or an evaluation, in a page's table of
 * cells, in that of a run, in tables of controls, in tooltips, in charts of one study, in charts of several.
 */
type View = 'terminal' | 'evaluation' | 'cells' | 'run' | 'controls' | 'tip' | 'chart' | 'chart of several';

/** To add a score, add an entry to {@link scores}. */
export interface ScoreDescription {
  /** In tables and tooltips; without one it is in CSV files alone. */
  readonly label?: string;
  /** Where there is little room. Default: the label. */
  readonly shortLabel?: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  readonly of: (scored: Scored) => number | null | undefined;
  /** 95 % interval. */
  readonly interval?: (scored: Scored) => Interval | undefined;
  /** Whether tables show the interval, which CSV files then have as well; charts always do. */
  readonly showsInterval?: 'always' | 'on pages' | undefined;
  readonly format: (value: number) => string;
  /** In the terminal's table of cells. Default: {@link format}. */
  readonly brief?: (value: number) => string;
  /** In the terminal's table of a run or an evaluation. Default: {@link format}. */
  readonly precise?: (value: number) => string;
  /** Column of CSV files; without one it is not in them, as it follows from others. */
  readonly column?: string;
  /** Of a chart. */
  readonly title?: string;
  readonly views?: readonly View[];
}

const quantile = (
  column: string,
  of: keyof Comparison['klQuantiles'],
  shown: Pick<ScoreDescription, 'label' | 'views'> = {},
) =>
  ({
    ...shown,
    unit: 'nats per token',
    better: 'lower',
    of: (scored) => scored.scores.klQuantiles?.[of],
    format: (value) => short(value),
    column,
  }) satisfies ScoreDescription;

const parameters = (column: string, of: 'dense' | 'reduced') =>
  ({
    unit: 'parameters',
    better: 'lower',
    of: ({ footprint }) => footprint?.parameters[of],
    format: integer,
    column,
  }) satisfies ScoreDescription;

/** In the order of tables and CSV files. */
export const scores = {
  rank: {
    unit: 'components',
    better: 'lower',
    of: ({ footprint }) => footprint?.rank,
    format: (value) => short(value),
    column: 'mean_rank',
  },
  width: {
    label: 'width',
    unit: 'components',
    better: 'lower',
    of: ({ footprint }) => footprint?.width,
    format: (value) => value.toFixed(1),
    column: 'kv_width',
    views: ['terminal', 'cells', 'tip'],
  },
  size: {
    label: 'size',
    unit: 'of the dense parameters',
    better: 'lower',
    of: sizeOf,
    format: (value) => percent(value),
    brief: (value) => percent(value, 0),
    views: ['terminal', 'cells', 'tip'],
  },
  denseParameters: parameters('parameters_dense', 'dense'),
  reducedParameters: parameters('parameters_reduced', 'reduced'),
  error: {
    label: 'error',
    unit: 'of the Frobenius norm',
    better: 'lower',
    of: ({ footprint }) => footprint?.relativeError,
    format: (value) => value.toFixed(3),
    column: 'relative_error',
    views: ['cells'],
  },
  errorKv: {
    unit: 'of the Frobenius norm',
    better: 'lower',
    of: ({ footprint }) => footprint?.relativeErrorKv,
    format: (value) => value.toFixed(3),
    column: 'relative_error_kv',
  },
  nll: {
    label: 'nll',
    unit: 'nats per token',
    better: 'lower',
    of: (scored) => scored.scores.nll,
    format: figure,
    column: 'nll',
    views: ['evaluation', 'run'],
  },
  perplexity: {
    label: 'perplexity',
    shortLabel: 'ppl',
    title: 'Perplexity',
    unit: 'of the text',
    better: 'lower',
    of: (scored) => scored.scores.perplexity,
    interval: perplexityInterval,
    format: figure,
    brief: (value) => short(value),
    column: 'perplexity',
    views: ['terminal', 'evaluation', 'cells', 'run', 'controls', 'tip', 'chart'],
  },
  perplexityRatio: {
    title: 'Perplexity, as a multiple of the original’s',
    unit: 'times the original’s',
    better: 'lower',
    of: ({ scores: { deltaNll } }) => (deltaNll === undefined ? undefined : Math.exp(deltaNll)),
    interval: ({ scores: { intervals } }) => mapped(intervals?.deltaNll, Math.exp),
    format: figure,
    views: ['chart of several'],
  },
  deltaNll: {
    label: 'Δnll',
    unit: 'nats per token',
    better: 'lower',
    of: (scored) => scored.scores.deltaNll,
    interval: (scored) => scored.scores.intervals?.deltaNll,
    showsInterval: 'always',
    format: signed,
    column: 'delta_nll',
    views: ['terminal', 'cells', 'run', 'tip'],
  },
  kl: {
    label: 'KL',
    title: 'KL from the original',
    unit: 'nats per token',
    better: 'lower',
    of: (scored) => scored.scores.kl,
    interval: (scored) => scored.scores.intervals?.kl,
    showsInterval: 'on pages',
    format: (value) => short(value),
    precise: figure,
    column: 'kl',
    views: ['terminal', 'evaluation', 'cells', 'run', 'controls', 'tip', 'chart', 'chart of several'],
  },
  klMedian: quantile('kl_median', 'median', { label: 'KL, median', views: ['run'] }),
  kl99: quantile('kl_p99', 'p99', { label: 'KL, 99 %', views: ['run'] }),
  kl999: quantile('kl_p999', 'p999'),
  klMax: quantile('kl_max', 'max'),
  deltaPMean: {
    unit: 'probability',
    better: 'higher',
    of: (scored) => scored.scores.deltaP?.mean,
    format: (value) => percent(value, 2),
    column: 'delta_p_mean',
  },
  deltaPRms: {
    unit: 'probability',
    better: 'lower',
    of: (scored) => scored.scores.deltaP?.rms,
    format: (value) => percent(value, 2),
    column: 'delta_p_rms',
  },
  sameTop: {
    label: 'same top',
    unit: 'of tokens',
    better: 'higher',
    of: (scored) => scored.scores.sameTop,
    format: (value) => percent(value),
    column: 'same_top',
    views: ['evaluation', 'cells', 'run'],
  },
  accuracy: {
    label: 'tasks',
    unit: 'of questions',
    better: 'higher',
    of: ({ tasks }) => tasks?.accuracy,
    interval: ({ tasks }) => tasks?.interval,
    format: (value) => percent(value),
    column: 'task_accuracy',
    views: ['cells'],
  },
} as const satisfies Readonly<Record<string, ScoreDescription>>;

const all: readonly ScoreDescription[] = Object.values(scores);

/**
 * The scores of a view, in their order.
 * @param shown what the view is of: a score that none of it has is left out
 */
export function scoresIn(view: View, shown?: readonly Scored[]): ScoreDescription[] {
  return all.filter(
    ({ views, of }) => views?.includes(view) && (!shown || shown.some((one) => (of(one) ?? undefined) !== undefined)),
  );
}

/** A score's title in a table of a page. */
export function headOf({ label = '', showsInterval }: ScoreDescription): string {
  return showsInterval ? `${label} [95 %]` : label;
}

/** "+0.443 [0.39, 0.53]"; nothing where there is no value. */
export function scoreText({ of, interval, showsInterval, format }: ScoreDescription, scored: Scored): string {
  const value = of(scored) ?? undefined;
  if (value === undefined) return '';
  return format(value) + (showsInterval ? between(interval?.(scored) ?? null) : '');
}

/** The same score with as few digits as a narrow table has room for. */
export function brief(score: ScoreDescription): ScoreDescription {
  const { label, shortLabel = label, format, brief: narrow = format, showsInterval } = score;
  return {
    ...score,
    label: shortLabel,
    format: narrow,
    showsInterval: showsInterval === 'always' ? showsInterval : undefined,
  };
}

/** The same score with as many digits as two results are compared by, without its interval. */
export function precise(score: ScoreDescription): ScoreDescription {
  return withoutInterval({ ...score, format: score.precise ?? score.format });
}

export function withoutInterval(score: ScoreDescription): ScoreDescription {
  return { ...score, showsInterval: undefined };
}

/** A score's value alone, for a sentence. */
export function valueText(key: keyof typeof scores, scored: Scored): string {
  return scoreText(withoutInterval(scores[key]), scored);
}

/** Scores for a tooltip, a line each. */
export function scoreTip(scored: Scored): string {
  return scoresIn('tip', [scored])
    .map((score) => `${score.label} ${scoreText(score, scored)}`)
    .join('\n');
}

/** A score's place in a chart, with the ends of its interval. */
export function pointOf({ of, interval }: ScoreDescription, scored: Scored) {
  const ends = interval?.(scored);
  return { y: of(scored) ?? Number.NaN, ...(ends ? { low: ends[0], high: ends[1] } : {}) };
}

/** Columns of a CSV file: names, and the unrounded value of each. */
export function csvColumns(): (readonly [name: string, of: (scored: Scored) => number | null | undefined])[] {
  return all.flatMap(({ column, of, interval, showsInterval }) => {
    if (column === undefined) return [];
    const ends = ['low', 'high'].map(
      (end, i) => [`${column}_${end}`, (scored: Scored) => interval?.(scored)?.[i]] as const,
    );
    return [[column, of] as const, ...(showsInterval ? ends : [])];
  });
}

/** Which way scores are better, as a sentence each. */
export function directionsText(shown: readonly ScoreDescription[]): string {
  const labels = (way: ScoreDescription['better']) =>
    shown.flatMap(({ label, better }) => (label !== undefined && better === way ? label : [])).join(', ');
  const [lower, higher] = [labels('lower'), labels('higher')];
  return [lower && `Lower is better: ${lower}.`, higher && `Higher is better: ${higher}.`].filter(Boolean).join(' ');
}

/** Parameters as factors, or without what is zero, as a share of the dense ones. */
export function sizeOf({ footprint }: Pick<Scored, 'footprint'>): number | undefined {
  return footprint ? footprint.parameters.reduced / footprint.parameters.dense : undefined;
}

/** That of Δnll, moved to where the perplexity is. */
function perplexityInterval({ scores: { nll, deltaNll, intervals } }: Scored): Interval | undefined {
  if (deltaNll === undefined) return undefined;
  return mapped(intervals?.deltaNll, (delta) => Math.exp(nll - deltaNll + delta));
}

function mapped(interval: Interval | undefined, to: (end: number) => number): Interval | undefined {
  return interval && [to(interval[0]), to(interval[1])];
}
