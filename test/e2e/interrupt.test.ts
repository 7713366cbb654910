// Ctrl-C, in the middle of the write and of the text: exit 130, nothing half-written, nothing lost.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { expectedTensors } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { start, surgery } from '../support/cli.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, fileBytes, merge } from '../support/safetensors.ts';

const tmp = temporaryFolder();

/** A model whose file takes a while to write: the F32 fixture with a vocabulary of 1.2 million, zeros where nothing is read. */
async function slowModel(): Promise<string> {
  const folder = copyModel(fixture('mqa-bias-f32'), join(tmp, 'slow'), {
    'config.json': merge({ vocab_size: 1_200_000 }),
  });
  const source = await Checkpoint.open(fixture('mqa-bias-f32'));
  const table: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { name, shape } of expectedTensors({ ...source.config, vocabSize: 1_200_000 })) {
    const size = 4 * shape.reduce((product, n) => product * n, 1);
    parts.push(size === (await source.readBytes(name)).length ? await source.readBytes(name) : new Uint8Array(size));
    table[name] = { dtype: 'F32', shape, data_offsets: [at, at + size] };
    at += size;
  }
  writeFileSync(join(folder, 'model.safetensors'), fileBytes(JSON.stringify(table), Buffer.concat(parts)));
  return folder;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}

const unfinished = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.tmp'));

test.each(['SIGINT', 'SIGTERM'] as const)('%s during the write', async (signal) => {
  const model = await slowModel();
  const work = join(tmp, signal);
  mkdirSync(work);
  const child = start(['run', '--model', model, '--prompt', 'The cat', '--output', join(work, 'out')]);
  await until(() =>
    readdirSync(work, { recursive: true, encoding: 'utf8' }).some((name) => /model\.safetensors.*\.tmp$/.test(name)),
  );
  child.kill(signal);
  const { code, stderr } = await child.ended;
  expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
  expect(stderr).toContain('stopped, nothing half-written is left');
  expect(readdirSync(work)).toEqual([]);
});

test('Ctrl-C while text is generated leaves old results as they were', async () => {
  const output = join(tmp, 'kept');
  const quick = ['--max-tokens', '4', '--output', output];
  await surgery(['run', '--model', 'pocket', '--max-new-tokens', '2', '--quiet', ...quick]);
  const before = readFileSync(join(output, 'run.json'), 'utf8');
  // So many prompts that the text takes long enough to be interrupted.
  const prompts = Array.from({ length: 200 }, (_, i) => ['--prompt', `Story ${i}`]).flat();
  const child = start(['run', '--model', pocket, '--max-new-tokens', '100', '--force', ...prompts, ...quick]);
  let told = '';
  child.stderr?.on('data', (text: string) => {
    told += text;
  });
  await until(() => told.includes('Loading'));
  child.kill('SIGINT');
  expect((await child.ended).code).toBe(130);
  expect(readFileSync(join(output, 'run.json'), 'utf8')).toBe(before);
  expect(unfinished(tmp)).toBe(false);
});
