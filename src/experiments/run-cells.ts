// Measures cells: all variants of a group go through the model's blocks together, are scored, answer questions and write.

import type { Checkpoint } from '../checkpoint/reader.ts';
import type { Replacements } from '../checkpoint/writer.ts';
import { continuationLogprobs } from '../generate/continuation.ts';
import { type EndToken, type GenerateOptions, generateTogether, type Start } from '../generate/generate.ts';
import { type LayeredVariant, layeredOf, type Operated, type Operator } from '../operations/operator.ts';
import { type CompleteRecipe, firstLayer } from '../operations/recipe.ts';
import type { OperationReport } from '../operations/registry.ts';
import { itemAt } from '../platform/indexing.ts';
import { memory } from '../platform/limits.ts';
import type { CellResult, CellSample, OriginalResult, Sample } from '../results/study.ts';
import type { Precision } from '../runtime/precision.ts';
import type { Weights } from '../runtime/sequence.ts';
import type { Runtime } from '../runtime/session.ts';
import type { Stream } from '../runtime/walk/streams.ts';
import { blocksToRun, type EarlierRun, Walk } from '../runtime/walk/walk.ts';
import type { Scores } from '../scores/likelihood.ts';
import type { EncodedQuestion, TaskScores } from '../scores/tasks.ts';
import { scoreWalked } from '../scores/walked.ts';
import { taskTrees, walkedTasks } from '../scores/walked-tasks.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What every cell is measured on. */
export interface Measurement {
  readonly documents: readonly (readonly number[])[];
  readonly tasks: readonly EncodedQuestion[];
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly generation: GenerateOptions;
}

/** A variant to measure, with all its tensors where they are made at once. */
export interface CellVariant extends LayeredVariant {
  readonly tensors?: Replacements;
}

/** A variant that was made at once. */
export const cellVariant = (operated: Operated): CellVariant => ({ ...layeredOf(operated), tensors: operated.tensors });

/** Variants in the order of their recipes. */
export class VariantQueue {
  readonly #operator: Operator;
  readonly #waiting: CompleteRecipe[];
  readonly #isWhole: boolean;
  #begun: Promise<Operated> | undefined;

  /**
   * @param isWhole whether each is made at once, which a session needs: each is then begun when the one before it is done,
   * since scoring leaves part of the cores idle. Else they are made layer by layer, as the walk asks for them.
   */
  constructor(operator: Operator, recipes: readonly CompleteRecipe[], isWhole: boolean) {
    this.#operator = operator;
    this.#waiting = [...recipes];
    this.#isWhole = isWhole;
    this.#beginAhead();
  }

  /** The next variant. @throws SurgeryError as {@link Operator.apply} does */
  async next(): Promise<CellVariant> {
    if (!this.#isWhole) return this.#operator.layered(this.#take());
    if (!this.#begun) this.#begin();
    const operated = await this.#begun;
    this.#begun = undefined;
    if (!operated) throw new RangeError('no variant is left');
    this.#beginAhead();
    return cellVariant(operated);
  }

  /** Begins the next variant, if there is one, where threads of its own make it. */
  #beginAhead(): void {
    if (this.#isWhole && this.#operator.threaded && this.#waiting.length > 0) this.#begin();
  }

  #take(): CompleteRecipe {
    const recipe = this.#waiting.shift();
    if (!recipe) throw new RangeError('no variant is left');
    return recipe;
  }

  #begin(): void {
    this.#begun = this.#operator.apply(this.#take());
    this.#begun.catch(() => {}); // thrown when it is asked for
  }
}

/** Everything that measuring cells needs. */
export interface Experiment {
  readonly checkpoint: Checkpoint;
  readonly measurement: Measurement;
  /** The variants of the cells to come, one after the other. */
  readonly variants: Pick<VariantQueue, 'next'>;
  /** Writes text: needed where there are prompts, and for variants that have all their tensors. */
  readonly runtime?: Runtime | undefined;
  readonly tokenizer: Tokenizer;
  /** Default: fp32. */
  readonly precision?: Precision | undefined;
  readonly threads?: number | undefined;
  /** Bytes that the walk may use. */
  readonly memory?: number | undefined;
  /** Called for each new token of a sample. */
  readonly onToken?: () => void;
}

/** Seconds by stage; `decompose` is what scoring had to wait for. */
export type Seconds = Record<'decompose' | 'score' | 'generate' | 'answer', number>;

export const noSeconds = (): Seconds => ({ decompose: 0, score: 0, generate: 0, answer: 0 });

/** More models whose samples are generated in one batch take more memory and gain little. */
const mostTogether = 4;

/**
 * Whether components that take so many bytes may stay in memory next to a walk.
 * @param allowed bytes that the walk may use. Default: half of what is free, of which as much is left for components
 */
export function fitsInMemory(bytes: number, allowed = memory().free / 2): boolean {
  return bytes < allowed;
}

/** How many variants of so many bytes may be in memory at once, in a quarter of what is free. */
function variantsAtOnce(bytes: number, free = memory().free): number {
  return Math.max(1, Math.floor(free / 4 / Math.max(bytes, 1)));
}

/** Rows of all models that a block is read for, at least, so that reading it takes a few percent of the time. */
const rowsForReading = 8192;
/** Operations of a group's cells, at least: about half a minute of work, which is what a kill may cost. */
const operationsOfGroup = 3e12;
/** Cells of a group, each of which keeps a stream. */
const [fewestInGroup, mostInGroup] = [4, 32];

/**
 * How many cells go through the blocks together where nothing else limits them.
 * @param rows that each reads
 * @param parameters of the model
 */
export function cellsInWalk(rows: number, parameters: number): number {
  const wanted = Math.ceil(Math.max(rowsForReading / rows, operationsOfGroup / (2 * parameters * rows)));
  return Math.min(mostInGroup, Math.max(fewestInGroup, wanted));
}

/** How the cells of an experiment are made and measured. */
export interface Grouping {
  /** Whether a session is needed, and with it all tensors of a variant at once. */
  readonly needsSession: boolean;
  /** Cells in a group, with the original as one of the first. */
  readonly most: number;
  /** Models whose samples are generated in one batch. */
  readonly together: number;
}

/** @param replaceable names of the tensors that cells replace */
export function groupingOf(
  checkpoint: Checkpoint,
  { documents, tasks, prompts }: Pick<Measurement, 'documents' | 'tasks' | 'prompts'>,
  replaceable: readonly string[],
  cells: number,
): Grouping {
  const needsSession = prompts.length > 0;
  const trees = taskTrees(tasks).flatMap(({ prefix, branches }) => [prefix, ...branches]);
  const rows = [...documents, ...trees].reduce((sum, { length }) => sum + length, 0);
  const inWalk = cellsInWalk(rows, checkpoint.parameters);
  const atOnce = variantsAtOnce(4 * checkpoint.numbersIn(replaceable));
  const most = Math.min(needsSession ? Math.min(inWalk, atOnce) : inWalk, cells + 1);
  return { needsSession, most, together: Math.min(mostTogether, most) };
}

/** A cell that is to be made. */
export interface PlannedCell {
  readonly id: string;
  readonly recipe: CompleteRecipe;
}

/**
 * Cells in groups, in their order.
 * @param most in a group, with the original as one of the first
 */
export function inGroups<T>(cells: readonly T[], most: number): (readonly T[])[] {
  const groups = [cells.slice(0, most - 1)];
  for (let at = most - 1; at < cells.length; at += most) groups.push(cells.slice(at, at + most));
  return groups;
}

/** A variant that has been scored and has written nothing yet. */
export interface ScoredCell {
  readonly variant: CellVariant;
  readonly result: Omit<CellResult, 'samples'>;
}

export interface ScoredGroup {
  readonly original: Omit<OriginalResult, 'samples'>;
  readonly cells: readonly ScoredCell[];
}

/** Scores groups of cells, one after the other, and the original with the first. */
export class CellScoring {
  /** Blocks to run for all groups, with the unembedding of each model counted as one. */
  readonly blocks: number;
  readonly #experiment: Experiment;
  readonly #groups: (readonly PlannedCell[])[];
  readonly #walk: Walk;
  readonly #kept = new Map<number, Stream>();
  #original: { readonly stream: Stream; readonly result: Omit<OriginalResult, 'samples'> } | undefined;

  /** @throws SurgeryError as {@link Walk} does */
  constructor(experiment: Experiment, groups: readonly (readonly PlannedCell[])[]) {
    const { checkpoint, measurement, precision, threads, memory } = experiment;
    this.#experiment = experiment;
    this.#groups = [...groups];
    this.#walk = new Walk(checkpoint, measurement.documents, {
      precision,
      threads,
      memory,
      trees: taskTrees(measurement.tasks),
    });
    this.blocks = groups.reduce((sum, group, i) => {
      const variants = group.map(({ recipe }) => ({ from: this.#from(recipe) }));
      const run = blocksToRun(this.#layers, variants, i > 0 ? this.#begins(group) : undefined);
      return sum + run + group.length + 1;
    }, 0);
  }

  /**
   * The next group.
   * @param onBlock called for each block that was run
   * @throws SurgeryError as the operations and the scoring do
   */
  async next(seconds: Seconds, onBlock?: (blocks: number) => void): Promise<ScoredGroup> {
    const group = this.#groups.shift();
    if (!group) throw new RangeError('no group is left');
    const { variants: queue } = this.#experiment;
    const variants: CellVariant[] = [];
    for (const _ of group) variants.push(await timed(seconds, 'decompose', () => queue.next()));
    const { scores, answers, original: stream } = await this.#score(group, variants, seconds, onBlock);
    const answersOf = (model: number) => (answers ? { tasks: itemAt(answers, model) } : {});
    this.#original ??= {
      stream,
      result: { scores: scores.original, byDocument: scores.originalByDocument, ...answersOf(0) },
    };
    const cells: ScoredCell[] = [];
    for (const [i, variant] of variants.entries()) {
      const { id, recipe } = itemAt(group, i);
      const { footprint, reports } = variant.result();
      const result = {
        id,
        recipe,
        footprint,
        reports: reports.map(withoutCurves),
        scores: itemAt(scores.variants, i),
        byDocument: itemAt(scores.variantsByDocument, i),
        ...answersOf(i + 1),
      };
      cells.push({ variant, result });
    }
    return { original: this.#original.result, cells };
  }

  async close(): Promise<void> {
    await this.#walk.close();
  }

  get #layers(): number {
    return this.#experiment.checkpoint.config.layers;
  }

  #from(recipe: CompleteRecipe): number {
    return firstLayer(recipe, this.#experiment.checkpoint.config);
  }

  /** The first layer that a group changes. */
  #begins(group: readonly PlannedCell[]): number {
    return Math.min(this.#layers, ...group.map(({ recipe }) => this.#from(recipe)));
  }

  async #score(
    group: readonly PlannedCell[],
    variants: readonly CellVariant[],
    seconds: Seconds,
    onBlock: ((blocks: number) => void) | undefined,
  ): Promise<GroupScores> {
    const { measurement } = this.#experiment;
    const walk = this.#walk;
    const keep = this.#original ? [] : this.#groups.map((later) => this.#begins(later)).filter((layer) => layer > 0);
    const before = this.#original?.stream;
    const earlier = before && this.#earlier(before, this.#begins(group));
    let last = 0;
    const advance = (done: number) => {
      onBlock?.(done - last);
      last = done;
    };
    const end = await timed(seconds, 'score', () =>
      walk.run(variants, { onBlock: advance, keep, ...(earlier && { earlier }) }),
    );
    for (const [layer, stream] of end.kept) this.#kept.set(layer, stream);
    seconds.decompose += end.waited;
    seconds.score -= end.waited;
    const unembedding = await walk.unembedding();
    last = 0;
    const ended = (stream: Stream) => ({ stream, unembedding });
    const scores = await timed(seconds, 'score', () =>
      scoreWalked(walk, ended(end.original), end.variants.map(ended), (done, total) =>
        advance(((variants.length + 1) * done) / total),
      ),
    );
    const { tasks } = measurement;
    const answers: TaskScores[] = [];
    for (const stream of tasks.length > 0 ? [end.original, ...end.variants] : [])
      answers.push(await timed(seconds, 'answer', () => walkedTasks(walk, stream, unembedding, tasks)));
    walk.release(end.variants.filter((stream) => stream !== end.original));
    return { scores, ...(tasks.length > 0 && { answers }), original: end.original };
  }

  #earlier(original: Stream, layer: number): EarlierRun {
    const stream = this.#kept.get(layer);
    return { original, since: stream && { layer, stream } };
  }
}

/** What a group comes to. */
interface GroupScores {
  readonly scores: Scores;
  /** The original's, then those of each variant. */
  readonly answers?: readonly TaskScores[];
  /** The original's stream after the walk. */
  readonly original: Stream;
}

const weightsOf = ({ tensors }: CellVariant, runtime: Runtime | undefined): Weights | undefined =>
  tensors && runtime?.variant(tensors);

/** A result, and the speed of each of its samples after the first token. */
export interface Measured<T> {
  readonly result: T;
  readonly tokensPerSecond: readonly number[];
}

/**
 * Samples of a scored group, as many models in one batch as the runtime takes; each is what it would be alone.
 * @param original the original's result, with whose samples those of the cells are compared. Without it the original's are
 * generated with them: a step reads the weights that all share once
 */
export async function withSamples(
  experiment: Experiment,
  scored: ScoredGroup,
  seconds: Seconds,
  original?: OriginalResult,
): Promise<{ readonly original: Measured<OriginalResult>; readonly cells: readonly Measured<CellResult>[] }> {
  const { runtime, measurement } = experiment;
  const alone = <T extends object>(result: T) => ({ result: { ...result, samples: [] }, tokensPerSecond: [] });
  if (!runtime || measurement.prompts.length === 0)
    return { original: alone(scored.original), cells: scored.cells.map(({ result }) => alone(result)) };
  return timed(seconds, 'generate', async () => {
    const weights = scored.cells.map(({ variant }) => weightsOf(variant, runtime) ?? runtime.original);
    const models = original ? weights : [runtime.original, ...weights];
    const written: Written[][] = [];
    for (let at = 0; at < models.length; at += runtime.variantsTogether)
      written.push(...(await samplesOf(experiment, runtime, models.slice(at, at + runtime.variantsTogether))));
    const own = original ? undefined : written.shift();
    const speeds = (all: readonly Written[] = []) => all.map(({ tokensPerSecond }) => tokensPerSecond);
    const theirs = original ?? { ...scored.original, samples: (own ?? []).map(({ sample }) => sample) };
    const cells: Measured<CellResult>[] = [];
    for (const [i, { result }] of scored.cells.entries()) {
      const samples = itemAt(written, i).map(({ sample }) => sample);
      const compared = await comparedWith(theirs.samples, itemAt(weights, i), samples, runtime, measurement);
      cells.push({ result: { ...result, samples: compared }, tokensPerSecond: speeds(written[i]) });
    }
    return { original: { result: theirs, tokensPerSecond: speeds(own) }, cells };
  });
}

/**
 * Measures the original, and cells in groups.
 * @param most cells in a group, with the original as one of the first
 * @param use takes a group's results when they are there
 * @param advance called with the blocks run so far and in all
 */
export async function measureCells(
  experiment: Experiment,
  cells: readonly PlannedCell[],
  most: number,
  seconds: Seconds,
  use: (cells: readonly CellResult[]) => Promise<void>,
  advance?: (done: number, total: number) => void,
): Promise<OriginalResult> {
  const groups = inGroups(cells, most);
  const scoring = new CellScoring(experiment, groups);
  try {
    const total = scoring.blocks;
    let done = 0;
    let original: OriginalResult | undefined;
    for (const _ of groups) {
      const scored = await scoring.next(seconds, (blocks) => {
        done += blocks;
        advance?.(done, total);
      });
      const measured = await withSamples(experiment, scored, seconds, original);
      original ??= measured.original.result;
      await use(measured.cells.map(({ result }) => result));
    }
    if (!original) throw new RangeError('nothing was measured');
    return original;
  } finally {
    await scoring.close();
  }
}

/** A study holds spectra once for all cells, and where components came from is not a result. */
function withoutCurves(report: OperationReport): OperationReport {
  return report.kind === 'pca' ? { kind: 'pca', layers: report.layers } : report;
}

/** A variant's samples, and how likely it and the original find each other's tokens. */
async function comparedWith(
  originals: readonly Sample[],
  weights: Weights,
  samples: readonly Sample[],
  runtime: Runtime,
  { prompts }: Measurement,
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

/** Every prompt continued by every variant: a list for each variant. */
async function samplesOf(
  { tokenizer, measurement: { prompts, generation }, onToken }: Experiment,
  runtime: Runtime,
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
