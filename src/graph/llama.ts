// The forward pass of a Llama-architecture model as an ONNX graph, written top to bottom. Tensor names are the
// checkpoint's.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { biasNames, embedName, finalNormName, unembedName } from '../checkpoint/names.ts';
import { addBlock, rmsNorm, type Sequences } from './block.ts';
import { elementTypes, GraphBuilder } from './builder.ts';
import { elementType, type FileWeight, Linears, type WeightSource } from './linear.ts';
import { attentionTap, blockTap, embeddingTap, type Tap, type TapOptions } from './taps.ts';

export interface GraphOptions extends TapOptions {
  /** Biases that the model lacks and variants may have. Their source is `input`. */
  readonly addedBiases?: Iterable<string>;
  /** Variants of the replaceable weights that the rows of one batch may use. Default 1. */
  readonly variantsTogether?: number;
}

/**
 * Bytes of an ONNX model with
 * inputs: `input_ids` and `position_ids` (batch, tokens); `past_lengths` (batch), total length − 1 of each row;
 * `total_length` (1), the longest; `cos`, `sin` (positions, headDim / 2); `selected` (n), rows of the flattened
 * (batch × tokens), with taps of the flattened (points × batch × tokens), whose logits are wanted: the final norm and
 * the unembedding of a tapped point are the logit lens, and share the weights with the last one's; `past.<layer>.key|value` (batch, kvHeads, capacity, cacheHeadDim);
 * every weight whose source is `input`, once for each of `options.variantsTogether` (see {@link inputOf}); with several
 * variants `variant_rows` (variants), how many of the flattened rows belong to each, in order: rows of one batch then
 * differ in these weights and share all others;
 * outputs: `logits` (n, vocab) and `present.<layer>.key|value`, which may be the same buffers as the past.
 *
 * @param embedding the matrix that token ids are looked up in
 * @param source where each other weight comes from; the embedding's own name if it also serves as unembedding
 */
export function llamaGraph(
  config: LlamaConfig,
  embedding: FileWeight,
  source: (name: string) => WeightSource,
  options: GraphOptions = {},
): Uint8Array {
  const { layers, hiddenSize, headDim, vocabSize } = config;
  const g = new GraphBuilder();

  const ids = g.input('input_ids', 'int64', ['batch', 'tokens']);
  const positions = g.input('position_ids', 'int64', ['batch', 'tokens']);
  const pastLengths = g.input('past_lengths', 'int32', ['batch']);
  const totalLength = g.input('total_length', 'int32', [1]);
  const cos = g.input('cos', 'float32', ['positions', headDim / 2]);
  const sin = g.input('sin', 'float32', ['positions', headDim / 2]);
  const selected = g.input('selected', 'int64', ['n']);
  const linears = new Linears(g, source, options.variantsTogether ?? 1);
  const tokens = g.node('Reshape', [ids, g.constant([-1])], 'ids.flat'); // (batch * tokens)

  const flat = (x: string, width: number) => g.node('Reshape', [x, g.constant([-1, width])], `${x}.flat`);

  // Only the rows that are looked up are cast: the embedding stays in the file's dtype.
  g.external(embedName, elementType[embedding.dtype], embedding.shape, embedding.data);
  const looked = g.node('Gather', [embedName, ids], embedding.dtype === 'F32' ? 'embedded' : 'embedded.raw');
  const embedded =
    embedding.dtype === 'F32' ? looked : g.node('Cast', [looked], 'embedded', { to: elementTypes.float32 });
  // (batch, tokens) → as many numbers as a Reshape back from flat rows needs.
  const batched = g.node('Concat', [g.node('Shape', [ids], 'batch_tokens'), g.constant([-1])], 'batched', { axis: 0 });

  let x = flat(embedded, hiddenSize); // (batch * tokens, hidden), as every linear layer
  const tapped: string[] = [];
  const tap = ({ output }: Tap) => {
    if (!options.taps) return;
    g.node('Reshape', [x, batched], output);
    g.output(output, 'float32', ['batch', 'tokens', hiddenSize]);
    tapped.push(x);
  };
  tap(embeddingTap);

  const sequences: Sequences = {
    batched: (y) => g.node('Reshape', [y, batched], `${y}.batched`),
    flat,
    rows: tokens,
    positions,
    cos,
    sin,
    pastLengths,
    totalLength,
  };
  const biases = new Set([...(options.addedBiases ?? []), ...biasNames(config)]);
  for (let i = 0; i < layers; i++) {
    const points = addBlock(g, linears, config, i, x, sequences, (name) => biases.has(name));
    x = points.afterAttention;
    if (options.sublayers) tap(attentionTap(i));
    x = points.output;
    tap(blockTap(i));
  }

  const points = tapped.length > 0 ? g.node('Concat', tapped, 'points', { axis: 0 }) : x; // (points * rows, hidden)
  const rows = g.node('Gather', [points, selected], 'selected_rows', { axis: 0 }); // (n, hidden)
  const unembed = config.tiedEmbeddings ? embedName : unembedName;
  const normed = rmsNorm(g, linears, config, rows, finalNormName, 'unembed_in');
  linears.apply({ x: normed, weight: unembed, output: 'logits', rows: selected });
  g.output('logits', 'float32', ['n', vocabSize]);
  return g.build('llama');
}
