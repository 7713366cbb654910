import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { defaultReference, pocketFolder, pullReference, resolveModel } from '../../src/hub/model-reference.ts';
import { FakeHub } from '../support/hub.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const reporter = { say: () => {}, step: async () => {} };
const resolve = (ref: string | undefined) => resolveModel(ref, { offline: true, reporter });
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
  expect(await resolve('pocket')).toEqual({ ref: 'pocket', pinned: 'pocket', folder: pocketFolder });
  expect(pocketFolder).toBe(pocket);
  expect(await resolve(tmp)).toEqual({ ref: tmp, pinned: tmp, folder: tmp });
});

test('a model of the Hugging Face cache, by name, revision or commit', async () => {
  const hub = cache('some/model');
  vi.stubEnv('HF_HUB_CACHE', hub);
  const folder = join(hub, 'models--some--model/snapshots', commit);
  expect(await resolve('some/model')).toEqual({ ref: 'some/model', pinned: `some/model@${commit}`, folder });
  expect(await resolve('some/model@main')).toMatchObject({ folder });
  expect(await resolve(`some/model@${commit}`)).toMatchObject({ folder });
  await expect(resolve('some/model@other')).rejects.toThrow(
    /neither a folder nor whole in the Hugging Face cache .*--offline keeps the network off/,
  );
});

test('without a reference: TinyLlama if it is cached, else pocket with a notice', async () => {
  vi.stubEnv('HF_HUB_CACHE', cache(defaultReference));
  expect(await resolve(undefined)).toMatchObject({ ref: defaultReference });
  vi.stubEnv('HF_HUB_CACHE', join(tmp, 'nothing'));
  const { ref, notice } = await resolve(undefined);
  expect(ref).toBe('pocket');
  expect(notice).toMatch(/TinyLlama.* is not in the Hugging Face cache, and --offline keeps the network off/);
});

describe('with a network', async () => {
  const hub = await FakeHub.start();
  const online = (ref: string | undefined, offline?: boolean) => resolveModel(ref, { offline, reporter: working });
  const working = {
    say: () => {},
    step: (_label: string, _unit: string, work: (advance: () => void) => Promise<void>) => work(() => {}),
  };
  const files = Object.fromEntries(
    ['config.json', 'tokenizer.json', 'model.safetensors'].map((name) => [
      name,
      readFileSync(join(fixture('mqa-bias-f32'), name)),
    ]),
  );
  let made = 0;
  beforeEach(() => {
    hub.reset();
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('HF_HUB_OFFLINE', '');
    vi.stubEnv('HF_HUB_CACHE', join(tmp, `online-${made++}`));
  });

  test('a model that is not cached is pulled, and asked for once', async () => {
    hub.add('new/model', files);
    const { folder, pinned } = await online('new/model');
    expect(pinned).toBe(`new/model@${basename(folder)}`);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(files['model.safetensors'] ?? Buffer.alloc(0))).toBe(
      true,
    );
    hub.reset();
    expect(await online('new/model')).toEqual({ ref: 'new/model', pinned, folder });
    expect(hub.seen).toEqual([]);
  });

  test.each(['option', 'environment'])('nothing is asked where the %s keeps it off', async (by) => {
    if (by === 'environment') vi.stubEnv('HF_HUB_OFFLINE', '1');
    const off = by === 'option' ? true : undefined;
    expect((await online(undefined, off)).notice).toMatch(/(--offline|HF_HUB_OFFLINE) keeps the network off: running/);
    await expect(online('new/model', off)).rejects.toThrow(/keeps the network off/);
    expect(hub.seen).toEqual([]);
  });

  test('the default is pulled; pocket stands in where the Hub has it not, but not where a download breaks', async () => {
    const { ref, notice } = await online(undefined);
    expect(ref).toBe('pocket');
    expect(notice).toMatch(/and http.* has no model TinyLlama.*: running the embedded pocket model instead$/);
    hub.add(defaultReference, files);
    hub.hook = ({ host }, response) =>
      host === 'storage' && Boolean(response.writeHead(200, { 'content-length': 11 }).end('other bytes'));
    await expect(online(undefined)).rejects.toThrow(/model\.safetensors in 11 bytes instead of/);
    hub.reset();
    expect(await online(undefined)).toMatchObject({ ref: defaultReference });
  });

  test('a model that is named has no stand-in', async () => {
    await expect(online('no/model')).rejects.toThrow(/has no model no\/model/);
    await expect(pullReference('model', working)).rejects.toThrow(/ pull takes org\/name\[@revision\]/);
  });
});

test('HF_HOME leads to the cache too', async () => {
  const hub = cache('other/model');
  mkdirSync(join(tmp, 'home'));
  cpSync(hub, join(tmp, 'home/hub'), { recursive: true });
  vi.stubEnv('HF_HUB_CACHE', '');
  vi.stubEnv('HF_HOME', join(tmp, 'home'));
  expect((await resolve('other/model')).folder).toContain(join(tmp, 'home/hub'));
});

test.each(['./missing', 'missing', '/no/such/folder', 'a/b/c', 'a/b@../../x'])('no model %s', async (ref) => {
  await expect(resolve(ref)).rejects.toThrow(/no folder .*--model takes a checkpoint folder, pocket, or org\/name/);
});
