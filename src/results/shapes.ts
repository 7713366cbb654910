// Schemas that runs, studies and results of analyses share, and the wording of their errors.
import { z } from 'zod';
import { weightDtypes } from '../checkpoint/dtypes.ts';
import { completeOperationSchema } from '../operations/recipe-file.ts';
import { kinds, type OperationReport } from '../operations/registry.ts';
import { type Frozen, type Issue, lengthIssues, problem, texts } from '../platform/schemas.ts';
import type { TaskScores } from '../scores/tasks.ts';

export const text = z.string();
/** Finite: JSON knows no others, and takes 1e999 for one. */
export const number = z.number();
export const versions = z.record(text, text);

/** The model that was operated on. */
export const model = z.object({
  /** The reference as given, or `pocket`. */
  ref: text,
  architecture: text,
  layers: number,
  parameters: number,
  dtype: z.enum(weightDtypes),
  /** Tokens of the vocabulary; not known of older results. */
  vocabulary: number.optional(),
  /** Of the safetensors files, one after the other. */
  sha256: text,
});

/** The same on the machine where the command ran. */
export const modelHere = model.extend({
  /** Its folder. Screens show it, and files that may be passed on do not hold it. */
  path: text.optional(),
  /** Why this model stands in for the default one, if it does. */
  notice: text.optional(),
});

export const recipe = z.array(completeOperationSchema).min(1);

/** The report of each operation of a recipe. */
const reportSchemas = await Promise.all(Object.values(kinds).map((kind) => kind.reportSchema()));
const [first, ...others] = reportSchemas as unknown as [
  z.core.$ZodTypeDiscriminable,
  ...z.core.$ZodTypeDiscriminable[],
];
export const reports = z.array(
  z.discriminatedUnion('kind', [first, ...others]) as unknown as z.ZodType<OperationReport>,
);

export const footprint = z.object({
  parameters: z.object({ dense: number, reduced: number }),
  /** Not known of older results. */
  bytes: z.object({ dense: number, reduced: number }).optional(),
  squaredNorm: number,
  relativeError: number,
  relativeErrorKv: number.nullable(),
  rank: number.nullable(),
  width: number.nullable(),
});

export const scoredText = z.object({
  text,
  chunk: z.literal('stream').optional(),
  documents: number,
  tokens: number,
  cut: number,
  unread: number.optional(),
  isCounted: z.literal(true).optional(),
  maxTokens: number,
  rule: text,
  intervalRule: text,
});

/** The text that operations were fitted to. */
export const calibration = z.object({
  /** File, dataset, or the name of the built-in text. */
  text,
  documents: number,
  tokens: number,
  /** Length in tokens of the longest documents. */
  maxTokens: number,
  /** How it was cut, and which positions were read. */
  rule: text,
  /** Of the token ids. */
  documentsSha256: text,
  /** What it shares with the scored text, where that was allowed. */
  leak: text.optional(),
  notes: texts.optional(),
});
export type CalibrationInfo = Frozen<z.infer<typeof calibration>>;

const taskScore = z.object({
  questions: number,
  correct: number,
  accuracy: number,
  interval: z.tuple([number, number]),
  chance: number,
});
export const taskScores: z.ZodType<TaskScores> = taskScore.extend({ byTask: z.record(text, taskScore) });
/** How prompts were wrapped: the system message, and the SHA-256 of a file of conversations. */
export const prompting = { system: text.optional(), chat: text.optional() };
/** Notes on the model's files that affect the samples, one line each. */
export const notes = texts.optional();
export const sampling = z.object({
  ...prompting,
  temperature: number,
  topP: number,
  topK: number,
  repetitionPenalty: number,
  seed: number,
  maxNewTokens: number,
});

export type ModelInfo = Frozen<z.infer<typeof modelHere>>;
export type SamplingInfo = Frozen<z.infer<typeof sampling>>;
export type PromptInfo = Pick<SamplingInfo, keyof typeof prompting>;

/** A result as files hold it: without the folders of the machine that made it. */
export function withoutFolders<T extends { readonly model: ModelInfo; readonly output?: string | undefined }>(
  result: T,
): T {
  return { ...result, model: { ...result.model, path: undefined }, output: undefined };
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
  throw error.issues[0] ? invalid(what, error.issues[0], error) : error;
}

/** "is not a cell, at scores.nll: expected number, received undefined" */
export function invalid(
  what: string,
  { path, message }: Pick<z.core.$ZodIssue, 'path' | 'message'>,
  cause?: unknown,
): Error {
  return new Error(`is not ${what}${path.length > 0 ? `, at ${path.join('.')}` : ''}: ${message}`, { cause });
}
