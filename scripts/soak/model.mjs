// A random model on which every cache is used: wide enough for threads and kept components, small enough to start at once.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seeded } from './mutate.mjs';

const sizes = { hidden_size: 448, intermediate_size: 448, num_hidden_layers: 2 };
const heads = { num_attention_heads: 7, num_key_value_heads: 1, head_dim: 64 };

/** Numbers in [0, 1) that follow from a seed. */
export function uniform(seed) {
  const below = seeded(seed);
  return () => below(2 ** 32) / 2 ** 32;
}

/** pocket with other sizes and random float32 weights, in `folder`. */
export function makeModel(pocket, folder, seed) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(pocket))
    if (/token|generation/.test(name)) copyFileSync(join(pocket, name), join(folder, name));
  const config = { ...JSON.parse(readFileSync(join(pocket, 'config.json'), 'utf8')), ...sizes, ...heads };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, torch_dtype: 'float32' }));
  const random = uniform(seed);
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, shape] of shapes(config)) {
    const values = new Float32Array(shape.reduce((product, n) => product * n, 1)).fill(1);
    const columns = shape[1];
    if (columns) for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) / (1 + ((i % columns) % 16));
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
    parts.push(Buffer.from(values.buffer));
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, ...parts]));
  return folder;
}

/** Names and shapes of all tensors. */
function shapes({ vocab_size: vocab, hidden_size: hidden, intermediate_size: inner, tie_word_embeddings: tied }) {
  const kv = heads.num_key_value_heads * heads.head_dim;
  const layer = (i) =>
    Object.entries({
      'input_layernorm.weight': [hidden],
      'post_attention_layernorm.weight': [hidden],
      'self_attn.q_proj.weight': [hidden, hidden],
      'self_attn.k_proj.weight': [kv, hidden],
      'self_attn.v_proj.weight': [kv, hidden],
      'self_attn.o_proj.weight': [hidden, hidden],
      'mlp.gate_proj.weight': [inner, hidden],
      'mlp.up_proj.weight': [inner, hidden],
      'mlp.down_proj.weight': [hidden, inner],
    }).map(([name, shape]) => [`model.layers.${i}.${name}`, shape]);
  return [
    ['model.embed_tokens.weight', [vocab, hidden]],
    ...Array.from({ length: sizes.num_hidden_layers }, (_, i) => layer(i)).flat(),
    ['model.norm.weight', [hidden]],
    ...(tied ? [] : [['lm_head.weight', [vocab, hidden]]]),
  ];
}
