// Recognises weights that this program does not read, for error messages: pickles, GGUF, adapters, quantised or fused
// tensors.
import { readdir } from 'node:fs/promises';
import type { LlamaConfig } from './config.ts';
import { expectedTensors, layerPrefix } from './names.ts';

/**
 * For a folder without config.json or safetensors weights: which weights it holds instead and what to do. Undefined if
 * unknown.
 */
export async function unsupportedFolder(folder: string): Promise<string | undefined> {
  return unsupportedFiles(await readdir(folder).catch(() => []));
}

/** {@link unsupportedFolder} from a list of file names. */
export function unsupportedFiles(files: readonly string[]): string | undefined {
  const has = (pattern: RegExp) => files.find((file) => pattern.test(file));
  const adapter = has(/^adapter_(config\.json|model\.(safetensors|bin))$/);
  if (adapter)
    return `a LoRA adapter (${adapter}): merge it into its base model first (merge_and_unload in PEFT), and give that folder`;
  if (has(/^model\.safetensors(\.index\.json)?$/)) return undefined;
  const gguf = has(/\.gguf$/i);
  if (gguf) return unsupportedFile(gguf);
  const shard = has(/\.safetensors$/);
  if (shard)
    return `${shard} but neither model.safetensors nor model.safetensors.index.json, which maps tensors to files: add it`;
  const pickle = has(/\.(bin|pth?|ckpt)$/i);
  if (pickle)
    return `weights as a pickle (${pickle}), which can run code and is never opened: convert it to safetensors first (where it is trusted: from_pretrained, then save_pretrained, in transformers)`;
  const other = has(/\.(h5|msgpack|onnx|npz)$/i);
  return other && `weights in another format (${other}): only safetensors is read`;
}

/** What a file given in place of a folder holds and what to do; undefined if unknown. */
export function unsupportedFile(file: string): string | undefined {
  return /\.gguf$/i.test(file)
    ? 'GGUF weights: give the folder of safetensors that they were made from (or write one: from_pretrained with gguf_file, then save_pretrained, in transformers)'
    : undefined;
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
 * The first tensor of the layers that the forward pass would not read, and why it is not an extra but belongs to another
 * kind of model, whose results would be wrong without it.
 */
export function unsupportedTensor(
  names: Iterable<string>,
  config: LlamaConfig,
): { name: string; why: string } | undefined {
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

/** What stands before names of a model that was saved from inside another, and how to save it alone. */
const wrappings: readonly (readonly [prefix: RegExp, what: string])[] = [
  [/_orig_mod\./, 'what torch.compile returned: save its _orig_mod'],
  [/base_model\.model\./, 'a PEFT model: merge_and_unload() it and save what that returns'],
  [
    /^(model\.)?(language_model|text_model)\./,
    'the language part of a larger model: save that part as a model of its own',
  ],
  [/module\./, 'what DataParallel, DistributedDataParallel or FSDP returned: save its module'],
  [
    /^(model|_forward_module|transformer)\./,
    'a model inside another (in Lightning, say): save the inner one with save_pretrained',
  ],
];

/** Names of the same tensors in other programs' files. */
const dialects: readonly (readonly [pattern: RegExp, what: string])[] = [
  [
    /^(tok_embeddings\.weight|layers\.\d+\.attention\.w[qkvo]\.weight)$/,
    "Meta's and Mistral's own files (consolidated)",
  ],
  [/^(token_embd\.weight|blk\.\d+\.attn_q\.weight)$/, 'llama.cpp'],
  [/^(transformer\.)?(wte\.weight|h\.\d+\.ln_1\.weight)$/, 'GPT-2'],
  [/^gpt_neox\./, 'GPT-NeoX'],
];

/**
 * What tensors look like that have the names of a Llama with something before them, without `model.`, or of another
 * program, and what to do; undefined if nothing is known.
 */
export function misnamed(names: Iterable<string>): string | undefined {
  for (const name of names) {
    const dialect = dialects.find(([pattern]) => pattern.test(name));
    if (dialect) return `its tensors are named as in ${dialect[1]} (${name}): convert it to the format of transformers`;
    const found = ownName.exec(name);
    if (!found) continue;
    const [, before = '', model] = found;
    if (before === '' && model) continue;
    if (before === '')
      return `its tensors have no model. before their names (${name}), as in a bare model saved without its head: save the whole …ForCausalLM`;
    const wrapping = wrappings.find(([prefix]) => prefix.test(before));
    const what = wrapping ? `, as in ${wrapping[1]}` : ': save it without that';
    return `its tensors have ${before} before their names (${name})${what}`;
  }
  return undefined;
}

const ownName = /^((?:[^.]+\.)*?)(model\.)?(?:embed_tokens\.weight|layers\.\d+\.input_layernorm\.weight)$/;
