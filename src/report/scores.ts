// How each score is shown: tables in a terminal and on pages, CSV files, tooltips and charts derive from one description.
import type { CellResult } from '../results/study.ts';
import { type Comparison, quantities, type Score } from '../scores/registry.ts';
import type { NumberFormat, Quantity, View } from '../scores/score.ts';
import type { TaskScores } from '../scores/tasks.ts';
import type { Interval } from '../scores/token-sums.ts';
import { between, figure, integer, percent, perplexity, short, signed } from './format.ts';

/** A cell, or the original, which has neither a footprint nor differences from itself. */
export interface Scored {
  readonly scores: Score & Partial<Comparison>;
  readonly footprint?: CellResult['footprint'] | undefined;
  readonly tasks?: TaskScores | undefined;
}

export type ScoreDescription = Quantity<Scored, (value: number) => string>;

const formats: Readonly<Record<NumberFormat, (value: number) => string>> = {
  '4 digits': figure,
  '3 digits': (value) => short(value),
  perplexity,
  signed,
  percent: (value) => percent(value),
  'percent, 2 decimals': (value) => percent(value, 2),
};

/** How a score of documents is shown. */
function ofScores({ of, interval, format, brief: narrow, precise: wide, ...words }: Quantity<Scored['scores']>) {
  return {
    ...words,
    of: ({ scores }) => of(scores),
    ...(interval ? { interval: ({ scores }) => interval(scores) } : {}),
    format: formats[format],
    ...(narrow ? { brief: formats[narrow] } : {}),
    ...(wide ? { precise: formats[wide] } : {}),
  } satisfies ScoreDescription;
}

const ofDocuments = Object.fromEntries(
  Object.entries<Quantity<Scored['scores']>>(quantities).map(([key, one]) => [key, ofScores(one)]),
) as Readonly<Record<keyof typeof quantities, ScoreDescription>>;

const parameters = (column: string, of: 'dense' | 'reduced') =>
  ({
    unit: 'parameters',
    better: 'lower',
    of: ({ footprint }) => footprint?.parameters[of],
    format: integer,
    column,
  }) satisfies ScoreDescription;

const inBytes = (column: string, of: 'dense' | 'reduced') =>
  ({
    unit: 'bytes',
    better: 'lower',
    of: ({ footprint }) => footprint?.bytes?.[of],
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
    column: 'width',
    views: ['terminal', 'cells', 'tip'],
  },
  size: {
    label: 'parameters',
    unit: 'of the dense parameters',
    better: 'lower',
    of: sizeOf,
    format: (value) => percent(value),
    brief: (value) => percent(value, 0),
    views: ['terminal', 'cells', 'tip'],
  },
  bytes: {
    label: 'bytes',
    unit: 'of the dense bytes',
    better: 'lower',
    of: bytesOf,
    format: (value) => percent(value),
    brief: (value) => percent(value, 0),
    views: ['terminal', 'cells', 'tip'],
  },
  denseBytes: inBytes('bytes_dense', 'dense'),
  storedBytes: inBytes('bytes_reduced', 'reduced'),
  denseParameters: parameters('parameters_dense', 'dense'),
  reducedParameters: parameters('parameters_reduced', 'reduced'),
  error: {
    label: 'error',
    unit: 'of the Frobenius norm',
    better: 'lower',
    of: ({ footprint }) => footprint?.relativeError,
    format: (value) => errorText(value, 3),
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
  ...ofDocuments,
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
 * @param shown what the view is of: a score that none of it has is left out, and so are intervals that none of it has, and
 * bytes where they only repeat the parameters, and these where none of it has fewer
 */
export function scoresIn(view: View, shown?: readonly Scored[]): ScoreDescription[] {
  const own = all.filter(({ views }) => views?.includes(view));
  if (!shown) return own;
  return own
    .filter(({ of }) => shown.some((one) => (of(one) ?? undefined) !== undefined))
    .filter(({ of }) => of !== bytesOf || shown.some(storesOtherwise))
    .filter(({ of }) => of !== sizeOf || shown.some((one) => sizeOf(one) !== 1))
    .map((score) => (shown.some((one) => score.interval?.(one)) ? score : withoutInterval(score)));
}

/** A score's title in a table. */
export function headOf({ label = '', showsInterval }: ScoreDescription): string {
  return showsInterval ? withIntervalMark(label) : label;
}

/** "ΔNLL [95 %]" @param intervals of the column's figures: where there is none, the title alone */
export function withIntervalMark(title: string, intervals?: readonly (Interval | undefined)[]): string {
  return !intervals || intervals.some((one) => one) ? `${title} [95 %]` : title;
}

/** A sentence on the error bars of a chart; nothing where it has none. @param words "95 % intervals" */
export function barsText(all: readonly Scored['scores'][], words = '95 % intervals'): string {
  return hasIntervals(all) ? `Error bars: ${words}. ` : '';
}

/** Marks a relative error above 1. */
export const worseMark = '!';
export const worseNote = `${worseMark} relative error above 1: all zeros would be closer to the original weights.`;

/** A relative error, ‖W − Ŵ‖ / ‖W‖. */
export function errorText(error: number, digits = 4): string {
  return `${error.toFixed(digits)}${error > 1 ? worseMark : ''}`;
}

/** The explanation of the mark for errors above 1, where any is marked. */
export function worseNotes(shown: readonly Scored[]): string[] {
  return shown.some((one) => (scores.error.of(one) ?? 0) > 1) ? [worseNote] : [];
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

/** Whether any of these scores has an interval: of one document there is none. */
export function hasIntervals(all: readonly Scored['scores'][]): boolean {
  return all.some(({ intervals = {} }) => Object.values(intervals).some((interval) => interval !== null));
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

/** Bytes as stored, as a share of the dense ones. */
function bytesOf({ footprint }: Pick<Scored, 'footprint'>): number | undefined {
  return footprint?.bytes && footprint.bytes.reduced / footprint.bytes.dense;
}

/** Whether what is kept is stored in other numbers than the dense weights, so that bytes say more than parameters. */
export function storesOtherwise(one: Pick<Scored, 'footprint'>): boolean {
  const [bytes, size] = [bytesOf(one), sizeOf(one)];
  return bytes !== undefined && size !== undefined && Math.abs(bytes - size) > 1e-9;
}

/** "40.3 % of the modified parameters", or of their bytes where these say more. */
export function sizeText(one: Scored): string {
  return storesOtherwise(one)
    ? `${valueText('bytes', one)} of the modified weights’ bytes`
    : `${valueText('size', one)} of the modified parameters`;
}

/** Parameters as factors, or without what is zero, as a share of the dense ones. */
export function sizeOf({ footprint }: Pick<Scored, 'footprint'>): number | undefined {
  return footprint ? footprint.parameters.reduced / footprint.parameters.dense : undefined;
}
