// Where the residual stream is tapped: the embedding, after each block and, with sublayers, after attention alone.

/** A point of the residual stream. */
export interface Tap {
  /** Name of the graph's output, (batch, tokens, hidden). */
  readonly output: string;
  /** Name in results: `embed`, `0 attn`, `0`, `1 attn`, `1` … */
  readonly name: string;
}

export interface TapOptions {
  /** Adds the residual stream at `layers + 1` points as outputs. */
  readonly taps?: boolean;
  /** With taps: also after the attention of each block, before its MLP, `2 layers + 1` points in all. */
  readonly sublayers?: boolean;
}

/** The stream before the first block. */
export const embeddingTap: Tap = { output: 'hidden.0', name: 'embed' };

/** The stream after a block, counted from 0. */
export const blockTap = (layer: number): Tap => ({ output: `hidden.${layer + 1}`, name: String(layer) });

/** The stream between a block's attention and its MLP. */
export const attentionTap = (layer: number): Tap => ({ output: `hidden.${layer}.attention`, name: `${layer} attn` });

/** Names of all points of the residual stream, in the order in which it passes them. */
export function pointsOf(layers: number, sublayers = false): string[] {
  return tapsOf(layers, { taps: true, sublayers }).map(({ name }) => name);
}

/** All points, in the order in which the stream passes them; none without `taps`. */
export function tapsOf(layers: number, { taps = false, sublayers = false }: TapOptions): Tap[] {
  if (!taps) return [];
  const blocks = Array.from({ length: layers }, (_, layer) =>
    sublayers ? [attentionTap(layer), blockTap(layer)] : [blockTap(layer)],
  );
  return [embeddingTap, ...blocks.flat()];
}
