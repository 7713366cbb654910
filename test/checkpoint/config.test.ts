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
    attentionBias: false,
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

test('stop ids: generation_config.json wins, a number or a list', () => {
  expect(parse({}, { eos_token_id: [1, 2] }).eosIds).toEqual([1, 2]);
  expect(parse({}, { eos_token_id: 7 }).eosIds).toEqual([7]);
  expect(parse({}, {}).eosIds).toEqual([2]);
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

describe('refuses', () => {
  test.each<[string, object, RegExp]>([
    [
      'another architecture',
      { architectures: ['GPT2LMHeadModel'] },
      /architecture "GPT2LMHeadModel" is not supported, only LlamaForCausalLM/,
    ],
    ['no architecture', { architectures: [] }, /architectures/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act "gelu"/],
    ['an unknown rope type', { rope_scaling: { rope_type: 'yarn', factor: 2 } }, /rope type "yarn"/],
    ['linear rope without its factor', { rope_scaling: { type: 'linear' } }, /needs factor/],
    ['a sliding window', { sliding_window: 4096 }, /sliding_window 4096/],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantization_config/],
    ['partial rotation', { partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
    ['no heads', { num_attention_heads: 0 }, /num_attention_heads/],
    ['heads that do not share evenly', { num_key_value_heads: 3 }, /not a multiple/],
    ['an odd head size', { head_dim: 7 }, /head_dim is 7/],
    ['a hidden size that heads do not divide', { hidden_size: 66 }, /hidden_size \/ num_attention_heads is 8.25/],
    ['a missing size', { vocab_size: undefined }, /vocab_size/],
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
