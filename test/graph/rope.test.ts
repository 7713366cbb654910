import { expect, test } from 'vitest';
import { parseConfig } from '../../src/checkpoint/config.ts';
import { rotaryFrequencies, rotaryTables } from '../../src/graph/rope.ts';

const config = (rope: object) =>
  parseConfig(
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      hidden_size: 32,
      intermediate_size: 8,
      num_attention_heads: 4,
      num_hidden_layers: 1,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      vocab_size: 9,
      rope_theta: 10000,
      ...rope,
    }),
    'config.json',
  );

test('the base frequencies fall from 1 by powers of theta', () => {
  expect([...rotaryFrequencies(config({}))]).toEqual([1, 0.1, 0.01, 0.001].map((x) => expect.closeTo(x, 12)));
});

test('linear scaling divides all of them', () => {
  expect([...rotaryFrequencies(config({ rope_scaling: { type: 'linear', factor: 4 } }))]).toEqual(
    [0.25, 0.025, 0.0025, 0.00025].map((x) => expect.closeTo(x, 12)),
  );
});

test('llama3 keeps fast ones, divides slow ones, blends between', () => {
  const scaled = rotaryFrequencies(
    config({
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 128,
      },
    }),
  );
  // Turns over 128 positions: 20.4, 2.04, 0.204, 0.0204.
  const blend = ((128 * 0.1) / (2 * Math.PI) - 1) / 3;
  expect([...scaled]).toEqual(
    [1, ((1 - blend) * 0.1) / 8 + blend * 0.1, 0.01 / 8, 0.001 / 8].map((x) => expect.closeTo(x, 12)),
  );
});

test('tables hold cosines and sines by position', () => {
  const { cos, sin } = rotaryTables(config({}), 3);
  expect([cos.length, sin.length]).toEqual([12, 12]);
  expect([...cos.subarray(0, 4), ...sin.subarray(0, 4)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
  expect(cos[9]).toBeCloseTo(Math.cos(0.2), 6);
  expect(sin[8]).toBeCloseTo(Math.sin(2), 6);
});
