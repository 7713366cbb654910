// Measures cells: operate, score, generate, answer questions. One session and one pass of the original serve them all.

import { continuationLogprobs } from '../generate/continuation.ts';
import { type EndToken, type GenerateOptions, generateTogether, type Start } from '../generate/generate.ts';
import type { Operated, Operator } from '../operations/operator.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { OperationReport } from '../operations/registry.ts';
import { itemAt } from '../platform/indexing.ts';
import { memory } from '../platform/limits.ts';
import type { CellResult, CellSample, OriginalResult, Sample } from '../results/study.ts';
import type { Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import { scoreDocuments } from '../scores/likelihood.ts';
import type { Recording } from '../scores/recording.ts';
import { type EncodedQuestion, scoreTasks } from '../scores/tasks.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What every cell is measured on. */
export interface Measurement {
  readonly documents: readonly (readonly number[])[];
  readonly tasks: readonly EncodedQuestion[];
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly generation: GenerateOptions;
}

/**
 * Variants in the order of their recipes, each begun when the one before it is done: scoring leaves part of the cores
 * idle, which the operator's threads use meanwhile. Without threads each is made when it is asked for.
 */
export class VariantQueue {
  readonly #operator: Operator;
  readonly #waiting: CompleteRecipe[];
  #begun: Promise<Operated> | undefined;

  constructor(operator: Operator, recipes: readonly CompleteRecipe[]) {
    this.#operator = operator;
    this.#waiting = [...recipes];
    if (operator.threaded) this.#begin();
  }

  /** The next variant. @throws SurgeryError as {@link Operator.apply} does */
  async next(): Promise<Operated> {
    if (!this.#begun) this.#begin();
    const operated = await this.#begun;
    this.#begun = undefined;
    if (!operated) throw new RangeError('no variant is left');
    if (this.#operator.threaded) this.#begin();
    return operated;
  }

  #begin(): void {
    const recipe = this.#waiting.shift();
    if (!recipe) return;
    this.#begun = this.#operator.apply(recipe);
    this.#begun.catch(() => {}); // thrown when it is asked for
  }
}

/** Everything that measuring cells needs. */
export interface Experiment {
  /** The variants of the cells to come, one after the other. */
  readonly variants: Pick<VariantQueue, 'next'>;
  readonly runtime: Runtime;
  readonly tokenizer: Tokenizer;
  readonly recording: Recording;
  readonly measurement: Measurement;
  /** Called for each new token of a sample. */
  readonly onToken?: () => void;
}

/** Seconds by stage; `decompose` is what scoring had to wait for. */
export type Seconds = Record<'decompose' | 'score' | 'generate' | 'answer', number>;

/** Maximum number of cells whose samples are generated in one batch: more take more memory and gain little. */
const mostTogether = 4;

/** Whether components that take so many bytes may stay in memory: half of what is free is left. */
export function fitsInMemory(bytes: number, free = memory().free): boolean {
  return bytes < free / 2;
}

/** How many variants of so many bytes may be in memory at once: those of a batch, in a quarter of what is free. */
export function cellsTogether(bytes: number, free = memory().free): number {
  return Math.max(1, Math.min(mostTogether, Math.floor(free / 4 / Math.max(bytes, 1))));
}

/** The original's scores from its recorded logits, with its samples and answers. */
export async function measureOriginal(experiment: Experiment, seconds: Seconds): Promise<OriginalResult> {
  const { runtime } = experiment;
  const scored = await scoreOriginal(experiment, seconds);
  const [own] = await timed(seconds, 'generate', () => samplesOf(experiment, [runtime.original]));
  return { ...scored, samples: (own ?? []).map(({ sample }) => sample) };
}

async function scoreOriginal(
  { runtime, recording, measurement }: Experiment,
  seconds: Seconds,
): Promise<Omit<OriginalResult, 'samples'>> {
  const scores = await timed(seconds, 'score', () => scoreDocuments(measurement.documents, recording));
  const tasks = await timed(seconds, 'answer', () => answersOf(measurement, { runtime }));
  return { scores: scores.original, byDocument: scores.originalByDocument, ...(tasks ? { tasks } : {}) };
}

/** A cell that is to be made. */
export interface PlannedCell {
  readonly id: string;
  readonly recipe: CompleteRecipe;
}

/**
 * Measures the next cells in line. Their samples are generated in one batch; each result is what it would be alone.
 * @param original its samples are compared with those of the cells
 * @param onTokens called with the tokens scored since it was called last
 * @throws SurgeryError as the operations and the scoring do
 */
export async function measureCells(
  experiment: Experiment,
  original: OriginalResult,
  cells: readonly PlannedCell[],
  seconds: Seconds,
  onTokens: (tokens: number) => void,
): Promise<CellResult[]> {
  const done: ScoredVariant[] = [];
  for (const cell of cells) done.push(await scoreNext(experiment, cell, seconds, onTokens));
  const samples = await timed(seconds, 'generate', async () => {
    const variants = done.map(({ weights }) => weights);
    const written = await samplesOf(experiment, variants);
    const all: CellSample[][] = [];
    for (const [i, weights] of variants.entries())
      all.push(await compared(experiment, original.samples, weights, itemAt(written, i).map(sampleAlone)));
    return all;
  });
  return done.map(({ result }, i) => ({ ...result, samples: itemAt(samples, i) }));
}

/** One variant and the original. */
export interface Pair {
  readonly original: OriginalResult;
  readonly cell: CellResult;
  /** Of each sample, after its first token. */
  readonly tokensPerSecond: { readonly original: readonly number[]; readonly variant: readonly number[] };
}

/**
 * A scored variant with the original, whose samples are continued side by side: a step reads the weights that both share
 * once. @throws SurgeryError as the scoring does
 */
export async function measurePair(
  experiment: Experiment,
  { weights, result }: ScoredVariant,
  seconds: Seconds,
): Promise<Pair> {
  const scored = await scoreOriginal(experiment, seconds);
  const [originals = [], own = []] = await timed(seconds, 'generate', () =>
    samplesOf(experiment, [experiment.runtime.original, weights]),
  );
  const original = { ...scored, samples: originals.map(sampleAlone) };
  const samples = await timed(seconds, 'generate', () =>
    compared(experiment, original.samples, weights, own.map(sampleAlone)),
  );
  const speeds = (written: readonly Written[]) => written.map(({ tokensPerSecond }) => tokensPerSecond);
  return {
    original,
    cell: { ...result, samples },
    tokensPerSecond: { original: speeds(originals), variant: speeds(own) },
  };
}

/** A variant that has been scored and has written nothing yet. */
export interface ScoredVariant {
  readonly operated: Operated;
  readonly weights: Weights;
  readonly result: Omit<CellResult, 'samples'>;
}

/** The next variant in line, scored. */
export async function scoreNext(
  { variants, runtime, recording, measurement }: Experiment,
  { id, recipe }: PlannedCell,
  seconds: Seconds,
  onTokens: (tokens: number) => void,
): Promise<ScoredVariant> {
  const operated = await timed(seconds, 'decompose', () => variants.next());
  const weights = runtime.variant(operated.tensors);
  let last = 0;
  const scores = await timed(seconds, 'score', () =>
    scoreDocuments(measurement.documents, recording, [{ runtime, weights }], (tokens) => {
      onTokens(tokens - last);
      last = tokens;
    }),
  );
  const tasks = await timed(seconds, 'answer', () => answersOf(measurement, { runtime, weights }));
  const { footprint, reports } = operated;
  return {
    operated,
    weights,
    result: {
      id,
      recipe,
      footprint,
      reports: reports.map(withoutCurves),
      scores: itemAt(scores.variants, 0),
      byDocument: itemAt(scores.variantsByDocument, 0),
      ...(tasks ? { tasks } : {}),
    },
  };
}

/** A study holds spectra once for all cells, and where components came from is not a result. */
function withoutCurves(report: OperationReport): OperationReport {
  return report.kind === 'pca' ? { kind: 'pca', layers: report.layers } : report;
}

async function answersOf({ tasks }: Measurement, model: { runtime: Runtime; weights?: Weights }) {
  return tasks.length > 0 ? scoreTasks(tasks, model) : undefined;
}

/** A variant's samples, and how likely it and the original find each other's tokens. */
async function compared(
  { runtime, measurement: { prompts } }: Experiment,
  originals: readonly Sample[],
  weights: Weights,
  samples: readonly Sample[],
): Promise<CellSample[]> {
  const compared: CellSample[] = [];
  for (const [i, sample] of samples.entries()) {
    const from = itemAt(prompts, i).ids.length;
    compared.push({
      ...sample,
      underOriginal: await continuationLogprobs({ runtime }, sample.ids, from),
      ofOriginal: await continuationLogprobs({ runtime, weights }, itemAt(originals, i).ids, from),
    });
  }
  return compared;
}

interface Written {
  readonly sample: Sample;
  readonly tokensPerSecond: number;
}

const sampleAlone = ({ sample }: Written) => sample;

/** Every prompt continued by every variant: a list for each variant. */
async function samplesOf(
  { runtime, tokenizer, measurement: { prompts, generation }, onToken }: Experiment,
  variants: readonly Weights[],
): Promise<Written[][]> {
  const starts: Start[] = variants.flatMap((weights) =>
    prompts.map(({ ids }) => ({ prompt: ids, weights, ...(onToken ? { onToken } : {}) })),
  );
  if (starts.length === 0) return variants.map(() => []);
  const generated = await generateTogether(runtime, starts, generation);
  const samples: Written[][] = [];
  for (const [variant, weights] of variants.entries()) {
    const own: Written[] = [];
    for (const [i, { text, ids: prompt }] of prompts.entries()) {
      const { ids, end, tokensPerSecond } = itemAt(generated, variant * prompts.length + i);
      const logprobs = await continuationLogprobs({ runtime, weights }, ids, prompt.length);
      own.push({
        sample: {
          prompt: text,
          ...tokenizer.continuation(prompt, ids),
          ids: [...ids],
          logprobs,
          ...endOf(end, tokenizer),
        },
        tokensPerSecond,
      });
    }
    samples.push(own);
  }
  return samples;
}

/** A stop token that came first, as results hold it. */
export function endOf(end: EndToken | undefined, tokenizer: Tokenizer): Pick<Sample, 'end'> {
  return end ? { end: { token: tokenizer.piece(end.id), logprob: Math.round(end.logprob * 1e4) / 1e4 } } : {};
}

async function timed<T>(seconds: Seconds, stage: keyof Seconds, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    seconds[stage] += (performance.now() - start) / 1000;
  }
}
