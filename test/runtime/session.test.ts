import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { largestDifference } from '../support/goldens.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

const tmp = temporaryFolder();

test('weights behind symbolic links to another folder are found, as the Hugging Face cache has them', async () => {
  const linked = join(tmp, 'snapshots', '0123');
  mkdirSync(linked, { recursive: true });
  copyModel(fixture('mqa-bias-f32'), join(tmp, 'blobs'));
  for (const name of ['config.json', 'model.safetensors'])
    symlinkSync(join('..', '..', 'blobs', name), join(linked, name));
  const logits = async (folder: string) =>
    (await Runtime.open(await Checkpoint.open(folder), { threads: 1 })).sequence(3).readToEnd([1, 5, 7]);
  expect(await logits(linked)).toEqual(await logits(fixture('mqa-bias-f32')));
});

test('a long text in several chunks gives what one token after the other gives', async () => {
  const runtime = await Runtime.open(await Checkpoint.open(pocket), { threads: 1 });
  const ids = Array.from({ length: 300 }, (_, i) => (i === 0 ? 1 : 300 + ((i * 37) % 700)));
  const seen: number[] = [];
  const chunked = await runtime.sequence(300).readToEnd(ids, (tokens) => seen.push(tokens));
  const single = runtime.sequence(300);
  let logits: Float32Array = new Float32Array(0);
  for (const id of ids) logits = await single.readToEnd([id]);
  expect(largestDifference(chunked, logits)).toBeLessThan(2e-4);
  expect(seen).toEqual([128, 256, 300]);
});

test('one session serves the original and its variants, in turn', async () => {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), threads: 1 });
  const read = (weights = runtime.original) => runtime.sequence(4, weights).readToEnd([1, 24, 70, 3]);
  const before = await read();
  const name = 'model.layers.0.self_attn.v_proj.weight';
  const zeros = new Float32Array((await checkpoint.readFloat32(name)).length);
  const changed = await read(runtime.variant(new Map([[name, zeros]])));
  expect(largestDifference(changed, before)).toBeGreaterThan(1e-3);
  expect(await read()).toEqual(before);
});

test('a context beyond the memory is refused before it is asked for', async () => {
  const folder = copyModel(pocket, join(tmp, 'endless'), { 'config.json': merge({ max_position_embeddings: 1e9 }) });
  const runtime = await Runtime.open(await Checkpoint.open(folder), { threads: 1 });
  expect(() => runtime.sequence(1e9)).toThrow(
    /keys and values of 1000000000 tokens take 3072.0 GB, this process may use/,
  );
});

test('what cannot be is refused', async () => {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const runtime = await Runtime.open(checkpoint, { threads: 1 });
  expect(() => runtime.variant(new Map([['lm_head.weight', new Float32Array(1)]]))).toThrow(/lm_head.weight is not in/);
  expect(() => runtime.sequence(checkpoint.config.contextLength + 1)).toThrow(/do not fit the model's context of/);
  const sequence = runtime.sequence(2);
  await expect(sequence.readToEnd([1, 2, 3])).rejects.toThrow('3 tokens do not fit a sequence with room for 2');
  expect(() => sequence.rewind(1)).toThrow('length is 1, allowed: a whole number from 0 to 0');
});
