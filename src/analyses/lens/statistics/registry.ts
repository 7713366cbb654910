// The statistics of the lens, in the order of result files and tables. A new one is a file and a line here.
import { entropy } from './entropy.ts';
import { inputTop } from './input-top.ts';
import { kl } from './kl.ts';
import { probabilityFinal } from './probability-final.ts';
import { rankFinal } from './rank-final.ts';
import { rankInput } from './rank-input.ts';
import { sameTop } from './same-top.ts';
import type { Statistic } from './statistic.ts';

/** Of one lens alone. */
export const alone = { entropy };

/** Of a lens and the last point's, each with a chance level: the lens of another position, and fixed distributions. */
export const againstLast = { kl, probabilityFinal, sameTop, rankFinal, inputTop, rankInput };

export type Statistics = Readonly<Record<string, Statistic>>;
type OfCells<R> = { readonly [K in keyof R as R[K] extends { readonly prompt: object } ? K : never]: R[K] };

/** Those that a prompt's cells have. */
export const ofCells = Object.fromEntries(
  Object.entries<Statistic>({ ...alone, ...againstLast }).filter(([, { prompt }]) => prompt),
) as OfCells<typeof alone & typeof againstLast>;

/** The values that colour a map of layers and tokens: the likeliest token's probability, and statistics. */
export const colours: readonly string[] = [
  'probability',
  ...Object.values<Statistic>(ofCells).flatMap(({ prompt }) => prompt?.map?.colour ?? []),
];

/** A registry's keys and statistics, in order. */
export function entriesOf<R extends Statistics>(statistics: R): (readonly [keyof R & string, R[keyof R]])[] {
  return Object.entries(statistics) as [keyof R & string, R[keyof R]][];
}

/** Something of each statistic, under its key. */
export function byStatistic<R extends Statistics, T>(
  statistics: R,
  make: (key: keyof R & string, statistic: R[keyof R]) => T,
): { readonly [K in keyof R]: T } {
  const made = entriesOf(statistics).map(([key, one]) => [key, make(key, one)]);
  return Object.fromEntries(made) as { readonly [K in keyof R]: T };
}
