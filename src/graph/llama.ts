// The forward pass of a Llama-architecture model as an ONNX graph, written top to bottom. Tensor names are the
// checkpoint's.
import type { LlamaConfig } from '../checkpoint/config.ts';
import {
  embedName,
  finalNormName,
  hasBias,
  inputNormName,
  type Projection,
  postNormName,
  projectionName,
  unembedName,
} from '../checkpoint/names.ts';
import { elementTypes, GraphBuilder, microsoft } from './builder.ts';
import { elementType, type FileWeight, Linears, type WeightSource } from './linear.ts';
import { attentionTap, blockTap, embeddingTap, type Tap, type TapOptions } from './taps.ts';

export interface GraphOptions extends TapOptions {
  /** Sets of replaceable weights that the rows of one batch can use. Default 1. */
  readonly sets?: number;
}

const keyValue = ['key', 'value'] as const;

/** Name of a layer's key or value cache as an input (`past`) and as an output (`present`). */
export const cacheName = (when: 'past' | 'present', layer: number, what: 'key' | 'value') => `${when}.${layer}.${what}`;

/** Numbers a head takes in the cache: onnxruntime's attention wants multiples of 8, so other head sizes are padded with zeros. */
export const cacheHeadDim = ({ headDim }: LlamaConfig) => Math.ceil(headDim / 8) * 8;

/**
 * Bytes of an ONNX model with
 * inputs: `input_ids` and `position_ids` (batch, tokens); `past_lengths` (batch), total length − 1 of each row;
 * `total_length` (1), the longest; `cos`, `sin` (positions, headDim / 2); `selected` (n), rows of the flattened
 * (batch × tokens), with taps of the flattened (points × batch × tokens), whose logits are wanted: the final norm and
 * the unembedding of a tapped point are the logit lens, and share the weights with the last one's; `past.<layer>.key|value` (batch, kvHeads, capacity, cacheHeadDim);
 * every weight whose source is `input`, once for each of `options.sets` (see {@link setName}); with several sets
 * `set_rows` (sets), how many of the flattened rows belong to each, in order: rows of one batch then differ in these
 * weights and share the reading of all others;
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
  const { layers, hiddenSize, heads, kvHeads, headDim, vocabSize, slidingWindow } = config;
  const g = new GraphBuilder();

  const ids = g.input('input_ids', 'int64', ['batch', 'tokens']);
  const positions = g.input('position_ids', 'int64', ['batch', 'tokens']);
  const pastLengths = g.input('past_lengths', 'int32', ['batch']);
  const totalLength = g.input('total_length', 'int32', [1]);
  const cos = g.input('cos', 'float32', ['positions', headDim / 2]);
  const sin = g.input('sin', 'float32', ['positions', headDim / 2]);
  const selected = g.input('selected', 'int64', ['n']);
  const linears = new Linears(g, source, options.sets ?? 1);
  const tokens = g.node('Reshape', [ids, g.constant([-1])], 'ids.flat'); // (batch * tokens)

  /** x @ W.T (+ bias): (rows, in) → (rows, out) */
  const project = (x: string, layer: number, p: Projection, output: string): string =>
    linears.apply({
      x,
      output,
      rows: tokens,
      weight: projectionName(layer, p),
      bias: hasBias(config, p) ? projectionName(layer, p, 'bias') : undefined,
    });

  const norm = (x: string, name: string, output: string): string =>
    g.node('SimplifiedLayerNormalization', [x, linears.weight(name)], output, {
      axis: -1,
      epsilon: { float: config.rmsNormEps },
    });

  const padded = cacheHeadDim(config);
  const cache = ['batch', kvHeads, 'capacity', padded];

  /** (batch, tokens, n * headDim) → (batch, tokens, n * padded): zeros change neither the scores nor the sums. */
  const pad = (x: string, n: number): string => {
    if (padded === headDim) return x;
    const heads = g.node('Reshape', [x, g.constant([0, 0, n, headDim])], `${x}.heads`);
    const wide = g.node('Pad', [heads, g.constant([0, 0, 0, 0, 0, 0, 0, padded - headDim])], `${x}.wide`);
    return g.node('Reshape', [wide, g.constant([0, 0, n * padded])], `${x}.padded`);
  };
  const unpad = (x: string): string => {
    if (padded === headDim) return x;
    const wide = g.node('Reshape', [x, g.constant([0, 0, heads, padded])], `${x}.wide`);
    return g.node('Slice', [wide, g.constant([0]), g.constant([headDim]), g.constant([3])], `${x}.narrow`);
  };

  // onnxruntime's attention could rotate by itself, but only for head sizes that are multiples of 16.
  const rotate = (x: string, n: number): string => {
    const sizes = { num_heads: n, rotary_embedding_dim: headDim };
    return g.node('RotaryEmbedding', [x, positions, cos, sin], `${x}.rotated`, sizes, microsoft);
  };

  /** q (batch, tokens, heads * headDim), k and v (batch, tokens, kvHeads * headDim) → (rows, heads * headDim) */
  const attend = (layer: number, q: string, k: string, v: string): string => {
    const attended = `layers.${layer}.attended`;
    const past = keyValue.map((what) => g.input(cacheName('past', layer, what), 'float32', cache));
    const present = keyValue.map((what) => cacheName('present', layer, what));
    const inputs = [pad(rotate(q, heads), heads), pad(rotate(k, kvHeads), kvHeads), pad(v, kvHeads)];
    const sizes = { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 0, scale: { float: headDim ** -0.5 } };
    // Both count a token's own position.
    const window: Record<string, number> =
      slidingWindow && layer >= slidingWindow.fromLayer ? { local_window_size: slidingWindow.size } : {};
    const all = [...inputs, ...past, pastLengths, totalLength];
    g.nodes('GroupQueryAttention', all, [attended, ...present], { ...sizes, ...window }, microsoft);
    for (const name of present) g.output(name, 'float32', cache);
    return flat(unpad(attended), heads * headDim);
  };

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

  for (let i = 0; i < layers; i++) {
    const at = `layers.${i}`;

    // Attention: o(attend(q(h), k(h), v(h)))
    const h = norm(x, inputNormName(i), `${at}.attention_in`); // (rows, hidden)
    const input = (p: Projection) => g.node('Reshape', [project(h, i, p, `${at}.${p}`), batched], `${at}.${p}.batched`);
    const attended = attend(i, input('q'), input('k'), input('v')); // (rows, heads * headDim)
    x = g.node('Add', [x, project(attended, i, 'o', `${at}.o`)], `${at}.after_attention`);
    if (options.sublayers) tap(attentionTap(i));

    // MLP: down(silu(gate(h)) * up(h))
    const m = norm(x, postNormName(i), `${at}.mlp_in`);
    const gate = project(m, i, 'gate', `${at}.gate`); // (rows, intermediate)
    const activated = g.node('Mul', [gate, g.node('Sigmoid', [gate], `${gate}.sigmoid`)], `${at}.silu`);
    const gated = g.node('Mul', [activated, project(m, i, 'up', `${at}.up`)], `${at}.gated`);
    x = g.node('Add', [x, project(gated, i, 'down', `${at}.down`)], `${at}.out`);
    tap(blockTap(i));
  }

  const points = tapped.length > 0 ? g.node('Concat', tapped, 'points', { axis: 0 }) : x; // (points * rows, hidden)
  const rows = g.node('Gather', [points, selected], 'selected_rows', { axis: 0 }); // (n, hidden)
  const unembed = config.tiedEmbeddings ? embedName : unembedName;
  const normed = norm(rows, finalNormName, 'unembed_in');
  linears.apply({ x: normed, weight: unembed, output: 'logits', rows: selected });
  g.output('logits', 'float32', ['n', vocabSize]);
  return g.build('llama');
}
