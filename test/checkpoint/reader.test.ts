import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint, parseIndex } from '../../src/checkpoint/reader.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, fileBytes, merge, split } from '../support/safetensors.ts';

const mqa = fixture('mqa-bias-f32');
const sharded = fixture('gqa-headdim-llama3-bf16-sharded');
const tmp = temporaryFolder();
let made = 0;
const changed = (from: string, change: Parameters<typeof copyModel>[2]) =>
  copyModel(from, join(tmp, String(made++)), change);

test('opens one file, and shards as one model', async () => {
  const one = await Checkpoint.open(pocket);
  expect(one.parameters).toBe(1_369_728);
  expect(one.dtype).toBe('BF16');
  expect(one.shards.map(({ file }) => file)).toEqual(['model.safetensors']);
  const many = await Checkpoint.open(sharded);
  expect(many.shards).toHaveLength(2);
  expect(new Set([...many.tensors.values()].map(({ file }) => file)).size).toBe(2);
});

test('reads a tensor by itself, whatever its dtype', async () => {
  for (const folder of [mqa, sharded, fixture('mha-tied-f16')]) {
    const checkpoint = await Checkpoint.open(folder);
    const values = await checkpoint.readFloat32('model.norm.weight');
    expect(values).toHaveLength(checkpoint.config.hiddenSize);
    expect(values.every(Number.isFinite)).toBe(true);
  }
});

test('surplus tensors that no model needs are left alone', async () => {
  const names = [
    'model.layers.0.self_attn.rotary_emb.inv_freq',
    'model.layers.2.self_attn.q_norm.weight',
    'score.weight',
  ];
  const folder = changed(mqa, {
    'model.safetensors': (old) => {
      const { header, data } = split(old);
      for (const [i, name] of names.entries())
        header[name] = { dtype: 'F32', shape: [1], data_offsets: [data.length + 4 * i, data.length + 4 * i + 4] };
      return fileBytes(JSON.stringify(header), Buffer.concat([data, Buffer.alloc(12)]));
    },
  });
  expect([...(await Checkpoint.open(folder)).tensors.keys()]).toEqual(expect.arrayContaining(names));
});

test('a head next to tied embeddings is taken where it is the embedding, refused where it is another', async () => {
  const tied = (change: (embedding: Buffer) => void) =>
    changed(fixture('mha-tied-f16'), {
      'model.safetensors': (old) => {
        const { header, data } = split(old);
        const entry = header['model.embed_tokens.weight'] ?? {};
        const [begin, end] = entry.data_offsets as [number, number];
        const head = Buffer.from(data.subarray(begin, end));
        change(head);
        header['lm_head.weight'] = { ...entry, data_offsets: [data.length, data.length + head.length] };
        return fileBytes(JSON.stringify(header), Buffer.concat([data, head]));
      },
    });
  expect((await Checkpoint.open(tied(() => {}))).config.tiedEmbeddings).toBe(true);
  const other = tied((head) => head.writeUInt8((head.at(-1) ?? 0) ^ 1, head.length - 1));
  await expect(Checkpoint.open(other)).rejects.toThrow(
    /tensor lm_head\.weight is not model\.embed_tokens\.weight, which config\.json ties it to: set tie_word_embeddings to false/,
  );
});

/** An edit of a safetensors file's header, keeping the data. */
const header = (edit: (table: Record<string, Record<string, unknown>>) => void) => (old: Buffer) => {
  const { header, data } = split(old);
  edit(header);
  return fileBytes(JSON.stringify(header), data);
};

/** The model with other names for its tensors. */
const renamed = (rename: (name: string) => string) =>
  changed(mqa, {
    'model.safetensors': (old) => {
      const { header, data } = split(old);
      const named = Object.entries(header).map(([name, entry]) => [name.startsWith('__') ? name : rename(name), entry]);
      return fileBytes(JSON.stringify(Object.fromEntries(named)), data);
    },
  });

describe('refuses', () => {
  test.each<[string, () => string, RegExp]>([
    ['a folder that is not there', () => join(tmp, 'missing'), /missing cannot be opened: no such file or folder/],
    ['a file', () => join(mqa, 'config.json'), /is a file: give the checkpoint's folder/],
    ['a folder without config.json', () => changed(mqa, { 'config.json': null }), /holds no config\.json/],
    [
      'a folder without weights',
      () => changed(mqa, { 'model.safetensors': null }),
      /model\.safetensors cannot be read: no such file/,
    ],
    [
      'pickled weights',
      () => {
        const folder = changed(mqa, { 'model.safetensors': null });
        writeFileSync(join(folder, 'pytorch_model.bin'), '');
        return folder;
      },
      /holds weights as a pickle \(pytorch_model\.bin\), which can run code and is never opened: convert it to safetensors first .*save_pretrained/,
    ],
    [
      'a shard without the index',
      () => {
        const folder = changed(sharded, { 'model.safetensors.index.json': null });
        writeFileSync(join(folder, 'pytorch_model.bin'), '');
        return folder;
      },
      /holds model-0000\d-of-00002\.safetensors but neither model\.safetensors nor model\.safetensors\.index\.json/,
    ],
    ...(
      [
        [
          '_orig_mod.',
          /tensors have _orig_mod\. before their names .*what torch\.compile returned: save its _orig_mod/,
        ],
        ['module.', /tensors have module\. before .*what DataParallel, .* returned: save its module/],
        ['_orig_mod.module.', /tensors have _orig_mod\.module\. before .*torch\.compile/],
        ['base_model.model.', /tensors have base_model\.model\. before .*a PEFT model: merge_and_unload\(\) it/],
        ['language_model.', /tensors have language_model\. before .*the language part of a larger model/],
        ['model.', /tensors have model\. before .*a model inside another/],
        ['net.', /tensors have net\. before their names \(net\.model\.[\w.]+\): save it without that/],
      ] as const
    ).map(([prefix, message]): [string, () => string, RegExp] => [
      `names that begin with ${prefix}`,
      () => renamed((name) => `${prefix}${name}`),
      message,
    ]),
    ...(
      [
        [
          'a bare model',
          (name) => name.replace(/^model\./, ''),
          /no model\. before their names \([\w.]+\), as in a bare model/,
        ],
        [
          "Meta's names",
          (name) => name.replace('model.embed_tokens', 'tok_embeddings'),
          /named as in Meta's .*\(tok_embed/,
        ],
        [
          "llama.cpp's names",
          (name) => name.replace('model.embed_tokens', 'token_embd'),
          /named as in llama\.cpp \(token_embd/,
        ],
        [
          "GPT-2's names",
          (name) => name.replace('model.embed_tokens', 'transformer.wte'),
          /named as in GPT-2 \(transformer\.wte/,
        ],
        ["GPT-NeoX's names", (name) => name.replace('model.', 'gpt_neox.'), /named as in GPT-NeoX \(gpt_neox\./],
        [
          'names of no kind',
          (name) => name.replace('model.embed_tokens', 'embedding'),
          /lacks tensor model\.embed_tokens\.weight, which its config\.json calls for$/,
        ],
      ] as const satisfies [string, (name: string) => string, RegExp][]
    ).map(([what, rename, message]): [string, () => string, RegExp] => [what, () => renamed(rename), message]),
    [
      'a LoRA adapter',
      () => {
        const folder = changed(mqa, { 'config.json': null, 'model.safetensors': null });
        writeFileSync(join(folder, 'adapter_config.json'), '{}');
        writeFileSync(join(folder, 'adapter_model.safetensors'), '');
        return folder;
      },
      /holds a LoRA adapter \(adapter_config\.json\): merge it into its base model first \(merge_and_unload in PEFT\)/,
    ],
    [
      'a folder of GGUF',
      () => {
        const folder = changed(mqa, { 'config.json': null, 'model.safetensors': null });
        writeFileSync(join(folder, 'model.Q4_K_M.gguf'), '');
        return folder;
      },
      /holds GGUF weights: give the folder of safetensors .*gguf_file, then save_pretrained/,
    ],
    [
      'a GGUF file',
      () => {
        writeFileSync(join(tmp, 'model.gguf'), '');
        return join(tmp, 'model.gguf');
      },
      /model\.gguf holds GGUF weights/,
    ],
    ...(
      [
        ['self_attn.q_proj.qweight', /self_attn\.q_proj\.qweight belongs to quantised weights/],
        ['self_attn.q_proj.weight_scale_inv', /belongs to quantised weights/],
        ['mlp.up_proj.weight.absmax', /belongs to quantised weights/],
        ['self_attn.q_proj.lora_A.default.weight', /belongs to a LoRA adapter/],
        ['self_attn.q_norm.weight', /norms queries or keys/],
        ['self_attn.qkv_proj.weight', /is a fused projection/],
        ['block_sparse_moe.gate.weight', /belongs to a mixture of experts/],
        ['post_feedforward_layernorm.weight', /norms after a block/],
        ['input_layernorm.bias', /is a bias that config\.json does not call for/],
        ['something.weight', /has no place in a LlamaForCausalLM/],
      ] as const
    ).map(([name, message]): [string, () => string, RegExp] => [
      `a layer with ${name}`,
      () =>
        changed(mqa, {
          'model.safetensors': (old) => {
            const { header, data } = split(old);
            const extra = { dtype: 'F32', shape: [1], data_offsets: [data.length, data.length + 4] };
            header[`model.layers.1.${name}`] = extra;
            return fileBytes(JSON.stringify(header), Buffer.concat([data, Buffer.alloc(4)]));
          },
        }),
      message,
    ]),
    [
      'a truncated file',
      () => {
        const folder = changed(mqa, {});
        truncateSync(join(folder, 'model.safetensors'), 5000);
        return folder;
      },
      /is truncated/,
    ],
    [
      'a tensor that is missing',
      () => changed(mqa, { 'config.json': merge({ num_hidden_layers: 9 }) }),
      /lacks tensor model\.layers\.\d\.input_layernorm\.weight/,
    ],
    [
      "a shape that is not the config's",
      () => changed(mqa, { 'config.json': merge({ intermediate_size: 99 }) }),
      /has shape \[\d+,24\], config\.json calls for \[99,24\]/,
    ],
    [
      'weights of a dtype that cannot be computed with',
      () =>
        changed(mqa, {
          'model.safetensors': header((table) => {
            for (const entry of Object.values(table)) if (entry.dtype === 'F32') entry.dtype = 'I32';
          }),
        }),
      /is I32, only F32, F16 and BF16/,
    ],
    [
      'a billion layers, at once',
      () => changed(mqa, { 'config.json': merge({ num_hidden_layers: 1e9 }) }),
      /lacks tensor/,
    ],
    [
      'an index that names a missing shard',
      () => changed(sharded, { 'model-00002-of-00002.safetensors': null }),
      /model-00002-of-00002\.safetensors cannot be read/,
    ],
    [
      'an index that puts a tensor elsewhere',
      () =>
        changed(sharded, {
          'model.safetensors.index.json': (old) =>
            old.toString().replace(/("model\.norm\.weight": *")[^"]*"/, '$1model-00001-of-00002.safetensors"'),
        }),
      /puts tensor model\.norm\.weight into model-00001/,
    ],
  ])('%s', async (_name, folder, message) => {
    await expect(Checkpoint.open(folder())).rejects.toThrow(message);
  });

  test('shards that hold the same tensor', async () => {
    const folder = changed(sharded, {});
    const index = { weight_map: { a: 'x.safetensors', b: 'y.safetensors' } };
    for (const name of ['x', 'y'])
      writeFileSync(
        join(folder, `${name}.safetensors`),
        fileBytes('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      );
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    await expect(Checkpoint.open(folder)).rejects.toThrow(/tensor a is in both x\.safetensors and y\.safetensors/);
  });

  test.each([
    '../../etc/passwd',
    '/etc/passwd',
    'sub/model.safetensors',
    '..\\model.safetensors',
    '..',
    'weights.bin',
    '.safetensors',
  ])('an index that names the shard %s', (shard) => {
    expect(() => parseIndex(JSON.stringify({ weight_map: { a: shard } }), 'index')).toThrow(
      /only \.safetensors files in the same folder/,
    );
  });

  test.each(['{', '[]', '{}', '{"weight_map":{}}', '{"weight_map":{"a":1}}'])('the index %s', (text) => {
    expect(() => parseIndex(text, 'index')).toThrow(/index /);
  });
});
