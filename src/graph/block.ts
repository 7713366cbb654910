// One decoder block of a Llama-architecture model, written top to bottom: what a whole model's graph repeats, and what the
// walk runs alone, with its weights as inputs.
import type { LlamaConfig } from '../checkpoint/config.ts';
import { type Activation, inputNormName, type Projection, postNormName, projectionName } from '../checkpoint/names.ts';
import { type GraphBuilder, microsoft } from './builder.ts';
import type { Linears } from './linear.ts';

/** Width of a head in the cache: onnxruntime's attention needs multiples of 8, so other head sizes are padded with zeros. */
export const cacheHeadDim = ({ headDim }: LlamaConfig) => Math.ceil(headDim / 8) * 8;

/** Positions that a layer's attention sees, a token's own included, where there is a limit. */
export const windowOf = ({ slidingWindow }: LlamaConfig, layer: number) =>
  slidingWindow && layer >= slidingWindow.fromLayer ? slidingWindow.size : undefined;

/** What attention keeps of each position. */
const keyValue = ['key', 'value'] as const;

/** Name of a layer's key or value cache as an input (`past`) and as an output (`present`). */
export const cacheName = (when: 'past' | 'present', layer: number, what: (typeof keyValue)[number]) =>
  `${when}.${layer}.${what}`;

/** Linear layers take flattened rows, attention takes sequences: conversions between them, and the other inputs of attention. */
export interface Sequences {
  /** (rows, width) → (batch, tokens, width) */
  readonly batched: (x: string) => string;
  /** (batch, tokens, width) → (rows, width). */
  readonly flat: (x: string, width: number) => string;
  /** An int64 tensor with an item for each row. */
  readonly rows: string;
  /** int64 (batch, tokens) */
  readonly positions: string;
  /** (positions, headDim / 2) */
  readonly cos: string;
  readonly sin: string;
  /** int32 (batch): each row's length with the tokens read now, minus 1. */
  readonly pastLengths: string;
  /** int32 (1): the longest of them. */
  readonly totalLength: string;
  /** (batch, 1, tokens, total length): added to the scores of attention. It then also does the sliding window's work. */
  readonly attentionBias?: string;
}

/** What passes through a block: the residual stream, (rows, hidden), and what its projections read, (rows, in). */
export interface BlockPoints extends Readonly<Record<Activation, string>> {
  readonly afterAttention: string;
  readonly output: string;
}

/** x / rms(x) · weight: (rows, hidden) → (rows, hidden). */
export function rmsNorm(
  g: GraphBuilder,
  linears: Linears,
  { rmsNormEps }: LlamaConfig,
  x: string,
  weight: string,
  output: string,
): string {
  return g.node('SimplifiedLayerNormalization', [x, linears.weight(weight)], output, {
    axis: -1,
    epsilon: { float: rmsNormEps },
  });
}

/**
 * Adds a block: attention and MLP, each behind a norm and added to the residual stream.
 * Inputs that it declares: `past.<layer>.key|value` (batch, kvHeads, capacity, cacheHeadDim); outputs:
 * `present.<layer>.key|value`, which may be the same buffers.
 * @param x (rows, hidden)
 * @param hasBias whether there is a bias of this name
 */
export function addBlock(
  g: GraphBuilder,
  linears: Linears,
  config: LlamaConfig,
  layer: number,
  x: string,
  sequences: Sequences,
  hasBias: (name: string) => boolean,
): BlockPoints {
  const { heads, kvHeads, headDim } = config;
  const at = `layers.${layer}`;
  const padded = cacheHeadDim(config);
  const cache = ['batch', kvHeads, 'capacity', padded];

  /** x @ W.T (+ bias): (rows, in) → (rows, out) */
  const project = (from: string, p: Projection): string =>
    linears.apply({
      x: from,
      output: `${at}.${p}`,
      rows: sequences.rows,
      weight: projectionName(layer, p),
      bias: hasBias(projectionName(layer, p, 'bias')) ? projectionName(layer, p, 'bias') : undefined,
    });

  /** (batch, tokens, n * headDim) → (batch, tokens, n * padded): zeros change neither the scores nor the sums. */
  const pad = (y: string, n: number): string => {
    if (padded === headDim) return y;
    const split = g.node('Reshape', [y, g.constant([0, 0, n, headDim])], `${y}.heads`);
    const wide = g.node('Pad', [split, g.constant([0, 0, 0, 0, 0, 0, 0, padded - headDim])], `${y}.wide`);
    return g.node('Reshape', [wide, g.constant([0, 0, n * padded])], `${y}.padded`);
  };
  const unpad = (y: string): string => {
    if (padded === headDim) return y;
    const wide = g.node('Reshape', [y, g.constant([0, 0, heads, padded])], `${y}.wide`);
    return g.node('Slice', [wide, g.constant([0]), g.constant([headDim]), g.constant([3])], `${y}.narrow`);
  };
  // onnxruntime's attention could rotate by itself, but only for head sizes that are multiples of 16.
  const rotate = (y: string, n: number): string => {
    const { positions, cos, sin } = sequences;
    const sizes = { num_heads: n, rotary_embedding_dim: headDim };
    return g.node('RotaryEmbedding', [y, positions, cos, sin], `${y}.rotated`, sizes, microsoft);
  };

  /** q (batch, tokens, heads * headDim), k and v (batch, tokens, kvHeads * headDim) → (rows, heads * headDim) */
  const attend = (q: string, k: string, v: string): string => {
    const attended = `${at}.attended`;
    const past = keyValue.map((what) => g.input(cacheName('past', layer, what), 'float32', cache));
    const present = keyValue.map((what) => cacheName('present', layer, what));
    const inputs = [pad(rotate(q, heads), heads), pad(rotate(k, kvHeads), kvHeads), pad(v, kvHeads)];
    const sizes = { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 0, scale: { float: headDim ** -0.5 } };
    const { attentionBias } = sequences;
    // Both count a token's own position.
    const size = attentionBias === undefined ? windowOf(config, layer) : undefined;
    const window: Record<string, number> = size === undefined ? {} : { local_window_size: size };
    const bias = attentionBias === undefined ? [] : ['', '', '', attentionBias]; // no rotation by the attention itself
    const all = [...inputs, ...past, sequences.pastLengths, sequences.totalLength, ...bias];
    g.nodes('GroupQueryAttention', all, [attended, ...present], { ...sizes, ...window }, microsoft);
    for (const name of present) g.output(name, 'float32', cache);
    return sequences.flat(unpad(attended), heads * headDim);
  };

  // Attention: o(attend(q(h), k(h), v(h)))
  const h = rmsNorm(g, linears, config, x, inputNormName(layer), `${at}.attention_in`); // (rows, hidden)
  const input = (p: Projection) => sequences.batched(project(h, p));
  const attended = attend(input('q'), input('k'), input('v')); // (rows, heads * headDim)
  const afterAttention = g.node('Add', [x, project(attended, 'o')], `${at}.after_attention`);

  // MLP: down(silu(gate(h)) * up(h))
  const m = rmsNorm(g, linears, config, afterAttention, postNormName(layer), `${at}.mlp_in`);
  const gate = project(m, 'gate'); // (rows, intermediate)
  const activated = g.node('Mul', [gate, g.node('Sigmoid', [gate], `${gate}.sigmoid`)], `${at}.silu`);
  const gated = g.node('Mul', [activated, project(m, 'up')], `${at}.gated`);
  const output = g.node('Add', [afterAttention, project(gated, 'down')], `${at}.out`);
  return { qkv: h, o: attended, afterAttention, gateup: m, down: gated, output };
}
