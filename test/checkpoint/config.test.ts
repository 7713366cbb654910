import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/checkpoint/config.ts';

const base = {
  architectures: ['LlamaForCausalLM'],
  hidden_act: 'silu',
  hidden_size: 64,
  intermediate_size: 172,
  max_position_embeddings: 512,
  num_attention_heads: 8,
  num_hidden_layers: 5,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-5,
  vocab_size: 512,
  bos_token_id: 1,
  eos_token_id: 2,
};
const parse = (change: object = {}, generation?: object) =>
  parseConfig(
    JSON.stringify({ ...base, ...change }),
    'config.json',
    generation && { text: JSON.stringify(generation), file: 'generation_config.json' },
  );

test('reads a plain config', () => {
  expect(parse()).toEqual({
    architecture: 'LlamaForCausalLM',
    layers: 5,
    hiddenSize: 64,
    intermediateSize: 172,
    heads: 8,
    kvHeads: 4,
    headDim: 8,
    vocabSize: 512,
    contextLength: 512,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: { kind: 'default' },
    slidingWindow: undefined,
    attentionBias: [],
    mlpBias: false,
    tiedEmbeddings: false,
    bosId: 1,
    eosIds: [2],
  });
});

test('as many KV heads as heads where none are named; head_dim wins over hidden / heads', () => {
  expect(parse({ num_key_value_heads: undefined }).kvHeads).toBe(8);
  expect(parse({ num_key_value_heads: null, head_dim: 20 })).toMatchObject({ kvHeads: 8, headDim: 20 });
});

test('stop ids: of generation_config.json alone where there is one, a number or a list', () => {
  expect(parse({}, { eos_token_id: [1, 2] }).eosIds).toEqual([1, 2]);
  expect(parse({}, { eos_token_id: 7 }).eosIds).toEqual([7]);
  expect(parse({}, {}).eosIds).toEqual([]);
  expect(parse({ eos_token_id: [3, 4] }).eosIds).toEqual([3, 4]);
  expect(parse({ eos_token_id: undefined }).eosIds).toEqual([]);
  expect(parse({ eos_token_id: null, bos_token_id: null })).toMatchObject({ eosIds: [], bosId: undefined });
});

test('rope in both spellings', () => {
  expect(parse({ rope_theta: 5e5 }).ropeTheta).toBe(5e5);
  expect(parse({ rope_scaling: { type: 'linear', factor: 2 } }).ropeScaling).toEqual({ kind: 'linear', factor: 2 });
  const llama3 = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = { kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalPositions: 8192 };
  expect(parse({ rope_scaling: llama3 }).ropeScaling).toEqual(expected);
  expect(parse({ rope_parameters: { ...llama3, rope_theta: 2e4 } })).toMatchObject({
    ropeTheta: 2e4,
    ropeScaling: expected,
  });
});

describe('families', () => {
  const mistral = { architectures: ['MistralForCausalLM'] };
  const qwen2 = { architectures: ['Qwen2ForCausalLM'] };

  test('which projections of attention have a bias', () => {
    expect(parse({ attention_bias: true }).attentionBias).toEqual(['q', 'k', 'v', 'o']);
    expect(parse(qwen2).attentionBias).toEqual(['q', 'k', 'v']);
    expect(parse({ ...mistral, attention_bias: true }).attentionBias).toEqual([]);
  });

  test('a window in all layers of Mistral: 4096 where the key is absent, none where it is null', () => {
    const windowOf = (change: object) => parse({ ...mistral, ...change }).slidingWindow;
    expect(windowOf({ sliding_window: 32 })).toEqual({ size: 32, fromLayer: 0 });
    expect(windowOf({})).toEqual({ size: 4096, fromLayer: 0 });
    expect(windowOf({ sliding_window: null })).toBeUndefined();
  });

  test("a window in Qwen2's upper layers where it is switched on, and layer_types that say the same", () => {
    const windowOf = (change: object) => parse({ ...qwen2, sliding_window: 32, ...change }).slidingWindow;
    expect(windowOf({ use_sliding_window: false, max_window_layers: 2 })).toBeUndefined();
    expect(windowOf({})).toBeUndefined();
    const on = { use_sliding_window: true, max_window_layers: 3 };
    expect(windowOf(on)).toEqual({ size: 32, fromLayer: 3 });
    expect(windowOf({ use_sliding_window: true })).toEqual({ size: 32, fromLayer: 28 });
    const [full, sliding] = ['full_attention', 'sliding_attention'];
    expect(windowOf({ ...on, layer_types: [full, full, full, sliding, sliding] })).toEqual({ size: 32, fromLayer: 3 });
    const listed = { use_sliding_window: true, layer_types: [full, full, sliding, sliding, sliding] };
    expect(windowOf(listed)).toEqual({ size: 32, fromLayer: 2 });
    expect(() => windowOf({ ...on, layer_types: [full, sliding, full, sliding, sliding] })).toThrow(
      /layer_types\.2 "full_attention" is not supported, only "sliding_attention", as the other layers and the window say/,
    );
    expect(() => windowOf({ ...on, layer_types: [full] })).toThrow(
      /layer_types \["full.*as many as num_hidden_layers, 5/,
    );
  });

  test('the family is that of model_type where architectures is missing, empty or null, and the two agree', () => {
    for (const names of [undefined, null, []])
      expect(parse({ architectures: names, model_type: 'qwen2' }).architecture).toBe('Qwen2ForCausalLM');
    expect(parse({ model_type: 'llama' }).architecture).toBe('LlamaForCausalLM');
    expect(() => parse({ architectures: null, model_type: 'gemma' })).toThrow(
      'config.json: architectures are missing, and model_type "gemma" is not supported (it needs a GELU MLP, norm scales counted from 1, and scaled embeddings), only llama, mistral, qwen2',
    );
    expect(() => parse({ architectures: [] })).toThrow(
      /names neither architectures nor a model_type.*LlamaForCausalLM/,
    );
    expect(() => parse({ architectures: null, model_type: 'constructor' })).toThrow(/"constructor" is not supported/);
    expect(() => parse({ model_type: 'mistral' })).toThrow(
      'config.json: architecture "LlamaForCausalLM" and model_type "mistral" are of different models: make them agree',
    );
  });

  test.each<[string, RegExp]>([
    ['Qwen3ForCausalLM', /needs norms of queries and keys \(q_norm, k_norm\)\), only LlamaForCausalLM, Mistral/],
    ['Qwen3MoeForCausalLM', /norms of queries and keys .* mixture of experts/],
    ['GemmaForCausalLM', /needs a GELU MLP/],
    ['Gemma2ForCausalLM', /needs capped logits/],
    ['Phi3ForCausalLM', /one fused matrix \(qkv_proj\).*gate_up_proj/],
    ['PhiForCausalLM', /needs layer norms/],
    ['MixtralForCausalLM', /needs a mixture of experts/],
    ['Llama4ForCausalLM', /needs a mixture of experts/],
    ['MllamaForConditionalGeneration', /needs an image encoder/],
    ['GPTNeoXForCausalLM', /needs q, k and v in one fused matrix and layer norms/],
    ['FalconForCausalLM', /query_key_value/],
    ['MptForCausalLM', /needs ALiBi positions/],
    ['GPTNeoForCausalLM', /needs learned positions/],
    ['CodeGenForCausalLM', /parallel to the MLP/],
    ['FalconMambaForCausalLM', /state-space/],
    ['SmolLM3ForCausalLM', /needs layers without rotation/],
    ['LlamaForSequenceClassification', /needs another head/],
    ['Qwen2Model', /needs a head for the next token/],
    ['NobodyKnowsForCausalLM', /"NobodyKnowsForCausalLM" is not supported, only LlamaForCausalLM/],
    ['constructor', /"constructor" is not supported, only/],
  ])('%s is refused with what it needs', (architecture, message) => {
    expect(() => parse({ architectures: [architecture] })).toThrow(message);
  });
});

describe('refuses', () => {
  test.each<[string, object, RegExp]>([
    [
      'another architecture',
      { architectures: ['GPT2LMHeadModel'] },
      /architecture "GPT2LMHeadModel" is not supported \(it needs learned positions.*\), only LlamaForCausalLM/,
    ],
    ['no architecture', { architectures: [] }, /names neither architectures nor a model_type/],
    [
      'a model_type alone',
      { architectures: null, model_type: 'gpt_neox' },
      /"gpt_neox" is not supported \(it needs q, k and v/,
    ],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act "gelu"/],
    [
      'an unknown rope type',
      { rope_scaling: { rope_type: 'yarn', factor: 2 } },
      /rope type "yarn" is not supported \(it needs freq/,
    ],
    ['dynamic rope', { rope_scaling: { type: 'dynamic', factor: 2 } }, /"dynamic".*change with the length/],
    ['longrope', { rope_scaling: { rope_type: 'longrope', short_factor: [1] } }, /"longrope".*a factor for each/],
    ['a rope type named as a method of objects', { rope_scaling: { type: 'toString' } }, /rope type "toString" is not/],
    [
      'a rope key that is not known',
      { rope_scaling: { type: 'linear', factor: 2, beta: 3 } },
      /"linear" with "beta" 3/,
    ],
    [
      'ropes that differ by kind of layer',
      { rope_parameters: { full_attention: { rope_theta: 1e6 }, sliding_attention: { rope_theta: 1e4 } } },
      /rope_parameters: a rope for each kind of layer \("full_attention"\) is not supported, only one for all/,
    ],
    ['partial rotation in the newer spelling', { rope_parameters: { partial_rotary_factor: 0.25 } }, /factor 0\.25/],
    ['linear rope without its factor', { rope_scaling: { type: 'linear' } }, /needs factor/],
    ['a sliding window', { sliding_window: 4096 }, /sliding_window 4096 is not supported, only full attention/],
    ['a look ahead', { is_causal: false }, /is_causal false is not supported/],
    ['layers that differ', { per_layer_config: { 1: {} } }, /per_layer_config .* only layers that are all alike/],
    ['attention in chunks', { attention_chunk_size: 8 }, /attention_chunk_size 8 is not supported/],
    ['a config inside another', { text_config: { hidden_size: 64 } }, /text_config .* only a language model's own/],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantization_config/],
    ['quantised weights by their method', { quantization_config: { quant_method: 'awq', bits: 4 } }, /config "awq"/],
    ['compressed weights', { compression_config: { quant_method: 'compressed-tensors' } }, /compression_config "comp/],
    ['partial rotation', { partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
    ['no heads', { num_attention_heads: 0 }, /num_attention_heads/],
    ['heads that do not share evenly', { num_key_value_heads: 3 }, /not a multiple/],
    ['an odd head size', { head_dim: 7 }, /head_dim is 7/],
    ['a hidden size that heads do not divide', { hidden_size: 66 }, /hidden_size \/ num_attention_heads is 8.25/],
    ['a missing size', { vocab_size: undefined }, /^config\.json lacks vocab_size$/],
    ['a size that is text', { hidden_size: '64' }, /hidden_size/],
    ['a norm epsilon of 0', { rms_norm_eps: 0 }, /rms_norm_eps/],
  ])('%s', (_name, change, message) => {
    expect(() => parse(change)).toThrow(message);
  });

  test('text that is not JSON, and a generation config that is not one', () => {
    expect(() => parseConfig('{', 'config.json')).toThrow(/config\.json is not valid JSON/);
    expect(() => parse({}, { eos_token_id: 'two' })).toThrow(/generation_config\.json: eos_token_id/);
  });
});
