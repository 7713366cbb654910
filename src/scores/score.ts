// What a score is: how it is summed over tokens, what it comes to, how result files hold it, and how it is shown.
// A new score is a file like nll.ts and a line in registry.ts.
import { z } from 'zod';
import type { Accumulation, Interval, TokenSums } from './token-sums.ts';

export const interval: z.ZodType<Interval> = z.tuple([z.number(), z.number()]).nullable();

/** Values by name, as zod schemas. */
type Fields = Readonly<Record<string, z.ZodType>>;

/**
 * What result files hold of a score: of every model alone, of a variant compared with the original, and the 95 %
 * intervals of some of these. Of a score that older files lack, each is optional.
 */
export interface Shape {
  readonly alone?: Fields;
  readonly compared?: Fields;
  readonly intervals?: Fields;
}

type None = Readonly<Record<never, never>>;
export type FieldsOf<S, K extends keyof Shape> = S extends { readonly [P in K]: infer F extends Fields } ? F : None;
type Values<F> = { readonly [K in keyof F]: z.output<F[K]> };
type WithIntervals<S> = S extends { readonly intervals: infer F } ? { readonly intervals: Values<F> } : None;

/** All that a score may say of a variant; of the original, what there is of a model alone. */
type Source<S> = Partial<Values<FieldsOf<S, 'alone'> & FieldsOf<S, 'compared'>>> & {
  readonly intervals?: Partial<Values<FieldsOf<S, 'intervals'>>>;
};

export interface TokenScore<S extends Shape, Name extends string> extends Accumulation {
  readonly shape: S;
  /** Of a model alone, the original as well. Without it, the original is not summed. */
  summarise?(own: TokenSums): Values<FieldsOf<S, 'alone'>>;
  /** Of a variant, compared with the original on the same tokens. */
  compare?(own: TokenSums, original: TokenSums): Values<FieldsOf<S, 'compared'>> & WithIntervals<S>;
  /** What is shown of it, in the order of tables and CSV files. */
  readonly quantities: Readonly<Record<Name, Quantity<Source<S>>>>;
}

/** Gives a score its types. */
export function tokenScore<const S extends Shape, Name extends string>(score: TokenScore<S, Name>) {
  return score;
}

/**
 * Where a score is shown: in the terminal's table of cells, in its table of a run or an evaluation, in a page's table of
 * cells, in that of a run, in tables of controls, in tooltips, in charts of one study, in charts of several.
 */
export type View = 'terminal' | 'evaluation' | 'cells' | 'run' | 'controls' | 'tip' | 'chart' | 'chart of several';

/**
 * A number with four significant digits, with few, as perplexities are, with few and its sign, or as a percentage with one
 * digit or two.
 */
export type NumberFormat = '4 digits' | '3 digits' | 'perplexity' | 'signed' | 'percent' | 'percent, 2 decimals';

/** A number to show: its words and format, for the terminal, pages, charts and CSV files alike. */
export interface Quantity<Source, Format = NumberFormat> {
  /** In tables and tooltips; without one it is in CSV files alone. */
  readonly label?: string;
  /** Where there is little room. Default: the label. */
  readonly shortLabel?: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  readonly of: (source: Source) => number | null | undefined;
  /** 95 % interval. */
  readonly interval?: (source: Source) => Interval | undefined;
  /** Whether tables show the interval, which CSV files then have as well; charts always do. */
  readonly showsInterval?: 'always' | 'on pages' | undefined;
  readonly format: Format;
  /** In the terminal's table of cells. Default: {@link format}. */
  readonly brief?: Format;
  /** In the terminal's table of a run or an evaluation. Default: {@link format}. */
  readonly precise?: Format;
  /** Column of CSV files; without one it is not in them, as it follows from others. */
  readonly column?: string;
  /** Of a chart. */
  readonly title?: string;
  readonly views?: readonly View[];
}
