import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { defaultReference, pocketFolder, resolveModel } from '../../src/checkpoint/reference.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const commit = '0123456789abcdef0123456789abcdef01234567';
afterEach(() => vi.unstubAllEnvs());

/** A Hugging Face cache that holds one model. */
function cache(name: string): string {
  const hub = join(tmp, `hub-${name.replace('/', '-')}`);
  const repository = join(hub, `models--${name.replace('/', '--')}`);
  mkdirSync(join(repository, 'refs'), { recursive: true });
  writeFileSync(join(repository, 'refs/main'), commit);
  cpSync(fixture('mqa-bias-f32'), join(repository, 'snapshots', commit), { recursive: true });
  return hub;
}

test('pocket and folders', async () => {
  expect(await resolveModel('pocket')).toEqual({ ref: 'pocket', folder: pocketFolder });
  expect(pocketFolder).toBe(pocket);
  expect(await resolveModel(tmp)).toEqual({ ref: tmp, folder: tmp });
});

test('a model of the Hugging Face cache, by name, revision or commit', async () => {
  const hub = cache('some/model');
  vi.stubEnv('HF_HUB_CACHE', hub);
  const folder = join(hub, 'models--some--model/snapshots', commit);
  expect(await resolveModel('some/model')).toEqual({ ref: 'some/model', folder });
  expect(await resolveModel('some/model@main')).toMatchObject({ folder });
  expect(await resolveModel(`some/model@${commit}`)).toMatchObject({ folder });
  await expect(resolveModel('some/model@other')).rejects.toThrow(/neither a folder nor in the Hugging Face cache/);
});

test('without a reference: TinyLlama if it is cached, else pocket with a notice', async () => {
  vi.stubEnv('HF_HUB_CACHE', cache(defaultReference));
  expect(await resolveModel(undefined)).toMatchObject({ ref: defaultReference });
  vi.stubEnv('HF_HUB_CACHE', join(tmp, 'nothing'));
  const { ref, notice } = await resolveModel(undefined);
  expect(ref).toBe('pocket');
  expect(notice).toMatch(/TinyLlama.* is not in the Hugging Face cache/);
});

test('HF_HOME leads to the cache too', async () => {
  const hub = cache('other/model');
  mkdirSync(join(tmp, 'home'));
  cpSync(hub, join(tmp, 'home/hub'), { recursive: true });
  vi.stubEnv('HF_HUB_CACHE', '');
  vi.stubEnv('HF_HOME', join(tmp, 'home'));
  expect((await resolveModel('other/model')).folder).toContain(join(tmp, 'home/hub'));
});

test.each(['./missing', 'missing', '/no/such/folder', 'a/b/c', 'a/b@../../x'])('no model %s', async (ref) => {
  await expect(resolveModel(ref)).rejects.toThrow(
    /no folder .*--model takes a checkpoint folder, pocket, or org\/name/,
  );
});
