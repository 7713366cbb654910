// Cells → their results: operate, score, sample, answer. One session and one reading of the original serve them all.
import type { Fits } from '../decompose/fits.ts';
import { type Operated, operateWith } from '../decompose/operate.ts';
import { type Operation, settled } from '../decompose/operation.ts';
import { memory } from '../limits.ts';
import { continuationLogprobs } from '../measure/continuation.ts';
import { type GenerateOptions, generateTogether, type Start } from '../measure/generate.ts';
import type { Recording } from '../measure/recording.ts';
import { type Scores, scoreDocuments } from '../measure/score.ts';
import { type Question, scoreTasks } from '../measure/tasks.ts';
import type { Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import type { Tokenizer } from '../runtime/tokenizer.ts';
import type { CellResult, CellSample, OriginalResult, StudySample } from './results.ts';
import { extentOf } from './summary.ts';

/** What is measured of every cell. */
export interface Measurement {
  readonly documents: readonly (readonly number[])[];
  readonly tasks: readonly Question[];
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly generation: GenerateOptions;
}

/**
 * Operations in the order they were given, each begun when the one before it is done: scoring leaves part of the cores
 * idle, which the threads of {@link Fits} use meanwhile. Without threads each is done when it is asked for.
 */
export class Line {
  readonly #fits: Fits;
  readonly #waiting: Operation[];
  #begun: Promise<Operated> | undefined;

  constructor(fits: Fits, operations: readonly Operation[]) {
    this.#fits = fits;
    this.#waiting = [...operations];
    if (fits.threaded) this.#begin();
  }

  /** The next operation's result. @throws SurgeryError as it does */
  async next(): Promise<Operated> {
    if (!this.#begun) this.#begin();
    const operated = await this.#begun;
    this.#begun = undefined;
    if (!operated) throw new RangeError('no operation is left');
    if (this.#fits.threaded) this.#begin();
    return operated;
  }

  #begin(): void {
    const operation = this.#waiting.shift();
    if (!operation) return;
    this.#begun = operateWith(this.#fits, operation);
    this.#begun.catch(() => {}); // told when it is asked for
  }
}

/** What a study works with. */
export interface Bench {
  /** The operations of the cells to come. */
  readonly line: Line;
  readonly runtime: Runtime;
  readonly tokenizer: Tokenizer;
  readonly recording: Recording;
  readonly measurement: Measurement;
}

/** Seconds by stage; `decompose` is what scoring had to wait for. */
export type Seconds = Record<'decompose' | 'score' | 'generate' | 'answer', number>;

/** Cells whose samples are continued side by side: more take more memory and gain little. */
export const mostTogether = 4;

/** Whether components that take so many bytes may stay in memory: half of what is free is left. */
export function mayStay(bytes: number, free = memory().free): boolean {
  return bytes < free / 2;
}

/** How many variants of so many bytes may be in memory at once: those of a batch, in a quarter of what is free. */
export function cellsTogether(bytes: number, free = memory().free): number {
  return Math.max(1, Math.min(mostTogether, Math.floor(free / 4 / Math.max(bytes, 1))));
}

/** The original's scores, from its kept logits, with its samples and answers. */
export async function measureOriginal(bench: Bench, seconds: Seconds): Promise<OriginalResult> {
  const { runtime, recording, measurement } = bench;
  const scores = await timed(seconds, 'score', () => scoreDocuments(measurement.documents, recording));
  const [samples = []] = await timed(seconds, 'generate', () => samplesOf(bench, [runtime.original]));
  const tasks = await timed(seconds, 'answer', () => answersOf(measurement, { runtime }));
  return {
    scores: scores.original,
    byDocument: scores.originalByDocument,
    ...(tasks ? { tasks } : {}),
    samples,
  };
}

/**
 * Results of the cells that are next in line, whose samples are continued side by side; each is what it would be alone.
 * @param original whose samples the cells' are held against
 * @param onTokens called with the tokens scored since it was called last
 * @throws SurgeryError as the operation and the scoring do
 */
export async function measureCells(
  bench: Bench,
  original: OriginalResult,
  cells: readonly { readonly id: string; readonly operation: Operation }[],
  seconds: Seconds,
  onTokens: (tokens: number) => void,
): Promise<CellResult[]> {
  const { line, runtime, recording, measurement } = bench;
  const done: { operated: Operated; weights: Weights; scores: Scores; answers: CellResult['tasks'] }[] = [];
  for (const _ of cells) {
    const operated = await timed(seconds, 'decompose', () => line.next());
    const weights = runtime.variant(operated.tensors);
    let last = 0;
    const scores = await timed(seconds, 'score', () =>
      scoreDocuments(measurement.documents, recording, [{ runtime, weights }], (tokens) => {
        onTokens(tokens - last);
        last = tokens;
      }),
    );
    const answers = await timed(seconds, 'answer', () => answersOf(measurement, { runtime, weights }));
    done.push({ operated, weights, scores, answers });
  }
  const samples = await timed(seconds, 'generate', async () => {
    const variants = done.map(({ weights }) => weights);
    return heldAgainst(bench, original.samples, variants, await samplesOf(bench, variants));
  });
  return cells.flatMap(({ id, operation }, i) => {
    const { operated, scores, answers } = done[i] ?? {};
    const [comparison, byDocument] = [scores?.variants[0], scores?.variantsByDocument[0]];
    if (!operated || !comparison || !byDocument) throw new TypeError(`cell ${id} was not measured`);
    return {
      id,
      operation: settled(operation, runtime.config),
      extent: extentOf(operated.layers),
      layers: operated.layers,
      scores: comparison,
      byDocument,
      ...(answers ? { tasks: answers } : {}),
      samples: samples[i] ?? [],
    };
  });
}

async function answersOf({ tasks }: Measurement, model: { runtime: Runtime; weights?: Weights }) {
  return tasks.length > 0 ? scoreTasks(tasks, model) : undefined;
}

/** How likely each variant and the original find each other's tokens: a list for each variant. */
async function heldAgainst(
  { runtime, measurement: { prompts } }: Bench,
  originals: readonly StudySample[],
  variants: readonly Weights[],
  samples: readonly (readonly StudySample[])[],
): Promise<CellSample[][]> {
  const held: CellSample[][] = [];
  for (const [variant, weights] of variants.entries()) {
    const cell: CellSample[] = [];
    for (const [i, sample] of (samples[variant] ?? []).entries()) {
      const from = prompts[i]?.ids.length ?? 0;
      cell.push({
        ...sample,
        underOriginal: await continuationLogprobs({ runtime }, sample.ids, from),
        ofOriginal: await continuationLogprobs({ runtime, weights }, originals[i]?.ids ?? [], from),
      });
    }
    held.push(cell);
  }
  return held;
}

/** Every prompt continued by every variant: a list for each variant. */
async function samplesOf(
  { runtime, tokenizer, measurement: { prompts, generation } }: Bench,
  variants: readonly Weights[],
): Promise<StudySample[][]> {
  const starts: Start[] = variants.flatMap((weights) => prompts.map(({ ids }) => ({ prompt: ids, weights })));
  if (starts.length === 0) return variants.map(() => []);
  const generated = await generateTogether(runtime, starts, generation);
  const samples: StudySample[][] = [];
  for (const [variant, weights] of variants.entries()) {
    const own: StudySample[] = [];
    for (const [i, { text, ids: prompt }] of prompts.entries()) {
      const ids = generated[variant * prompts.length + i]?.ids ?? prompt;
      const logprobs = await continuationLogprobs({ runtime, weights }, ids, prompt.length);
      own.push({ prompt: text, ...tokenizer.continuation(prompt, ids), ids, logprobs });
    }
    samples.push(own);
  }
  return samples;
}

async function timed<T>(seconds: Seconds, stage: keyof Seconds, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    seconds[stage] += (performance.now() - start) / 1000;
  }
}
