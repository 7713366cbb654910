// The graphs of the walk: one block, and the unembedding, with all weights as inputs.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Activation, activationWidth, finalNormName } from '../checkpoint/names.ts';
import { entryOf } from '../platform/indexing.ts';
import { addBlock, rmsNorm } from './block.ts';
import { GraphBuilder } from './builder.ts';
import { Linears, type WeightSource } from './linear.ts';

/** The first layer whose block is computed as this layer's: blocks of one model differ in the attention's window alone. */
export function blockShape({ slidingWindow }: LlamaConfig, layer: number): number {
  return slidingWindow && layer >= slidingWindow.fromLayer ? slidingWindow.fromLayer : 0;
}

/** Further outputs of a block's graph: the residual stream after its attention, and its activations. */
export type InnerPoint = 'afterAttention' | Activation;

/** Width of such an output. */
export function innerWidth(config: LlamaConfig, point: InnerPoint): number {
  return point === 'afterAttention' ? config.hiddenSize : activationWidth(config, point);
}

/**
 * Bytes of an ONNX model of one block. Inputs: `x` (rows, hidden), the rows of sequences one after the other; for the
 * attention `row_of` (batch, tokens), the row of each position, anything where a shorter sequence has none, and
 * `place_of` (rows), each row's place among the flattened positions; `position_ids` (batch, tokens), `past_lengths`
 * (batch), `total_length` (1), `cos`, `sin` and the caches as in `llamaGraph`; the weights of the block. Output: `out`
 * (rows, hidden).
 * @param sources of the block's tensors: a projection has a bias if one is among them
 * @param options `masked`: whether there is an input `attention_bias` (batch, 1, tokens, total length), which also holds the window
 * `inner`: further outputs, (rows, width) each
 */
export function blockGraph(
  config: LlamaConfig,
  layer: number,
  sources: ReadonlyMap<string, WeightSource>,
  { masked = false, inner = [] }: { readonly masked?: boolean; readonly inner?: readonly InnerPoint[] } = {},
): Uint8Array {
  const { hiddenSize, headDim } = config;
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['rows', hiddenSize]);
  const rowOf = g.input('row_of', 'int64', ['batch', 'tokens']);
  const placeOf = g.input('place_of', 'int64', ['rows']);
  const linears = new Linears(g, (name) => entryOf(sources, name), 1);
  const points = addBlock(
    g,
    linears,
    config,
    layer,
    x,
    {
      batched: (y) => g.node('Gather', [y, rowOf], `${y}.batched`, { axis: 0 }),
      flat: (y, width) => {
        const places = g.node('Reshape', [y, g.constant([-1, width])], `${y}.places`);
        return g.node('Gather', [places, placeOf], `${y}.flat`, { axis: 0 });
      },
      rows: placeOf,
      positions: g.input('position_ids', 'int64', ['batch', 'tokens']),
      cos: g.input('cos', 'float32', ['positions', headDim / 2]),
      sin: g.input('sin', 'float32', ['positions', headDim / 2]),
      pastLengths: g.input('past_lengths', 'int32', ['batch']),
      totalLength: g.input('total_length', 'int32', [1]),
      ...(masked ? { attentionBias: g.input('attention_bias', 'float32', ['batch', 1, 'tokens', 'total']) } : {}),
    },
    (name) => sources.has(name),
  );
  g.node('Identity', [points.output], 'out');
  g.output('out', 'float32', ['rows', hiddenSize]);
  for (const point of inner) {
    g.node('Identity', [points[point]], point);
    g.output(point, 'float32', ['rows', innerWidth(config, point)]);
  }
  return g.build('block');
}

/** The matrix that gives logits, in {@link unembedGraph}. */
export const wordsName = 'words';

/**
 * Bytes of an ONNX model of the final norm and the unembedding. Inputs: `x` (rows, hidden), the norm's weight under its
 * name, `words` (vocab, hidden). Output: `logits` (rows, vocab).
 * @param words where they come from
 */
export function unembedGraph(config: LlamaConfig, words: WeightSource): Uint8Array {
  const { hiddenSize, vocabSize } = config;
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['rows', hiddenSize]);
  const norm: WeightSource = { kind: 'input', shape: [hiddenSize] };
  const linears = new Linears(g, (name) => (name === finalNormName ? norm : words), 1);
  const normed = rmsNorm(g, linears, config, x, finalNormName, 'normed');
  const column = g.node('Gather', [x, g.constant([0])], 'column', { axis: 1 });
  const each = g.node('Reshape', [column, g.constant([-1])], 'each');
  linears.apply({ x: normed, weight: wordsName, output: 'logits', rows: each });
  g.output('logits', 'float32', ['rows', vocabSize]);
  return g.build('unembed');
}
