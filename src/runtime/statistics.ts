// Statistics of what a model's projections read, over all documents of a walk: what weight operations are fitted to.
import { type Activation, activations, activationWidth } from '../checkpoint/names.ts';
import { type Matrix, multiplyInto } from '../linalg/products.ts';
import { innerProduct, pickRows, rowOf, rowRange, squaredNorm, transpose } from '../linalg/rows.ts';
import {
  type AllowedOptions,
  aCount,
  aFlag,
  aFunction,
  aList,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { RowBatch } from './walk/batches.ts';
import type { VisitedBlock, WalkVisitor } from './walk/visitor.ts';
import { Walk } from './walk/walk.ts';

/** What is gathered. */
export interface StatisticsRequest {
  /** Default: all. */
  readonly layers?: readonly number[];
  /** `qkv`, `o`, `gateup`, `down`: the inputs of these projections. Default: all four. */
  readonly activations?: readonly Activation[];
  /**
   * Whether second moments are gathered, which takes 4 · n² bytes for each activation of n numbers while its block is
   * computed, and 12 · n² at the end. Default: true.
   */
  readonly secondMoments?: boolean;
  /** Whether each document's first position, an attention sink in many models, is left out. Default: false. */
  readonly withoutFirst?: boolean;
}

/** Of the n numbers that some projections read at each position. Sums are in float64. */
export interface ActivationStatistics {
  /** Mean of each coordinate, (n). */
  readonly mean: Float64Array;
  /** Mean of each coordinate's absolute value, (n). */
  readonly meanAbsolute: Float64Array;
  /** Largest absolute value of each coordinate, (n). */
  readonly largest: Float64Array;
  /** Σ x xᵀ over the positions, neither centred nor divided, (n, n). */
  readonly secondMoment?: Matrix;
}

export interface LayerStatistics {
  readonly layer: number;
  /** 0 for the original, then the variants in order. */
  readonly model: number;
  /** Positions that were summed over. */
  readonly positions: number;
  /**
   * Mean over positions of the cosine between the residual stream before and after the block, NaN where one is zero. 1
   * minus it is the block influence of ShortGPT (Men et al. 2024).
   */
  readonly cosine: number;
  readonly activations: ReadonlyMap<Activation, ActivationStatistics>;
}

const requestOptions: AllowedOptions<StatisticsRequest> = {
  layers: aList(aCount(0), 'a list of layers'),
  activations: aList(oneOfWords(activations), `a list of ${activations.join(', ')}`),
  secondMoments: aFlag,
  withoutFirst: aFlag,
};

/**
 * A visitor that gathers statistics of layers: `walk.run(variants, statisticsVisitor(walk, onLayer, request))`. Of a variant
 * they are given from the first layer that it changes on.
 * @param onLayer takes the statistics of a layer when its block is computed; nothing of them is kept
 * @throws SurgeryError `usage` for an argument that is not allowed, `text` where no position is left; while it runs, `numeric` for activations that are not finite
 */
export function statisticsVisitor(
  walk: Walk,
  onLayer: (statistics: LayerStatistics) => void | Promise<void>,
  request: StatisticsRequest = {},
): Required<Pick<WalkVisitor, 'activations' | 'visitBlock'>> {
  requireArgument('walk', walk, { words: 'a Walk', test: (value) => value instanceof Walk });
  requireArgument('onLayer', onLayer, aFunction);
  requireOptions('statisticsVisitor', request, requestOptions);
  const { config } = walk.checkpoint;
  const all = Array.from({ length: config.layers }, (_, layer) => layer);
  const { layers = all, secondMoments = true, withoutFirst = false } = request;
  requireArgument('layers', layers, aList(aCount(0, config.layers - 1), `a list of layers, 0 to ${config.layers - 1}`));
  const wanted = (layer: number) => (layers.includes(layer) ? (request.activations ?? activations) : []);
  if (withoutFirst && walk.rows <= walk.documents.length)
    throw new SurgeryError('text', 'no document has a second token: give longer ones, or sum over first positions too');
  const sumsOf = (layer: number) =>
    new Map(wanted(layer).map((name) => [name, new ActivationSums(activationWidth(config, name), secondMoments)]));
  let sums: LayerSums | undefined;
  return {
    activations: wanted,
    async visitBlock(block) {
      const { layer, model, batch } = block;
      if (!layers.includes(layer)) return;
      if (batch === walk.batches[0]) sums = new LayerSums(sumsOf(layer), withoutFirst);
      await sums?.add(block);
      if (!sums || batch !== walk.batches.at(-1)) return;
      const statistics = sums.statistics(layer);
      sums = undefined;
      await onLayer({ layer, model, ...statistics });
    },
  };
}

/** Sums over the positions of one layer of one model. */
class LayerSums {
  readonly #activations: ReadonlyMap<Activation, ActivationSums>;
  readonly #withoutFirst: boolean;
  #positions = 0;
  #cosines = 0;

  constructor(activations: ReadonlyMap<Activation, ActivationSums>, withoutFirst: boolean) {
    this.#activations = activations;
    this.#withoutFirst = withoutFirst;
  }

  async add({ batch, input, output, activations }: VisitedBlock): Promise<void> {
    const positions = positionsOf(batch, this.#withoutFirst);
    this.#positions += positions.length;
    const [before, after] = [matrixOf(input, batch.rows), matrixOf(output, batch.rows)];
    for (const position of positions) this.#cosines += cosine(rowOf(before, position), rowOf(after, position));
    for (const [name, sums] of this.#activations) {
      const values = activations.get(name);
      if (!values) throw new RangeError(`the walk gave no ${name}`);
      await sums.add(pickRows(matrixOf(values, batch.rows), positions));
    }
  }

  /** @throws SurgeryError `numeric` where a sum is not finite */
  statistics(layer: number): Omit<LayerStatistics, 'layer' | 'model'> {
    for (const [name, sums] of this.#activations)
      if (!sums.finite)
        throw new SurgeryError(
          'numeric',
          `layer ${layer}: the input of ${name} has values that are not finite numbers`,
        );
    return {
      positions: this.#positions,
      cosine: this.#cosines / this.#positions,
      activations: new Map([...this.#activations].map(([name, sums]) => [name, sums.statistics(this.#positions)])),
    };
  }
}

/** Rows of the second moment that are summed together: enough for an efficient product, few enough to leave out the lower half. */
const panelRows = 256;

/** Sums over the positions of one activation. */
class ActivationSums {
  readonly #sum: Float64Array;
  readonly #absolute: Float64Array;
  readonly #largest: Float64Array;
  /** The upper triangle of Σ x xᵀ: some rows each, from their diagonal on. */
  readonly #panels: readonly { readonly from: number; readonly part: Matrix }[];

  constructor(width: number, secondMoments: boolean) {
    this.#sum = new Float64Array(width);
    this.#absolute = new Float64Array(width);
    this.#largest = new Float64Array(width);
    const froms = secondMoments ? Array.from({ length: Math.ceil(width / panelRows) }, (_, i) => i * panelRows) : [];
    this.#panels = froms.map((from) => {
      const [rows, cols] = [Math.min(panelRows, width - from), width - from];
      return { from, part: { rows, cols, data: new Float64Array(rows * cols) } };
    });
  }

  get finite(): boolean {
    return this.#absolute.every(Number.isFinite);
  }

  /** @param x (positions, width) */
  async add(x: Matrix): Promise<void> {
    for (let i = 0; i < x.rows; i++) {
      const row = rowOf(x, i);
      for (let j = 0; j < x.cols; j++) {
        const value = row[j] as number;
        const size = Math.abs(value);
        this.#sum[j] = (this.#sum[j] as number) + value;
        this.#absolute[j] = (this.#absolute[j] as number) + size;
        if (size > (this.#largest[j] as number)) this.#largest[j] = size;
      }
    }
    if (this.#panels.length === 0) return;
    const columns = transpose(x); // (width, positions)
    for (const { from, part } of this.#panels) {
      const upper = rowRange(columns, from, from + part.rows);
      const all = rowRange(columns, from, columns.rows);
      await multiplyInto(part, upper, all, { transposeB: true, accumulate: true });
    }
  }

  statistics(positions: number): ActivationStatistics {
    return {
      mean: this.#sum.map((sum) => sum / positions),
      meanAbsolute: this.#absolute.map((sum) => sum / positions),
      largest: this.#largest,
      ...(this.#panels.length > 0 ? { secondMoment: this.#secondMoment() } : {}),
    };
  }

  #secondMoment(): Matrix {
    const width = this.#sum.length;
    const data = new Float64Array(width * width);
    for (const { from, part } of this.#panels) {
      for (let i = 0; i < part.rows; i++) {
        const row = rowOf(part, i).subarray(i); // from the diagonal on
        data.set(row, (from + i) * width + from + i);
        for (let j = 1; j < row.length; j++) data[(from + i + j) * width + from + i] = row[j] as number;
      }
    }
    return { rows: width, cols: width, data };
  }
}

/** Rows of a batch that are summed over. */
function positionsOf({ pieces }: RowBatch, withoutFirst: boolean): number[] {
  return pieces
    .flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))
    .flatMap((position, row) => (withoutFirst && position === 0 ? [] : [row]));
}

const matrixOf = (data: Float32Array, rows: number): Matrix<Float32Array> => ({ rows, cols: data.length / rows, data });

/** NaN for a row of zeros. */
function cosine(x: Float32Array, y: Float32Array): number {
  return innerProduct(x, y) / Math.sqrt(squaredNorm(x) * squaredNorm(y));
}
