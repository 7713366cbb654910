// What the parameters of `zero` mean for each layer's o and down: columns to clear, or the whole matrix and its bias.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Units, unitsOf, type ZeroOperation } from './spec.ts';

/** Columns of a matrix from the first up to the second, or all of it. */
export type Columns = readonly (readonly [from: number, to: number])[] | 'all';

export interface LayerCut {
  readonly layer: number;
  readonly o?: Columns;
  readonly down?: Columns;
}

/** Layer by layer. Heads are columns of o, which reads them; neurons are columns of down. */
export function cutsOf(operation: ZeroOperation, config: LlamaConfig): LayerCut[] {
  const { heads, kvHeads, headDim } = config;
  const queries = heads / kvHeads; // query heads that read one KV head
  const all = (layers: readonly number[] = []) => new Set(layers);
  const [attention, mlp, blocks] = [all(operation.attention), all(operation.mlp), all(operation.blocks)];
  const o = [...columns(operation.heads, headDim), ...columns(operation.kvHeads, headDim * queries)];
  const down = columns(operation.neurons, 1);
  const inLayer = (some: readonly { layer: number; range: readonly [number, number] }[], layer: number) =>
    some.filter((one) => one.layer === layer).map(({ range }) => range);
  return Array.from({ length: config.layers }, (_, layer) => {
    const ofO: Columns = attention.has(layer) || blocks.has(layer) ? 'all' : inLayer(o, layer);
    const ofDown: Columns = mlp.has(layer) || blocks.has(layer) ? 'all' : inLayer(down, layer);
    return {
      layer,
      ...(ofO.length > 0 ? { o: ofO } : {}),
      ...(ofDown.length > 0 ? { down: ofDown } : {}),
    };
  }).filter((cut) => cut.o || cut.down);
}

function columns(texts: readonly string[] = [], width: number): { layer: number; range: readonly [number, number] }[] {
  return texts
    .map(unitsOf)
    .filter((one): one is Units => one !== undefined)
    .map(({ layer, from, to }) => ({ layer, range: [from * width, (to + 1) * width] as const }));
}
