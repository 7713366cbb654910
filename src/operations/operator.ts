// Recipes → variants' weights: operations planned and applied in order, layer by layer.
import { weightDtypes } from '../checkpoint/dtypes.ts';
import { layerOf } from '../checkpoint/names.ts';
import { type Checkpoint, requireCheckpoint } from '../checkpoint/reader.ts';
import {
  type AllowedOptions,
  aCount,
  aFunction,
  oneOfWords,
  optional,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { canonicalHash } from '../platform/canonical.ts';
import { SurgeryError } from '../platform/errors.ts';
import { entryOf, getOrMake } from '../platform/indexing.ts';
import { inTurn } from '../platform/threads/pool.ts';
import { Calibration, type Gathering } from './calibration.ts';
import {
  type CalibrationPart,
  type Closable,
  type EditedTensor,
  type Footprint,
  type KindFootprint,
  type MakeShared,
  type OperationContext,
  type OperatorSettings,
  pcaEngines,
  worthThreads,
} from './kind.ts';
import { type CompleteRecipe, completeRecipe, type Recipe } from './recipe.ts';
import { type CompleteOperation, kindOf, type OperationReport } from './registry.ts';

/** A variant's weights, with the recipe that made them and its reports. */
export interface Operated {
  readonly recipe: CompleteRecipe;
  /** Values by tensor name, row-major (out, in), rounded to the dtype that a file would hold. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** One report for each operation, in order. */
  readonly reports: readonly OperationReport[];
  /** Null if the recipe changes nothing, or if several operations change the same weights. */
  readonly footprint: Footprint | null;
}

/** A variant layer by layer. */
export interface LayeredVariant {
  readonly recipe: CompleteRecipe;
  /** The first layer that changes. */
  readonly from: number;
  /** A layer's new weights, empty where nothing changes: by tensor name, as {@link Operated.tensors}. */
  edit(layer: number): Promise<ReadonlyMap<string, Float32Array>>;
  /** Available once every layer has been edited. */
  result(): Pick<Operated, 'reports' | 'footprint'>;
}

/** What an operation keeps of the calibration text, by layer. */
type Digests = Map<number, unknown>;

/** Called with the layers done so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** Options of everything that applies operations. */
export const operatorOptions: AllowedOptions<OperatorSettings> = {
  threads: aCount(1, 256),
  dtype: oneOfWords(weightDtypes),
  engine: oneOfWords(pcaEngines),
  calibration: { words: 'a list of texts or of lists of token ids', test: Array.isArray },
  memory: aCount(1),
  upcoming: { words: 'a list of operations', test: Array.isArray },
};

/** Applies recipes to one checkpoint, which is not modified. Decompositions are shared between recipes. */
export class Operator {
  readonly checkpoint: Checkpoint;
  readonly #settings: OperatorSettings;
  readonly #shared = new Map<MakeShared<Closable>, Closable>();
  readonly #calibration: Calibration | undefined;
  /** Digests of operations on the original model, by operation. */
  readonly #digests = new Map<string, Digests>();

  /** @throws SurgeryError `usage` for an argument that is not allowed */
  constructor(checkpoint: Checkpoint, settings: OperatorSettings = {}) {
    requireCheckpoint(checkpoint);
    requireOptions('Operator', settings, operatorOptions);
    this.checkpoint = checkpoint;
    this.#settings = settings;
    const { calibration, threads, memory } = settings;
    this.#calibration = calibration && new Calibration(checkpoint, calibration, { threads, memory });
  }

  /** Whether worker threads do the work, so that the main thread is free. */
  get threaded(): boolean {
    return this.checkpoint.config.hiddenSize >= worthThreads;
  }

  /**
   * Runs the calibration text through the model once for all recipes: one walk gathers what the first operation of each needs.
   * @param onProgress called with the blocks done so far and in all
   * @throws SurgeryError `usage` for an operation that needs a calibration text where there is none, `text` for documents
   * that the model cannot read, `numeric` for activations or weights that are not finite
   */
  async calibrate(recipes: readonly Recipe[], onProgress?: OnProgress): Promise<void> {
    const { config } = this.checkpoint;
    const first = recipes.flatMap((recipe) => completeRecipe(recipe, config).slice(0, 1));
    const wanted = new Map(first.map((operation) => [canonicalHash(operation), operation]));
    for (const key of this.#digests.keys()) wanted.delete(key);
    const found = await this.#gathered([...wanted.values()], new Map(), onProgress);
    for (const [operation, digests] of found) this.#digests.set(canonicalHash(operation), digests);
  }

  /**
   * The whole variant at once.
   * @throws SurgeryError `usage` for an operation that this model cannot have, `numeric`, by tensor name, for weights that
   * are not finite or do not fit the dtype
   */
  async apply(recipe: Recipe, onProgress?: OnProgress): Promise<Operated> {
    const operations = completeRecipe(recipe, this.checkpoint.config);
    requireArgument('onProgress', onProgress, optional(aFunction));
    const edited = new Map<string, EditedTensor>();
    const reports: OperationReport[] = [];
    const footprints: (Footprint | null)[] = [];
    let isTwice = false;
    for (const [i, operation] of operations.entries()) {
      const planned = await this.#planned(operation, edited);
      const total = planned.layers.length;
      let done = 0;
      const edits = await inTurn(planned.layers, this.threaded, async (layer) => {
        const tensors = await planned.edit(layer);
        onProgress?.(i * total + ++done, operations.length * total);
        return tensors;
      });
      const state = canonicalHash(operations.slice(0, i + 1));
      for (const [name, values] of edits.flatMap((tensors) => [...tensors])) {
        isTwice ||= edited.has(name);
        edited.set(name, { values, state });
      }
      const { report, footprint } = planned.result();
      reports.push(report);
      footprints.push(footprint);
    }
    return {
      recipe: operations,
      tensors: new Map([...edited].map(([name, { values }]) => [name, values])),
      reports,
      footprint: isTwice ? null : together(footprints),
    };
  }

  /**
   * A variant layer by layer, so that it is never held whole; one of several operations is, as each may need what those
   * before it have made of any layer.
   * @throws SurgeryError as {@link apply} does, also from `edit`
   */
  async layered(recipe: Recipe): Promise<LayeredVariant> {
    const operations = completeRecipe(recipe, this.checkpoint.config);
    const [only, ...more] = operations;
    if (!only || more.length > 0) return layeredOf(await this.apply(operations));
    const { layers, edit, result } = await this.#planned(only, new Map());
    return {
      recipe: operations,
      from: Math.min(...layers),
      edit: async (layer) => (layers.includes(layer) ? edit(layer) : new Map()),
      result: () => {
        const { report, footprint } = result();
        return { reports: [report], footprint };
      },
    };
  }

  /** What operations of one checkpoint share, such as decompositions. */
  shared<R extends Closable>(make: MakeShared<R>): R {
    return getOrMake<MakeShared<Closable>, Closable>(this.#shared, make, () =>
      make(this.checkpoint, this.#settings),
    ) as R;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all([...this.#shared.values()].map((one) => one.close()));
  }

  /** A kind's footprint with the bytes of what it counts. */
  #inBytes(footprint: KindFootprint | null, operation: CompleteOperation): Footprint | null {
    if (!footprint) return null;
    const { storedBytes, ...rest } = footprint;
    const { tensors, config } = this.checkpoint;
    const touched = kindOf(operation)
      .touches(operation, config)
      .filter((name) => tensors.has(name));
    const bytes = this.checkpoint.bytesIn(touched) / this.checkpoint.numbersIn(touched);
    const { dense, reduced } = rest.parameters;
    return { ...rest, bytes: { dense: dense * bytes, reduced: storedBytes ?? reduced * bytes } };
  }

  #context(edited: ReadonlyMap<string, EditedTensor>): OperationContext {
    return {
      checkpoint: this.checkpoint,
      dtype: this.#settings.dtype,
      edited,
      shared: (make) => this.shared(make),
    };
  }

  /** What an operation keeps of the calibration text; nothing for one that does not look at it. */
  async #digestsOf(operation: CompleteOperation, edited: ReadonlyMap<string, EditedTensor>): Promise<Digests> {
    const known = edited.size === 0 ? this.#digests.get(canonicalHash(operation)) : undefined;
    if (known) return known;
    const found = (await this.#gathered([operation], edited)).get(operation) ?? new Map();
    if (edited.size === 0) this.#digests.set(canonicalHash(operation), found);
    return found;
  }

  /** What operations keep of the calibration text, where the weights are as found: one walk for each part of the text. */
  async #gathered(
    operations: readonly CompleteOperation[],
    edited: ReadonlyMap<string, EditedTensor>,
    onProgress?: OnProgress,
  ): Promise<Map<CompleteOperation, Digests>> {
    const { config } = this.checkpoint;
    const context = this.#context(edited);
    const all = new Map<CompleteOperation, Digests>();
    const gatherings: (Gathering & { readonly operation: CompleteOperation })[] = [];
    for (const operation of operations) {
      const need = kindOf(operation).needs?.(operation, config);
      if (!need) continue;
      if (!this.#calibration)
        throw new SurgeryError(
          'usage',
          `${operation.kind} is fitted to a calibration text: give --calibration FILE, hub:org/dataset or builtin (in a program, calibration)`,
        );
      const work = await kindOf(operation).load();
      const digests: Digests = new Map();
      all.set(operation, digests);
      gatherings.push({
        operation,
        need,
        take: async (statistics) =>
          void digests.set(statistics.layer, await work.digest?.(operation, statistics, context)),
      });
    }
    const parts = new Map<CalibrationPart | undefined, Gathering[]>();
    for (const gathering of gatherings)
      if (!gathering.need.sequential) getOrMake(parts, gathering.need.part, () => []).push(gathering);
    const sequential = gatherings.filter(({ need }) => need.sequential);
    const walks = parts.size + sequential.length;
    let walked = 0;
    const advance = onProgress && ((done: number, total: number) => onProgress(walked * total + done, walks * total));
    const found = byLayer(new Map([...edited].map(([name, { values }]) => [name, values])));
    for (const [part, own] of parts) {
      await this.#calibration?.gather(part, own, edited.size > 0 ? found : undefined, advance);
      walked++;
    }
    for (const gathering of sequential) {
      const { operation, need } = gathering;
      const work = await kindOf(operation).load();
      const plan = await work.plan(operation, context, entryOf(all, operation));
      const edit = async (layer: number) =>
        plan.layers.includes(layer)
          ? (await work.apply(plan, layer, context)).tensors
          : new Map<string, Float32Array>();
      const untilLast = advance && ((done: number) => advance(done, Math.max(...need.layers) + 1));
      await this.#calibration?.gatherAlong(gathering, found.edit, edit, untilLast);
      walked++;
    }
    return all;
  }

  /** Plans one operation on the weights that earlier ones have left. */
  async #planned(operation: CompleteOperation, edited: ReadonlyMap<string, EditedTensor>) {
    const work = await kindOf(operation).load();
    const context = this.#context(edited);
    const plan = await work.plan(operation, context, await this.#digestsOf(operation, edited));
    const details = new Map<number, unknown>();
    return {
      layers: plan.layers,
      edit: async (layer: number) => {
        const edit = await work.apply(plan, layer, context);
        details.set(layer, edit.details);
        return edit.tensors;
      },
      /** Available once every layer has been edited. */
      result: () => {
        const report = work.report(
          operation,
          plan.layers.map((layer) => details.get(layer)),
        );
        return { report, footprint: this.#inBytes(work.footprint(report), operation) };
      },
    };
  }
}

/**
 * Applies one recipe to a checkpoint, which is not modified.
 * @throws SurgeryError as {@link Operator.apply} does
 */
export async function operate(
  checkpoint: Checkpoint,
  recipe: Recipe,
  options: OperatorSettings & { readonly onProgress?: OnProgress } = {},
): Promise<Operated> {
  requireOptions('operate', options, { ...operatorOptions, onProgress: aFunction });
  const { onProgress, ...settings } = options;
  const operator = new Operator(checkpoint, settings);
  try {
    return await operator.apply(recipe, onProgress);
  } finally {
    await operator.close();
  }
}

/** The footprint of operations on different weights. Ranks and widths exist for a single operation only. */
function together(all: readonly (Footprint | null)[]): Footprint | null {
  const some = all.filter((one) => one !== null);
  const [first] = some;
  if (!first || some.length === 1) return first ?? null;
  const sum = (of: (one: Footprint) => number) => some.reduce((total, one) => total + of(one), 0);
  const norm = sum((one) => one.squaredNorm);
  return {
    parameters: { dense: sum((one) => one.parameters.dense), reduced: sum((one) => one.parameters.reduced) },
    bytes: { dense: sum((one) => one.bytes.dense), reduced: sum((one) => one.bytes.reduced) },
    squaredNorm: norm,
    relativeError: norm > 0 ? Math.sqrt(sum((one) => one.relativeError ** 2 * one.squaredNorm) / norm) : 0,
    relativeErrorKv: null,
    rank: null,
    width: null,
  };
}

/** A whole variant, as if it were made layer by layer. */
export function layeredOf({ recipe, tensors, reports, footprint }: Operated): LayeredVariant {
  return { recipe, ...byLayer(tensors), result: () => ({ reports, footprint }) };
}

function byLayer(tensors: ReadonlyMap<string, Float32Array>): Pick<LayeredVariant, 'from' | 'edit'> {
  return {
    from: Math.min(...[...tensors.keys()].map(layerOf)),
    edit: async (layer) => new Map([...tensors].filter(([name]) => layerOf(name) === layer)),
  };
}
