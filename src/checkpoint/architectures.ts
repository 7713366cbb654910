// The model families that run, and for those that do not, what the forward pass would need.

/** Architectures that run, as config.json spells them. All compute Llama's forward pass; biases and windows differ. */
export const architectures = ['LlamaForCausalLM', 'MistralForCausalLM', 'Qwen2ForCausalLM'] as const;
export type Architecture = (typeof architectures)[number];

/** Architectures by config.json's model_type. */
export const modelTypes: Readonly<Record<string, Architecture>> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
};

export function isArchitecture(name: string): name is Architecture {
  return architectures.some((known) => known === name);
}

const experts = 'a mixture of experts instead of one MLP a layer';
const fusedAttention = 'q, k and v in one fused matrix';
const layerNorms = 'layer norms instead of RMS norms';
const scaledSums = 'multipliers on embeddings, residuals and logits';
const images = 'an image encoder';

/** By the beginning of an architecture's name or a model_type, without case and underscores: the longest that fits wins. */
const missing: readonly (readonly [prefix: string, needs: string])[] = [
  ['Qwen3Next', `linear attention and ${experts}`],
  ['Qwen3Moe', `norms of queries and keys (q_norm, k_norm) and ${experts}`],
  ['Qwen3VL', images],
  ['Qwen3', 'norms of queries and keys (q_norm, k_norm)'],
  ['Qwen2Moe', experts],
  ['Qwen2VL', images],
  ['Qwen2_5_VL', images],
  ['QWen', fusedAttention],
  ['Gemma3n', 'norms of queries and keys, a GELU MLP, and embeddings in every layer'],
  ['Gemma3', 'norms of queries and keys, a GELU MLP, and norms after each block'],
  ['Gemma2', 'capped logits, a GELU MLP, and norms after each block'],
  ['Gemma', 'a GELU MLP, norm scales counted from 1, and scaled embeddings'],
  ['PhiMoE', `${experts} and ${layerNorms}`],
  ['Phi3', `${fusedAttention} (qkv_proj), gate and up in another (gate_up_proj)`],
  ['Phi', `${layerNorms}, a GELU MLP, and rotation of a part of each head`],
  ['Mixtral', experts],
  ['Ministral', 'windows that differ from layer to layer'],
  ['Mistral3', images],
  ['Llama4', `${experts}, and layers without rotation`],
  ['Mllama', images],
  ['Llava', images],
  ['SmolLM3', 'layers without rotation'],
  ['SmolVLM', images],
  ['GPTNeoX', `${fusedAttention} and ${layerNorms}`],
  ['GPTNeo', `learned positions, ${layerNorms}, and windows in every other layer`],
  ['CodeGen', `${fusedAttention}, ${layerNorms}, and attention parallel to the MLP`],
  ['OpenAIGPT', `learned positions, ${fusedAttention} and ${layerNorms}`],
  ['XGLM', `sinusoidal positions and ${layerNorms}`],
  ['GPT2', `learned positions, ${fusedAttention} and ${layerNorms}`],
  ['GPTBigCode', `learned positions, ${fusedAttention} and ${layerNorms}`],
  ['GPTJ', `${layerNorms}, and attention parallel to the MLP`],
  ['GptOss', `${experts}, and attention sinks`],
  ['OPT', `learned positions and ${layerNorms}`],
  ['Bloom', `ALiBi positions, ${fusedAttention} and ${layerNorms}`],
  ['MPT', `ALiBi positions, ${fusedAttention} and ${layerNorms}`],
  ['Falcon', `${fusedAttention} (query_key_value) and ${layerNorms}`],
  ['RefinedWeb', `${fusedAttention} (query_key_value) and ${layerNorms}`],
  ['RWForCausalLM', `${fusedAttention} (query_key_value) and ${layerNorms}`],
  ['StableLm', `${layerNorms}, and rotation of a part of each head`],
  ['Starcoder2', `${layerNorms} and a GELU MLP`],
  ['Cohere', `${layerNorms}, and attention parallel to the MLP`],
  ['Olmoe', `norms of queries and keys, and ${experts}`],
  ['Olmo2', 'norms of queries and keys, and norms after each block'],
  ['Olmo3', 'norms of queries and keys, and norms after each block'],
  ['Olmo', 'layer norms without scales'],
  ['GraniteMoe', `${scaledSums}, and ${experts}`],
  ['Granite', scaledSums],
  ['MiniCPM', scaledSums],
  ['InternLM2', `${fusedAttention} (wqkv)`],
  ['Baichuan', `${fusedAttention} (W_pack)`],
  ['ChatGLM', `${fusedAttention}, and rotation of a part of each head`],
  ['Glm', 'rotation of a part of each head'],
  ['Deepseek', `latent attention and ${experts}`],
  ['Dbrx', experts],
  ['Nemotron', `${layerNorms} and a squared-ReLU MLP`],
  ['Mamba', 'a state-space model instead of attention'],
  ['Jamba', 'state-space layers mixed with attention'],
  ['FalconMamba', 'a state-space model instead of attention'],
  ['RecurrentGemma', 'recurrent layers mixed with attention'],
  ['Rwkv', 'a recurrent model instead of attention'],
  ['BitNet', 'weights of three values, and norms inside the blocks'],
  ['T5', 'an encoder and a decoder'],
  ['Bart', 'an encoder and a decoder'],
  ['Bert', 'an encoder, which continues no text'],
  ['Roberta', 'an encoder, which continues no text'],
];

/** What an architecture or model_type needs that this program lacks, in words; undefined for one that it does not know. */
export function missingFor(architecture: string): string | undefined {
  if (/^(Llama|Mistral|Qwen2)For(?!CausalLM)/.test(architecture)) return 'another head than the one for the next token';
  if (/^(Llama|Mistral|Qwen2)Model$/.test(architecture))
    return 'a head for the next token, which it was saved without: save the whole …ForCausalLM';
  const plain = (name: string) => name.toLowerCase().replaceAll('_', '');
  const known = [...missing].sort(([a], [b]) => b.length - a.length);
  return known.find(([prefix]) => plain(architecture).startsWith(plain(prefix)))?.[1];
}

/** What a rope type needs that this program lacks; undefined for one that it does not know. */
export function missingForRope(kind: string): string | undefined {
  const needs: Record<string, string> = {
    dynamic: 'frequencies that change with the length of the text',
    yarn: 'frequencies blended over a ramp and attention scaled by the length',
    longrope: 'a factor for each frequency and attention scaled by the length',
    su: 'a factor for each frequency and attention scaled by the length',
    mrope: 'positions in time, height and width',
    proportional: 'rotation of a part of each head',
  };
  return Object.hasOwn(needs, kind) ? needs[kind] : undefined;
}
