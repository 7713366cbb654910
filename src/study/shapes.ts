// What result files are made of, as schemas, and the words for what is not so. Runs, studies and findings share them.
import { z } from 'zod';
import { modes, projections } from '../decompose/groups.ts';
import type { GroupReport, LayerReport } from '../decompose/operate.ts';
import { controls, matchRules, means } from '../decompose/operation.ts';
import type { Curve } from '../decompose/spectrum.ts';
import { shown } from '../errors.ts';
import type { Interval } from '../measure/score.ts';
import type { TaskScores } from '../measure/tasks.ts';

export const text = z.string();
export const texts = listOf((one): one is string => typeof one === 'string', 'string');
/** Finite: JSON knows no others, and takes 1e999 for one. */
export const number = z.number();
export const numbers = listOf((one): one is number => Number.isFinite(one), 'number');
export const interval: z.ZodType<Interval> = z.tuple([number, number]).nullable();
export const schema = z.literal(1);
export const versions = z.record(text, text);

/** Anything else that a model's or an operation's entry says is kept. */
export const model = z.looseObject({
  ref: text,
  architecture: text,
  layers: number,
  parameters: number,
  dtype: text,
  sha256: text,
  notice: text.optional(),
});

export const operation = z
  .looseObject({
    ...{ mode: z.enum(modes), variance: number.optional(), rank: number.optional(), mean: z.enum(means) },
    ...{ center: z.boolean(), balance: z.boolean(), targets: z.array(z.enum(projections)), layers: numbers },
    ...{ allocate: z.enum(['uniform', 'global']), seed: number, control: z.enum(controls).optional() },
    match: z.object({ rule: z.enum(matchRules), of: z.enum(modes) }).optional(),
  })
  .refine(({ variance, rank }) => variance !== undefined || rank !== undefined, 'expected a variance or a rank');

export const parameters = z.object({ dense: number, factored: number });
const groupReport: z.ZodType<GroupReport> = z
  .object({
    ...{ name: text, rank: number, of: number, explained: number, parameters },
    ...{ relativeError: numbersByName(), squaredNorm: numbersByName() },
  })
  .refine(({ relativeError, squaredNorm }) => `${Object.keys(relativeError)}` === `${Object.keys(squaredNorm)}`, {
    ...{ path: ['squaredNorm'], message: 'expected the projections of relativeError' },
  });
export const layerReports: z.ZodType<LayerReport[]> = z.array(
  z.object({ layer: number, groups: z.array(groupReport) }),
);
export const curves: z.ZodType<Curve[]> = z.array(
  z
    .object({ group: text, layers: numbers, of: number, ranks: numbers, explained: numbers })
    .check(ofOneLength('ranks', 'explained')),
);

const scores = z.object({ nll: number, perplexity: number.nullable() });
export const score = scores.transform(withPerplexity);
export const comparison = scores
  .extend({
    ...{ kl: number, sameTop: number, deltaNll: number, intervals: z.object({ deltaNll: interval, kl: interval }) },
    klQuantiles: z.object({ median: number, p99: number, p999: number, max: number }),
    deltaP: z.object({ mean: number, rms: number }),
  })
  .transform(withPerplexity);
export const scoredText = z.object({
  ...{ text, chunk: z.literal('stream').optional(), documents: number, tokens: number, cut: number },
  ...{ maxTokens: number, rule: text, intervalRule: text },
});

const taskScore = z.object({
  ...{ questions: number, correct: number, accuracy: number, interval: z.tuple([number, number]), chance: number },
});
export const taskScores: z.ZodType<TaskScores> = taskScore.extend({ byTask: z.record(text, taskScore) });
export const prompting = { system: text.optional(), chat: text.optional() };
export const notes = texts.optional();
export const sampling = z.object({
  ...prompting,
  ...{ temperature: number, topP: number, topK: number, repetitionPenalty: number, seed: number },
  maxNewTokens: number,
});

/** Where something is in a file: keys, and positions in lists. */
export type Path = readonly (string | number)[];
export type Issue = z.core.$ZodRawIssue & { readonly path: (string | number)[]; readonly message: string };

/** What is wrong in a place below a value. */
export function problem(input: unknown, path: Path, message: string): Issue {
  return { code: 'custom', input, path: [...path], message };
}

/** A perplexity that is too large for JSON, which has null in its place, follows from nll as all do. */
export function withPerplexity<T extends { readonly nll: number; readonly perplexity: number | null }>(one: T) {
  return { ...one, perplexity: one.perplexity ?? Math.exp(one.nll) };
}

/** A list, checked faster than by z.array: the cells of a study hold hundreds of thousands of figures. */
function listOf<T>(isItem: (one: unknown) => one is T, name: string) {
  return z.custom<T[]>().check(({ value, issues }) => {
    const at = Array.isArray(value) ? value.findIndex((one) => !isItem(one)) : undefined;
    if (at === undefined) issues.push(problem(value, [], received('array', value)));
    else if (at >= 0) issues.push(problem(value[at], [at], received(name, value[at])));
  });
}

/** Finite numbers by name, faster than z.record for the same reason. */
function numbersByName() {
  return z.custom<Record<string, number>>().check(({ value, issues }) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      issues.push(problem(value, [], received('record', value)));
      return;
    }
    const name = Object.keys(value).find((key) => !Number.isFinite(value[key]));
    if (name !== undefined) issues.push(problem(value[name], [name], received('number', value[name])));
  });
}

const received = (expected: string, value: unknown) => `Invalid input: expected ${expected}, received ${shown(value)}`;

/** Lists that belong together, item by item, and are not as long as the first of them. */
export function lengthIssues(lists: Readonly<Record<string, readonly unknown[]>>): Issue[] {
  const [[first, { length }] = ['', []], ...others] = Object.entries(lists);
  return others.flatMap(([key, own]) =>
    own.length === length ? [] : problem(own, [key], `expected ${length} items as in ${first}, received ${own.length}`),
  );
}

/** The same of the lists that an object has under these keys. */
export function ofOneLength<K extends string>(...keys: readonly K[]) {
  return ({ value, issues }: z.core.ParsePayload<Readonly<Record<K, readonly unknown[]>>>): void => {
    issues.push(...lengthIssues(Object.fromEntries(keys.map((key) => [key, value[key]]))));
  };
}

/**
 * What is wrong with the lists of a sample.
 * @param figures by name, each one a new token
 */
export function sampleIssues(
  { ids, pieces }: { readonly ids: readonly number[]; readonly pieces: readonly string[] },
  figures: Readonly<Record<string, readonly number[]>>,
): Issue[] {
  const words = `expected ${pieces.length} items or more, those of pieces and the prompt's, received ${ids.length}`;
  const short = ids.length < pieces.length ? [problem(ids, ['ids'], words)] : [];
  return [...lengthIssues({ pieces, ...figures }), ...short];
}

/**
 * @param what it has to be, such as "a cell"
 * @throws Error in words that follow the name of what was read: what it is not, where, and what was found there
 */
export function checked<T>(shape: z.ZodType<T>, value: unknown, what: string): T {
  const { success, data, error } = shape.safeParse(value);
  if (success) return data;
  throw error.issues[0] ? unlike(what, error.issues[0], error) : error;
}

/** "is not a cell, at scores.nll: expected number, received undefined" */
export function unlike(
  what: string,
  { path, message }: Pick<z.core.$ZodIssue, 'path' | 'message'>,
  cause?: unknown,
): Error {
  return new Error(`is not ${what}${path.length > 0 ? `, at ${path.join('.')}` : ''}: ${message}`, { cause });
}
