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
import { getOrMake } from '../platform/indexing.ts';
import { inTurn } from '../platform/threads/pool.ts';
import {
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
  /** Once every layer has been edited. */
  result(): Pick<Operated, 'reports' | 'footprint'>;
}

/** Called with the layers done so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** The options of all that operates. */
export const operatorOptions: AllowedOptions<OperatorSettings> = {
  threads: aCount(1, 256),
  dtype: oneOfWords(weightDtypes),
  engine: oneOfWords(pcaEngines),
  upcoming: { words: 'a list of operations', test: Array.isArray },
};

/** Applies recipes to one checkpoint, which is not modified. Decompositions are shared between recipes. */
export class Operator {
  readonly checkpoint: Checkpoint;
  readonly #settings: OperatorSettings;
  readonly #shared = new Map<MakeShared<Closable>, Closable>();

  /** @throws SurgeryError `usage` for an argument that is not allowed */
  constructor(checkpoint: Checkpoint, settings: OperatorSettings = {}) {
    requireCheckpoint(checkpoint);
    requireOptions('Operator', settings, operatorOptions);
    this.checkpoint = checkpoint;
    this.#settings = settings;
  }

  /** Whether worker threads do the work, so that the main thread is free. */
  get threaded(): boolean {
    return this.checkpoint.config.hiddenSize >= worthThreads;
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
    const touched = kindOf(operation).touches(operation, this.checkpoint.config);
    const bytes = this.checkpoint.bytesIn(touched) / this.checkpoint.numbersIn(touched);
    const { dense, reduced } = rest.parameters;
    return { ...rest, bytes: { dense: dense * bytes, reduced: storedBytes ?? reduced * bytes } };
  }

  /** One operation on what those before it have made. */
  async #planned(operation: CompleteOperation, edited: ReadonlyMap<string, EditedTensor>) {
    const work = await kindOf(operation).load();
    const context: OperationContext = {
      checkpoint: this.checkpoint,
      dtype: this.#settings.dtype,
      edited,
      shared: (make) => this.shared(make),
    };
    const plan = await work.plan(operation, context);
    const details = new Map<number, unknown>();
    return {
      layers: plan.layers,
      edit: async (layer: number) => {
        const edit = await work.apply(plan, layer, context);
        details.set(layer, edit.details);
        return edit.tensors;
      },
      /** Once every layer has been edited. */
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
  return {
    recipe,
    from: Math.min(...[...tensors.keys()].map(layerOf)),
    edit: async (layer) => new Map([...tensors].filter(([name]) => layerOf(name) === layer)),
    result: () => ({ reports, footprint }),
  };
}
