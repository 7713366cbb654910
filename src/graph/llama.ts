// The forward pass of a Llama-architecture model as an ONNX graph, one straight page. Tensor names are the checkpoint's.
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { WeightDtype } from '../checkpoint/dtypes.ts';
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
import { type ElementType, type ExternalData, elementTypes, GraphBuilder, microsoft } from './builder.ts';
import { attentionTap, blockTap, embeddingTap, type Tap, type TapOptions } from './taps.ts';

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
  /** Signed 8-bit integers, (in, out), and a scale for each of the outputs. */
  | {
      readonly kind: 'int8';
      readonly shape: readonly number[];
      readonly integers: ExternalData;
      readonly scales: ExternalData;
    };

/** What the rows of a product are: all tokens, or those whose logits are wanted. */
type Rows = 'tokens' | 'selected';

export interface GraphOptions extends TapOptions {
  /** Sets of replaceable weights that the rows of one batch can use. Default 1. */
  readonly sets?: number;
}

const elementType: Readonly<Record<WeightDtype, ElementType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** Name of a layer's key or value cache as an input (`past`) and as an output (`present`). */
export const cacheName = (when: 'past' | 'present', layer: number, what: 'key' | 'value') => `${when}.${layer}.${what}`;

/** Numbers a head takes in the cache: onnxruntime's attention wants multiples of 8, so other head sizes are padded with zeros. */
export const cacheHeadDim = ({ headDim }: LlamaConfig) => Math.ceil(headDim / 8) * 8;

/** Name of a replaceable weight's input in one of the graph's sets, counted from 0. */
export const setName = (weight: string, set: number) => (set === 0 ? weight : `${weight}.set${set}`);

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
  const sets = options.sets ?? 1;
  const g = new GraphBuilder();

  const float32 = new Map<string, string>();

  /** A weight as float32: norm scales, biases, and projections that are not quantised. */
  const weight = (name: string): string => {
    const value = float32.get(name) ?? addWeight(name, source(name));
    float32.set(name, value);
    return value;
  };
  const addWeight = (name: string, from: WeightSource): string => {
    if (from.kind === 'int8') throw new RangeError(`${name} is quantised and cannot be read as float32`);
    if (from.kind === 'input') return g.input(name, 'float32', from.shape);
    g.external(name, elementType[from.dtype], from.shape, from.data);
    // Casts of initialisers are folded when the session is made: they cost nothing at run time.
    return from.dtype === 'F32' ? name : g.node('Cast', [name], `${name}.float32`, { to: elementTypes.float32 });
  };

  /**
   * x @ W.T (+ bias): (rows, in) → (rows, out). Gemm's transB takes the checkpoint's (out, in) layout as it is.
   * @param bias the name of its tensor
   */
  const linear = (x: string, name: string, bias: string | undefined, output: string, of: Rows = 'tokens'): string => {
    const from = source(name);
    if (from.kind === 'input' && sets > 1) return replaceable(x, name, from.shape, bias, output);
    const added = bias === undefined ? undefined : weight(bias);
    if (from.kind === 'int8') return integerProduct(x, name, from, added, output, of);
    return g.node('Gemm', [x, weight(name), ...(added ? [added] : [])], output, { transB: 1 });
  };

  /**
   * x @ W.T in 8 bits: a scale for each row of x, chosen as it comes, and one for each row of W (W8A8; Dettmers et al. 2022,
   * "vector-wise"). The products are exact integers: a row's result does not depend on what else is in the batch.
   */
  const integerProduct = (
    x: string,
    name: string,
    { shape: [out = 0, into = 0], integers, scales }: Extract<WeightSource, { kind: 'int8' }>,
    bias: string | undefined,
    output: string,
    of: Rows,
  ): string => {
    const weights = g.external(`${name}.integers`, 'int8', [into, out], integers);
    const steps = g.external(`${name}.scales`, 'float32', [out], scales);
    const rows = quantisedRows(x, of);
    const inputs = [rows.integers, weights, g.scalar('float32', 1), steps, g.scalar('uint8', 128)];
    const product = g.node('MatMulIntegerToFloat', inputs, `${output}.integer`, {}, microsoft);
    const scaled = g.node('Mul', [product, rows.scales], bias ? `${output}.product` : output);
    return bias ? g.node('Add', [scaled, bias], output) : scaled;
  };
  const quantised = new Map<string, { integers: string; scales: string }>();
  /** Rows as integers from 1 to 255 about 128, and their scales as a column. */
  const quantisedRows = (x: string, of: Rows): { integers: string; scales: string } => {
    const known = quantised.get(x);
    if (known) return known;
    const largest = g.node('ReduceMax', [g.node('Abs', [x], `${x}.abs`)], `${x}.largest`, { axes: [-1], keepdims: 0 });
    const step = g.node('Mul', [largest, g.scalar('float32', 1 / 127)], `${x}.step`);
    // A row of zeros keeps a scale that can be divided by.
    const scale = g.node('Max', [step, g.scalar('float32', 1e-30)], `${x}.scale`);
    const integers = g.node('QuantizeLinear', [x, scale, middleOf(of)], `${x}.integers`, { axis: 0 });
    const rows = { integers, scales: g.node('Reshape', [scale, g.constant([-1, 1])], `${x}.scales`) };
    quantised.set(x, rows);
    return rows;
  };

  const middles = new Map<Rows, string>();
  const middleOf = (of: Rows): string => {
    const known = middles.get(of);
    if (known) return known;
    const counted = of === 'tokens' ? g.node('Reshape', [ids, g.constant([-1])], 'ids.flat') : selected;
    const middle = g.node(
      'Expand',
      [g.scalar('uint8', 128), g.node('Shape', [counted], `${of}.count`)],
      `${of}.middle`,
    );
    middles.set(of, middle);
    return middle;
  };

  /** Each set's rows through that set's weight, and its bias where that is replaceable too. A set without rows costs nothing. */
  const replaceable = (
    x: string,
    name: string,
    shape: readonly number[],
    bias: string | undefined,
    output: string,
  ): string => {
    const biasOf = (tensor: string, set: number) => {
      const from = source(tensor);
      return from.kind === 'input' ? g.input(setName(tensor, set), 'float32', from.shape) : weight(tensor);
    };
    const parts = rowsOfSets(x).map((rows, set) => {
      const own = g.input(setName(name, set), 'float32', shape);
      const added = bias === undefined ? [] : [biasOf(bias, set)];
      return g.node('Gemm', [rows, own, ...added], `${output}.set${set}`, { transB: 1 });
    });
    return g.node('Concat', parts, output, { axis: 0 });
  };
  const split = new Map<string, string[]>();
  const rowsOfSets = (x: string): string[] => {
    const known = split.get(x);
    if (known) return known;
    const parts = Array.from({ length: sets }, (_, set) => `${x}.set${set}`);
    g.nodes('Split', [x, setRows], parts, { axis: 0 });
    split.set(x, parts);
    return parts;
  };

  const project = (x: string, layer: number, p: Projection, output: string): string => {
    const bias = hasBias(config, p) ? projectionName(layer, p, 'bias') : undefined;
    return linear(x, projectionName(layer, p), bias, output);
  };

  const norm = (x: string, name: string, output: string): string =>
    g.node('SimplifiedLayerNormalization', [x, weight(name)], output, {
      axis: -1,
      epsilon: { float: config.rmsNormEps },
    });

  const padded = cacheHeadDim(config);

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

  const flat = (x: string, width: number) => g.node('Reshape', [x, g.constant([-1, width])], `${x}.flat`);

  const ids = g.input('input_ids', 'int64', ['batch', 'tokens']);
  const positions = g.input('position_ids', 'int64', ['batch', 'tokens']);
  const pastLengths = g.input('past_lengths', 'int32', ['batch']);
  const totalLength = g.input('total_length', 'int32', [1]);
  const cos = g.input('cos', 'float32', ['positions', headDim / 2]);
  const sin = g.input('sin', 'float32', ['positions', headDim / 2]);
  const selected = g.input('selected', 'int64', ['n']);
  const setRows = sets > 1 ? g.input('set_rows', 'int64', [sets]) : '';

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
    const cache = ['batch', kvHeads, 'capacity', padded];

    // Attention: (rows, hidden) → q (rows, heads * headDim), k and v (rows, kvHeads * headDim)
    const h = norm(x, inputNormName(i), `${at}.attention_in`);
    const [q, k, v] = (['q', 'k', 'v'] as const).map((p) =>
      g.node('Reshape', [project(h, i, p, `${at}.${p}`), batched], `${at}.${p}.batched`),
    ) as [string, string, string];
    // onnxruntime's attention could rotate by itself, but only for head sizes that are multiples of 16.
    const rotate = (y: string, n: number) =>
      g.node(
        'RotaryEmbedding',
        [y, positions, cos, sin],
        `${y}.rotated`,
        { num_heads: n, rotary_embedding_dim: headDim },
        microsoft,
      );
    const past = (what: 'key' | 'value') => g.input(cacheName('past', i, what), 'float32', cache);
    const present = (what: 'key' | 'value') => cacheName('present', i, what);
    g.nodes(
      'GroupQueryAttention',
      [
        pad(rotate(q, heads), heads),
        pad(rotate(k, kvHeads), kvHeads),
        pad(v, kvHeads),
        past('key'),
        past('value'),
        pastLengths,
        totalLength,
      ],
      [`${at}.attended`, present('key'), present('value')],
      {
        num_heads: heads,
        kv_num_heads: kvHeads,
        do_rotary: 0,
        scale: { float: headDim ** -0.5 },
        // Both count a token's own position.
        ...(slidingWindow && i >= slidingWindow.fromLayer ? { local_window_size: slidingWindow.size } : {}),
      },
      microsoft,
    );
    g.output(present('key'), 'float32', cache);
    g.output(present('value'), 'float32', cache);
    const attended = project(flat(unpad(`${at}.attended`), heads * headDim), i, 'o', `${at}.o`);
    x = g.node('Add', [x, attended], `${at}.after_attention`);
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
  linear(norm(rows, finalNormName, 'unembed_in'), unembed, undefined, 'logits', 'selected');
  g.output('logits', 'float32', ['n', vocabSize]);
  return g.build('llama');
}
