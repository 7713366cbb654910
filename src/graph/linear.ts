// x @ W.T + b in a graph: from a float32 weight, from one that variants replace, or in 8 bits.
import type { WeightDtype } from '../checkpoint/dtypes.ts';
import { getOrMake } from '../platform/indexing.ts';
import { type ElementType, type ExternalData, elementTypes, type GraphBuilder, microsoft } from './builder.ts';
import { hadamard, hadamardBlock } from './hadamard.ts';

/** The checkpoint's own bytes; 16-bit dtypes are cast to float32 when the session is made. */
export interface FileWeight {
  readonly kind: 'file';
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  readonly data: ExternalData;
}

/** Where a weight of the graph comes from. */
export type WeightSource =
  | FileWeight
  /** Fed at every run as float32, (out, in): what an operation may replace. */
  | { readonly kind: 'input'; readonly shape: readonly number[] }
  | Int8Weight<ExternalData>
  /** Fed at every run in 8 bits, see {@link int8Part}. */
  | Int8Weight<Fed>;

/** Marks a part of a weight that is fed at every run. */
export type Fed = 'fed';

/** A weight in 8 bits, and where its parts are. A few outlier coordinates of its input are multiplied in float32. */
export interface Int8Weight<Part> {
  readonly kind: 'int8';
  readonly shape: readonly number[];
  /** Integers of the rotated weight, see {@link hadamard}: (in, out). */
  readonly integers: Part;
  /** Whether the integers run from 1 to 255 around 128, instead of from −127 to 127. */
  readonly unsigned?: boolean;
  /** float32, (out) */
  readonly scales: Part;
  readonly outliers: {
    readonly count: number;
    /** int64, (count): their coordinates, the same for all weights that read one activation. */
    readonly places: Part;
    /** float32, (in): 0 at these, 1 elsewhere. */
    readonly rest: Part;
    /** Their columns, float32, (count, out). */
    readonly columns: Part;
  };
}

/**
 * Names a part of an 8-bit weight in the graph. Places and rest belong to the input of the product, and are named after the
 * first weight that reads it.
 */
export const int8Part = (weight: string, part: 'integers' | 'scales' | 'places' | 'rest' | 'outliers') =>
  `${weight}.${part}`;

export const elementType: Readonly<Record<WeightDtype, ElementType>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** Name of the input for a replaceable weight of one variant, counted from 0. */
export const inputOf = (weight: string, variant: number) => (variant === 0 ? weight : `${weight}.variant${variant}`);

/** What a product reads and how its rows are counted. */
export interface LinearLayer {
  /** (rows, in), named. */
  readonly x: string;
  /** Names of the tensors: W is (out, in), b (out). */
  readonly weight: string;
  readonly bias?: string | undefined;
  /** Name of the result, (rows, out). */
  readonly output: string;
  /** A tensor with an item for each row. */
  readonly rows: string;
}

/** Rows in 8 bits, named. */
interface QuantisedRows {
  /** uint8, (rows, in), rotated. */
  readonly integers: string;
  /** (rows, 1) */
  readonly scales: string;
  /** (rows, outliers): what is left out of them. */
  readonly outliers: string;
}

/** The linear layers of a graph, and the weights that they share. */
export class Linears {
  readonly #g: GraphBuilder;
  readonly #source: (name: string) => WeightSource;
  readonly #variants: number;
  /** How many of the flattened rows belong to each variant, in order. */
  readonly #variantRows: string;
  readonly #float32 = new Map<string, string>();
  readonly #quantised = new Map<string, QuantisedRows>();
  readonly #zeroPoints = new Map<string, string>();
  readonly #split = new Map<string, string[]>();

  /** @param variants of the replaceable weights: rows of one batch may differ in them and share all others */
  constructor(g: GraphBuilder, source: (name: string) => WeightSource, variants: number) {
    this.#g = g;
    this.#source = source;
    this.#variants = variants;
    this.#variantRows = variants > 1 ? g.input('variant_rows', 'int64', [variants]) : '';
  }

  /** A weight as float32: norm scales, biases, and projections that are not quantised. @throws RangeError for one that is */
  weight(name: string): string {
    return getOrMake(this.#float32, name, () => this.#add(name));
  }

  /** (rows, in) → (rows, out). Gemm's transB takes the checkpoint's (out, in) layout as it is. Returns the output's name. */
  apply(layer: LinearLayer): string {
    const from = this.#source(layer.weight);
    if (from.kind === 'input' && this.#variants > 1) return this.#replaceable(layer, from.shape);
    const bias = layer.bias === undefined ? [] : [this.weight(layer.bias)];
    if (from.kind === 'int8') return this.#integerProduct(layer, from, bias);
    return this.#g.node('Gemm', [layer.x, this.weight(layer.weight), ...bias], layer.output, { transB: 1 });
  }

  #add(name: string): string {
    const from = this.#source(name);
    if (from.kind === 'int8') throw new RangeError(`${name} is quantised and cannot be read as float32`);
    if (from.kind === 'input') return this.#g.input(name, 'float32', from.shape);
    this.#g.external(name, elementType[from.dtype], from.shape, from.data);
    // Casts of initialisers are folded when the session is made: they cost nothing at run time.
    return from.dtype === 'F32' ? name : this.#g.node('Cast', [name], `${name}.float32`, { to: elementTypes.float32 });
  }

  /**
   * In 8 bits: a scale for each row of x, chosen as it comes, and one for each row of W (W8A8). The outlier coordinates of
   * x are multiplied in float32 (Dettmers et al. 2022), the rest is rotated in blocks on both sides, which spreads what is
   * still large (Ashkboos et al. 2024, "QuaRot"). The products are exact integers: a row's result does not depend on what
   * else is in the batch.
   */
  #integerProduct(
    { x, weight, output, rows: count }: LinearLayer,
    from: Int8Weight<ExternalData | Fed>,
    bias: readonly string[],
  ): string {
    const g = this.#g;
    const [out = 0, into = 0] = from.shape;
    const { integers, scales, outliers, unsigned = false } = from;
    const weights = this.#part(int8Part(weight, 'integers'), unsigned ? 'uint8' : 'int8', [into, out], integers);
    const steps = this.#part(int8Part(weight, 'scales'), 'float32', [out], scales);
    const columns = this.#part(int8Part(weight, 'outliers'), 'float32', [outliers.count, out], outliers.columns);
    const rows = getOrMake(this.#quantised, x, () => this.#quantisedRows(x, count, weight, from));
    const unit = g.scalar('float32', 1 / hadamardBlock(into));
    const middle = g.scalar('uint8', 128);
    const inputs = [rows.integers, weights, unit, steps, middle, ...(unsigned ? [middle] : [])];
    const product = g.node('MatMulIntegerToFloat', inputs, `${output}.integer`, {}, microsoft);
    const scaled = g.node('Mul', [product, rows.scales], `${output}.scaled`);
    const whole = g.node('Gemm', [rows.outliers, columns, scaled], bias.length > 0 ? `${output}.product` : output);
    return bias.length > 0 ? g.node('Add', [whole, ...bias], output) : whole;
  }

  #quantisedRows(
    x: string,
    count: string,
    weight: string,
    { shape: [, into = 0], outliers }: Int8Weight<ExternalData | Fed>,
  ): QuantisedRows {
    const g = this.#g;
    const places = this.#part(int8Part(weight, 'places'), 'int64', [outliers.count], outliers.places);
    const rest = this.#part(int8Part(weight, 'rest'), 'float32', [into], outliers.rest);
    const rotated = this.#rotated(g.node('Mul', [x, rest], `${x}.rest`), into);
    return { ...this.#inSteps(rotated, count), outliers: g.node('Gather', [x, places], `${x}.outliers`, { axis: 1 }) };
  }

  #part(name: string, type: ElementType, shape: readonly number[], data: ExternalData | Fed): string {
    return data === 'fed' ? this.#g.input(name, type, shape) : this.#g.external(name, type, shape, data);
  }

  /** (rows, size), each block of coordinates times a Hadamard matrix, as in the prepared weights. */
  #rotated(x: string, size: number): string {
    const g = this.#g;
    const block = hadamardBlock(size);
    if (block === 1) return x;
    const matrix = g.values(`hadamard.${block}`, [block, block], hadamard(block));
    const blocks = g.node('Reshape', [x, g.constant([-1, block])], `${x}.blocks`);
    const turned = g.node('MatMul', [blocks, matrix], `${x}.turned`);
    return g.node('Reshape', [turned, g.constant([-1, size])], `${x}.rotated`);
  }

  /** Rows as integers from 1 to 255 about 128, and their scales as a column. */
  #inSteps(x: string, count: string): Omit<QuantisedRows, 'outliers'> {
    const g = this.#g;
    const largest = g.node('ReduceMax', [g.node('Abs', [x], `${x}.abs`)], `${x}.largest`, { axes: [-1], keepdims: 0 });
    const step = g.node('Mul', [largest, g.scalar('float32', 1 / 127)], `${x}.step`);
    // A row of zeros keeps a scale that can be divided by.
    const scale = g.node('Max', [step, g.scalar('float32', 1e-30)], `${x}.scale`);
    const zeroPoint = getOrMake(this.#zeroPoints, count, () => this.#zeroPoint(count));
    const integers = g.node('QuantizeLinear', [x, scale, zeroPoint], `${x}.integers`, { axis: 0 });
    return { integers, scales: g.node('Reshape', [scale, g.constant([-1, 1])], `${x}.scales`) };
  }

  /** The zero point of each row. */
  #zeroPoint(count: string): string {
    const shape = this.#g.node('Shape', [count], `${count}.count`);
    return this.#g.node('Expand', [this.#g.scalar('uint8', 128), shape], `${count}.middle`);
  }

  /** Each variant's rows through its own weight, and its bias where that is replaceable too. A variant without rows costs nothing. */
  #replaceable({ x, weight, bias, output }: LinearLayer, shape: readonly number[]): string {
    const biasOf = (name: string, variant: number) => {
      const from = this.#source(name);
      return from.kind === 'input' ? this.#g.input(inputOf(name, variant), 'float32', from.shape) : this.weight(name);
    };
    const rowsOfVariants = getOrMake(this.#split, x, () => this.#rowsOfVariants(x));
    const parts = rowsOfVariants.map((rows, variant) => {
      const own = this.#g.input(inputOf(weight, variant), 'float32', shape);
      const added = bias === undefined ? [] : [biasOf(bias, variant)];
      return this.#g.node('Gemm', [rows, own, ...added], `${output}.variant${variant}`, { transB: 1 });
    });
    return this.#g.node('Concat', parts, output, { axis: 0 });
  }

  #rowsOfVariants(x: string): string[] {
    const parts = Array.from({ length: this.#variants }, (_, variant) => `${x}.variant${variant}`);
    this.#g.nodes('Split', [x, this.#variantRows], parts, { axis: 0 });
    return parts;
  }
}
