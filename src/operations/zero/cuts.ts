// What the parameters of `zero` mean for each layer: columns of o and down to clear, or the whole matrix and its bias, and
// single weights of any projection.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { Projection } from '../../checkpoint/names.ts';
import type { KindFootprint } from '../kind.ts';
import { type SingleWeight, type UnitLists, type Units, unitsOf, weightOf } from './spec.ts';

/** Columns of a matrix from the first up to the second, or all of it. */
export type Columns = readonly (readonly [from: number, to: number])[] | 'all';

export interface LayerCut {
  readonly layer: number;
  readonly o?: Columns;
  readonly down?: Columns;
  readonly weights: readonly SingleWeight[];
}

/** Layer by layer. Heads are columns of o, which reads them; neurons are columns of down. */
export function cutsOf(
  operation: UnitLists & { readonly weights?: readonly string[] },
  config: LlamaConfig,
): LayerCut[] {
  const { heads, kvHeads, headDim } = config;
  const queries = heads / kvHeads; // query heads that read one KV head
  const all = (layers: readonly number[] = []) => new Set(layers);
  const [attention, mlp, blocks] = [all(operation.attention), all(operation.mlp), all(operation.blocks)];
  const o = [...columns(operation.heads, headDim), ...columns(operation.kvHeads, headDim * queries)];
  const down = columns(operation.neurons, 1);
  const weights = (operation.weights ?? []).flatMap((text) => weightOf(text) ?? []);
  const inLayer = (some: readonly { layer: number; range: readonly [number, number] }[], layer: number) =>
    some.filter((one) => one.layer === layer).map(({ range }) => range);
  return Array.from({ length: config.layers }, (_, layer) => {
    const ofO: Columns = attention.has(layer) || blocks.has(layer) ? 'all' : inLayer(o, layer);
    const ofDown: Columns = mlp.has(layer) || blocks.has(layer) ? 'all' : inLayer(down, layer);
    return {
      layer,
      ...(ofO.length > 0 ? { o: ofO } : {}),
      ...(ofDown.length > 0 ? { down: ofDown } : {}),
      weights: weights.filter((one) => one.layer === layer),
    };
  }).filter((cut) => cut.o || cut.down || cut.weights.length > 0);
}

function columns(texts: readonly string[] = [], width: number): { layer: number; range: readonly [number, number] }[] {
  return texts
    .map(unitsOf)
    .filter((one): one is Units => one !== undefined)
    .map(({ layer, from, to }) => ({ layer, range: [from * width, (to + 1) * width] as const }));
}

/**
 * Sets the columns of a matrix to zero, in place.
 * @param cut as {@link isCut} gives it
 * @returns ‖W‖² before, and that of the columns alone
 */
export function clearColumns(weight: Float32Array, cut: Uint8Array): { squaredNorm: number; squaredError: number } {
  let [squaredNorm, squaredError] = [0, 0];
  for (const [i, value] of weight.entries()) {
    squaredNorm += value * value;
    if (cut[i % cut.length] === 0) continue;
    squaredError += value * value;
    weight[i] = 0;
  }
  return { squaredNorm, squaredError };
}

/** What a report says of a matrix that columns were cut of, as the footprint needs it. */
interface CutMatrix {
  readonly parameters: { readonly dense: number; readonly reduced: number };
  readonly squaredNorm: number;
  readonly squaredError: number;
}

/** Size and error of all matrices that were cut. Cuts have no ranks. */
export function cutFootprint(changed: readonly CutMatrix[]): KindFootprint {
  const sum = (of: (one: CutMatrix) => number) => changed.reduce((total, one) => total + of(one), 0);
  return {
    parameters: { dense: sum((one) => one.parameters.dense), reduced: sum((one) => one.parameters.reduced) },
    squaredNorm: sum((one) => one.squaredNorm),
    relativeError: Math.sqrt(sum((one) => one.squaredError) / (sum((one) => one.squaredNorm) || 1)),
    relativeErrorKv: null,
    rank: null,
    width: null,
  };
}

/** 1 for each column that is cut, 0 for the others, (cols). */
export function isCut(columns: Columns, cols: number): Uint8Array {
  const cut = new Uint8Array(cols);
  for (const [from, to] of columns === 'all' ? [[0, cols] as const] : columns) cut.fill(1, from, to);
  return cut;
}

/** What a layer's cut takes of a projection; undefined where it takes nothing. */
export function cutOf(
  { o, down, weights }: LayerCut,
  projection: Projection,
): { readonly columns: Columns; readonly weights: readonly SingleWeight[] } | undefined {
  const columns = (projection === 'o' ? o : projection === 'down' ? down : undefined) ?? [];
  const own = weights.filter((one) => one.projection === projection);
  return columns.length > 0 || own.length > 0 ? { columns, weights: own } : undefined;
}
