import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { SafeTensor } from 'safetensors';
import { describe, expect, test } from 'vitest';
import { fromFloat32 } from '../../src/checkpoint/dtypes.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../../src/checkpoint/writer.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, fileBytes, split } from '../support/safetensors.ts';

const tmp = temporaryFolder();
const replaced = 'model.layers.0.self_attn.k_proj.weight';

describe.each(['mha-tied-f16', 'mqa-bias-f32', 'gqa-headdim-llama3-bf16-sharded'])('%s', (name) => {
  test('untouched tensors keep their bytes, replaced ones hold the new values', async () => {
    const source = await Checkpoint.open(fixture(name));
    const folder = join(tmp, name);
    const values = (await source.readFloat32(replaced)).map((value, i) => value + (i % 3) / 8);
    const seen: number[] = [];
    await writeCheckpoint(source, new Map([[replaced, values]]), folder, {
      provenance: { 'surgery.note': 'test' },
      onProgress: (done, total) => seen.push(done / total),
    });
    const copy = await Checkpoint.open(folder);
    expect([...copy.tensors.keys()]).toEqual([...source.tensors.keys()]);
    for (const tensor of source.tensors.keys()) {
      const expected =
        tensor === replaced ? fromFloat32(values, source.weightDtype(tensor), tensor) : await source.readBytes(tensor);
      expect(Buffer.compare(await copy.readBytes(tensor), expected), tensor).toBe(0);
    }
    // The same, made a layer at a time, each layer once.
    const layers: number[] = [];
    const edit = async (layer: number) => {
      layers.push(layer);
      return new Map(layer === 0 ? [[replaced, values]] : []);
    };
    const layered = `${folder}-layered`;
    await writeCheckpoint(source, { edit }, layered, { provenance: { 'surgery.note': 'test' } });
    for (const file of source.shards.map(({ file }) => file))
      expect(readFileSync(join(layered, file))).toEqual(readFileSync(join(folder, file)));
    expect(layers.toSorted()).toEqual(Array.from({ length: source.config.layers }, (_, i) => i));
    for (const { header } of copy.shards) expect(header.metadata).toMatchObject({ 'surgery.note': 'test' });
    expect(copy.shards[0]?.header.metadata).toMatchObject(source.shards[0]?.header.metadata ?? {});
    expect(seen.at(-1)).toBe(1);
    for (const file of ['config.json', 'tokenizer.json', 'generation_config.json']) {
      expect(readFileSync(join(folder, file))).toEqual(readFileSync(join(fixture(name), file)));
    }
  });
});

test('another dtype: weights are converted, the config says so', async () => {
  const source = await Checkpoint.open(fixture('gqa-headdim-llama3-bf16-sharded'));
  const folder = join(tmp, 'as-f32');
  await writeCheckpoint(source, new Map(), folder, { dtype: 'F32' });
  const copy = await Checkpoint.open(folder);
  expect(new Set([...copy.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  for (const name of source.tensors.keys())
    expect(await copy.readFloat32(name)).toEqual(await source.readFloat32(name));
  expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({
    torch_dtype: 'float32',
    head_dim: 12,
  });
  const index = JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'));
  const bytes = copy.shards
    .flatMap(({ header }) => header.tensors)
    .reduce((sum, { begin, end }) => sum + end - begin, 0);
  expect(index.metadata.total_size).toBe(bytes);
});

test('the npm package safetensors reads every tensor back', async () => {
  const source = await Checkpoint.open(pocket);
  const folder = join(tmp, 'pocket');
  await writeCheckpoint(source, new Map(), folder, { provenance: { 'surgery.version': '0' } });
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  // That reader takes __metadata__ for a tensor and fails, on any file that has it: it is blanked out here, in place.
  const { header } = split(bytes);
  const { __metadata__: metadata, ...tensors } = header;
  expect(metadata).toBeDefined();
  const plain = Uint8Array.from(bytes);
  const length = Number(bytes.readBigUInt64LE(0));
  plain.set(Buffer.from(JSON.stringify(tensors).padEnd(length)), 8);
  const independent = new SafeTensor(plain);
  for (const [name, { shape, dtype }] of source.tensors) {
    expect(independent.metadata.get(name)).toMatchObject({ shape, dtype });
    expect(Buffer.compare(independent.getTensor(name), await source.readBytes(name)), name).toBe(0);
  }
});

describe.each(['mha-tied-f16', 'gqa-headdim-llama3-bf16-sharded'])('%s cut into small files', (name) => {
  test('holds every tensor once, in files up to the limit, with an index that says where', async () => {
    const source = await Checkpoint.open(fixture(name));
    const largest = Math.max(...[...source.tensors.values()].map(({ begin, end }) => end - begin));
    const limit = largest - 1;
    const folder = join(tmp, `${name}-cut`);
    await writeCheckpoint(source, new Map(), folder, { maxShardBytes: limit });
    const files = readdirSync(folder).filter((file) => file.endsWith('.safetensors'));
    expect(files.length).toBeGreaterThan(2);
    const index = JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'));
    const seen = new Map<string, string>();
    let total = 0;
    for (const [i, file] of files.sort().entries()) {
      const count = String(files.length).padStart(5, '0');
      expect(file).toBe(`model-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`);
      const { header, data } = split(readFileSync(join(folder, file)));
      const { __metadata__: metadata, ...tensors } = header;
      expect(metadata).toMatchObject({ format: 'pt' });
      if (data.length > limit) expect(Object.keys(tensors)).toHaveLength(1);
      const plain = new SafeTensor(Uint8Array.from(fileBytes(JSON.stringify(tensors), data)));
      for (const tensor of plain.metadata.keys()) {
        expect(seen.has(tensor), tensor).toBe(false);
        seen.set(tensor, file);
        expect(Buffer.compare(plain.getTensor(tensor), await source.readBytes(tensor)), tensor).toBe(0);
      }
      total += data.length;
    }
    expect([...seen.keys()].sort()).toEqual([...source.tensors.keys()].sort());
    expect(index).toEqual({ metadata: { total_size: total }, weight_map: Object.fromEntries(seen) });
    expect((await Checkpoint.open(folder)).tensors.size).toBe(source.tensors.size);
  });

  test('is one file without an index where the limit takes all', async () => {
    const folder = join(tmp, `${name}-joined`);
    await writeCheckpoint(await Checkpoint.open(fixture(name)), new Map(), folder, { maxShardBytes: 1e9 });
    expect(readdirSync(folder).filter((file) => file.startsWith('model'))).toEqual(['model.safetensors']);
  });
});

test('a single shard with an index keeps its index; metadata says which framework the tensors are laid out for', async () => {
  const from = join(tmp, 'one-shard');
  const name = 'model-00001-of-00001.safetensors';
  copyModel(fixture('mqa-bias-f32'), from);
  renameSync(join(from, 'model.safetensors'), join(from, name));
  const { header, data } = split(readFileSync(join(from, name)));
  const { __metadata__: _, ...tensors } = header;
  writeFileSync(join(from, name), fileBytes(JSON.stringify(tensors), data));
  const weightMap = Object.fromEntries(Object.keys(tensors).map((tensor) => [tensor, name]));
  writeFileSync(join(from, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  const folder = join(tmp, 'one-shard-copy');
  await writeCheckpoint(await Checkpoint.open(from), new Map(), folder);
  expect((await Checkpoint.open(folder)).shards[0]).toMatchObject({
    file: name,
    header: { metadata: { format: 'pt' } },
  });
});

test('any values survive the way through a file, in any dtype', async () => {
  const source = await Checkpoint.open(fixture('mqa-bias-f32'));
  const size = source.tensor(replaced).shape.reduce((a, b) => a * b, 1);
  const numbers = fc.array(fc.float({ min: -60000, max: 60000, noNaN: true }), { minLength: size, maxLength: size });
  let n = 0;
  await fc.assert(
    fc.asyncProperty(numbers, fc.constantFrom('F32', 'F16', 'BF16'), async (values, dtype) => {
      const folder = join(tmp, `round-${n++}`);
      const given = Float32Array.from(values);
      await writeCheckpoint(source, new Map([[replaced, given]]), folder, { dtype });
      const bytes = await (await Checkpoint.open(folder)).readBytes(replaced);
      expect(Buffer.compare(bytes, fromFloat32(given, dtype, replaced))).toBe(0);
    }),
    { seed: 4, numRuns: 12 },
  );
});

test('a failure leaves nothing behind, and what was there stays', async () => {
  const source = await Checkpoint.open(fixture('mha-tied-f16'));
  const folder = join(tmp, 'old');
  mkdirSync(folder);
  writeFileSync(join(folder, 'mine.txt'), 'mine');
  const before = readdirSync(tmp).sort();
  const tooLarge = new Map([
    [replaced, new Float32Array(source.tensor(replaced).shape.reduce((a, b) => a * b, 1)).fill(1e6)],
  ]);
  await expect(writeCheckpoint(source, tooLarge, folder)).rejects.toThrow(/too large for F16/);
  expect(readdirSync(tmp).sort()).toEqual(before);
  expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('mine');
});
