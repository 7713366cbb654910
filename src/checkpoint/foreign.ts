// Weights of other kinds than this program reads, told by what they are: pickles, GGUF, adapters, quantised or fused tensors.
import { readdir } from 'node:fs/promises';
import type { LlamaConfig } from './config.ts';
import { expectedTensors, layerPrefix } from './names.ts';

/** What kind of weights a folder without config.json or safetensors holds, and what to do; undefined if nothing is known. */
export async function foreignFolder(folder: string): Promise<string | undefined> {
  const files = await readdir(folder).catch(() => []);
  const has = (pattern: RegExp) => files.find((file) => pattern.test(file));
  const adapter = has(/^adapter_(config\.json|model\.(safetensors|bin))$/);
  if (adapter) return `a LoRA adapter (${adapter}): merge it into its base model first, and give that folder`;
  const gguf = has(/\.gguf$/i);
  if (gguf) return foreignFile(gguf);
  const pickle = has(/\.(bin|pth?|ckpt)$/i);
  if (pickle)
    return `weights as a pickle (${pickle}), which can run code and is never opened: convert it to safetensors first`;
  const other = has(/\.(h5|msgpack|onnx|npz)$/i);
  return other && `weights in another format (${other}): only safetensors is read`;
}

/** The same for a file that stands where a folder should. */
export function foreignFile(file: string): string | undefined {
  return /\.gguf$/i.test(file) ? 'GGUF weights: give the folder of safetensors that they were made from' : undefined;
}

const kinds: readonly (readonly [pattern: RegExp, what: string])[] = [
  [
    /\.(qweight|qzeros|g_idx|SCB|weight_format|weight\.(absmax|quant_map|quant_state.*|nested_.*)|weight_packed|weight_shape|(weight|input|output)_scale(_inv)?|(weight|input|output)_zero_point)$/,
    'belongs to quantised weights: give the model that they were made from',
  ],
  [/lora_|\.dora_|base_layer\./, 'belongs to a LoRA adapter: merge it into its base model first'],
  [/\.(q|k)(_layernorm|_norm)\./, 'norms queries or keys, which is not supported'],
  [/\.(qkv_proj|query_key_value|c_attn|W_pack|wqkv|gate_up_proj)\./, 'is a fused projection, which is not supported'],
  [/expert|block_sparse_moe|mlp\.(gate|router)\./, 'belongs to a mixture of experts, which is not supported'],
  [/(pre|post)_feedforward_layernorm|post_self_attn_layernorm/, 'norms after a block, which is not supported'],
  [/\.bias$/, 'is a bias that config.json does not call for'],
];

/**
 * The first tensor of the layers that the forward pass would not read, and why it is no surplus but a part of another
 * kind of model, whose results would be wrong without it.
 */
export function foreignTensor(names: Iterable<string>, config: LlamaConfig): { name: string; why: string } | undefined {
  const inLayer = (name: string) => name.replace(layerPrefix, '');
  const known = new Set([...expectedTensors({ ...config, layers: 1 })].map(({ name }) => inLayer(name)));
  known.add('self_attn.rotary_emb.inv_freq'); // older checkpoints hold what follows from the config
  for (const name of names) {
    const layer = layerPrefix.exec(name)?.[1];
    if (layer === undefined || Number(layer) >= config.layers || known.has(inLayer(name))) continue;
    const kind = kinds.find(([pattern]) => pattern.test(name));
    return { name, why: kind?.[1] ?? `has no place in a ${config.architecture}` };
  }
  return undefined;
}
