// Names and shapes of the tensors of a Llama checkpoint, in Hugging Face's spelling.
import type { LlamaConfig } from './config.ts';

export const projections = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;
export type Projection = (typeof projections)[number];

/** Activations that projections read: q, k and v share one, gate and up share one, o and down each have their own. */
export const activations = ['qkv', 'o', 'gateup', 'down'] as const;
export type Activation = (typeof activations)[number];

/** The activation that a projection reads. */
export function activationOf(projection: Projection): Activation {
  if (projection === 'o' || projection === 'down') return projection;
  return projection === 'gate' || projection === 'up' ? 'gateup' : 'qkv';
}

/** Width of an activation: the in_features of the projections that read it. */
export function activationWidth(config: Parameters<typeof projectionShape>[0], activation: Activation): number {
  const reader = { qkv: 'q', o: 'o', gateup: 'gate', down: 'down' } as const;
  return projectionShape(config, reader[activation])[1];
}

export const embedName = 'model.embed_tokens.weight';
export const finalNormName = 'model.norm.weight';
export const unembedName = 'lm_head.weight';

/** Prefix of a layer's tensor names; the first group is its number. */
export const layerPrefix = /^model\.layers\.(\d+)\./;

/** The layer of a tensor; NaN for a tensor outside the layers. */
export const layerOf = (name: string) => Number(layerPrefix.exec(name)?.[1]);

export const inputNormName = (layer: number) => `model.layers.${layer}.input_layernorm.weight`;
export const postNormName = (layer: number) => `model.layers.${layer}.post_attention_layernorm.weight`;

/** Name of a projection's weight, (out_features, in_features), or of its bias, (out_features). */
export function projectionName(layer: number, projection: Projection, part: 'weight' | 'bias' = 'weight'): string {
  const block = 'qkvo'.includes(projection) ? 'self_attn' : 'mlp';
  return `model.layers.${layer}.${block}.${projection}_proj.${part}`;
}

/** (out_features, in_features) of a projection. */
export function projectionShape(
  config: Pick<LlamaConfig, 'hiddenSize' | 'intermediateSize' | 'heads' | 'kvHeads' | 'headDim'>,
  projection: Projection,
): [number, number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const shapes: Record<Projection, [number, number]> = {
    q: [heads * headDim, hiddenSize],
    k: [kvHeads * headDim, hiddenSize],
    v: [kvHeads * headDim, hiddenSize],
    o: [hiddenSize, heads * headDim],
    gate: [intermediateSize, hiddenSize],
    up: [intermediateSize, hiddenSize],
    down: [hiddenSize, intermediateSize],
  };
  return shapes[projection];
}

/** Whether the config gives this projection a bias. */
export function hasBias(config: LlamaConfig, projection: Projection): boolean {
  return 'qkvo'.includes(projection) ? config.attentionBias.some((one) => one === projection) : config.mlpBias;
}

/** The biases that the model has. */
export function* biasNames(config: LlamaConfig): Generator<string> {
  for (let layer = 0; layer < config.layers; layer++)
    for (const projection of projections)
      if (hasBias(config, projection)) yield projectionName(layer, projection, 'bias');
}

/**
 * The shape of a projection's bias by its name, undefined for any other name. A model may lack it: an operation may add it.
 */
export function biasShape(config: LlamaConfig, name: string): readonly [number] | undefined {
  const [, layer, projection] = /^model\.layers\.(\d+)\.\w+\.(\w+)_proj\.bias$/.exec(name) ?? [];
  const found = projections.find((one) => one === projection);
  if (!found || Number(layer) >= config.layers || projectionName(Number(layer), found, 'bias') !== name)
    return undefined;
  return [projectionShape(config, found)[0]];
}

/** A tensor's name and shape. */
interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The tensors of a block. */
export function* blockTensors(config: LlamaConfig, layer: number): Generator<NamedShape> {
  yield { name: inputNormName(layer), shape: [config.hiddenSize] };
  yield { name: postNormName(layer), shape: [config.hiddenSize] };
  for (const projection of projections) {
    const shape = projectionShape(config, projection);
    yield { name: projectionName(layer, projection), shape };
    if (hasBias(config, projection)) yield { name: projectionName(layer, projection, 'bias'), shape: [shape[0]] };
  }
}

/** Every tensor that the forward pass reads. */
export function* expectedTensors(config: LlamaConfig): Generator<NamedShape> {
  const { hiddenSize, vocabSize } = config;
  yield { name: embedName, shape: [vocabSize, hiddenSize] };
  for (let layer = 0; layer < config.layers; layer++) yield* blockTensors(config, layer);
  yield { name: finalNormName, shape: [hiddenSize] };
  if (!config.tiedEmbeddings) yield { name: unembedName, shape: [vocabSize, hiddenSize] };
}
