// What a pull asks for, where it puts it, and that Python's layout comes out.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { licenceOf } from '../../src/checkpoint/licence.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { cachedModel } from '../../src/hub/cached.ts';
import { HubClient } from '../../src/hub/client.ts';
import { listModel, pullModel } from '../../src/hub/model.ts';
import { entryOf, etagOf, FakeHub, json } from '../support/hub.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { merge } from '../support/safetensors.ts';

const hub = await FakeHub.start();
const tmp = temporaryFolder();
let cache: string;
let made = 0;

const filesOf = (name: string): Record<string, Uint8Array> =>
  Object.fromEntries(
    readdirSync(fixture(name))
      .filter((file) => !file.startsWith('golden'))
      .map((file) => [file, readFileSync(join(fixture(name), file))]),
  );
const single = filesOf('mqa-bias-f32');
const sharded = filesOf('gqa-headdim-llama3-bf16-sharded');

beforeEach(() => {
  cache = join(tmp, `cache-${made++}`);
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', '');
  vi.stubEnv('HF_HOME', join(tmp, 'no-home'));
  hub.reset();
  return () => vi.unstubAllEnvs();
});

const steps: [number, number][] = [];
const reporter = {
  say: () => {},
  step: (_label: string, _unit: string, work: (advance: (done: number, total: number) => void) => Promise<void>) =>
    work((done, total) => void steps.push([done, total])),
};

async function pull(name: string, revision = 'main') {
  const client = await HubClient.open(() => sleep(1));
  return pullModel(client, await listModel(client, name, revision), reporter);
}

/** All files of a folder with what they hold, links as the path they say. */
const tree = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();

describe('a pull', () => {
  test('loads what is needed and nothing else, in the layout of huggingface_hub', async () => {
    const more = { 'pytorch_model.bin': 'no', 'notes.md': 'no', 'onnx/model.onnx': 'no', 'model.gguf': 'no' };
    const kept = {
      'chat_template.jinja': '{{ messages }}',
      'README.md': '---\nlicense: apache-2.0\n---\n# A model\n',
      LICENSE: 'Apache License',
    };
    const repo = hub.add('some/model', { ...single, ...more, ...kept });
    const { folder, commit, received } = await pull('some/model');
    const wanted = [...Object.keys(single), ...Object.keys(kept)].sort();
    expect([...hub.resolved].sort()).toEqual(wanted);
    const home = join(cache, 'models--some--model');
    expect(folder).toBe(join(home, 'snapshots', commit));
    expect(commit).toBe(repo.commit);
    expect(readFileSync(join(home, 'refs/main'), 'utf8')).toBe(commit); // no line break: Python reads it as it is
    expect(readdirSync(folder).sort()).toEqual(wanted);
    for (const [name, file] of repo.files) {
      if (!wanted.includes(name)) continue;
      expect(readlinkSync(join(folder, name))).toBe(`../../blobs/${etagOf(file)}`);
      expect(readFileSync(join(folder, name)).equals(file.bytes)).toBe(true);
    }
    expect(readdirSync(join(home, 'blobs')).sort()).toEqual(
      wanted.map((name) => etagOf(repo.files.get(name) ?? { bytes: Buffer.alloc(0), lfs: false })).sort(),
    );
    expect(tree(join(cache, '.locks'))).toEqual([]);
    expect(received).toBe(hub.sent);
    expect(await cachedModel(repo, 'main')).toBe(folder);
    await Checkpoint.open(folder);
    expect(await licenceOf(folder)).toEqual({ name: 'apache-2.0', hasText: true });
  });

  test('takes the shards that the index names, and tells bytes done and in all', async () => {
    steps.length = 0;
    hub.add('some/shards', { ...sharded, 'other.safetensors': 'no' });
    const { folder, files } = await pull('some/shards');
    expect(hub.resolved).not.toContain('other.safetensors');
    expect(readdirSync(folder).sort()).toEqual(Object.keys(sharded).sort());
    await Checkpoint.open(folder);
    expect(steps.at(-1)?.[0]).toBe(steps.at(-1)?.[1]);
    const shards = files.filter(({ path }) => path.endsWith('.safetensors'));
    expect(steps.at(-1)?.[1]).toBe(shards.reduce((sum, { size }) => sum + size, 0));
  });

  test('asks for nothing that is there, even under another name or commit', async () => {
    hub.add('some/twice', single);
    await pull('some/twice');
    hub.reset();
    expect(await pull('some/twice')).toMatchObject({ received: 0 });
    expect(hub.resolved).toEqual([]);
    const next = { ...single, 'generation_config.json': '{"eos_token_id": 2 }' };
    hub.add('some/twice', next, { commit: 'b'.repeat(40), revisions: ['next'] });
    await pull('some/twice', 'next');
    expect(hub.resolved).toEqual(['generation_config.json']);
  });

  test('a revision is a branch, a tag with slashes, or a commit', async () => {
    const commit = 'c'.repeat(40);
    const repo = hub.add('some/revisions', single, { commit, revisions: ['v1', 'refs/pr/1'] });
    for (const revision of ['v1', 'refs/pr/1', commit]) {
      expect((await pull('some/revisions', revision)).commit).toBe(commit);
      expect(await cachedModel(repo, revision)).toContain(commit);
    }
    expect(tree(join(cache, 'models--some--revisions/refs'))).toEqual(['refs/pr/1', 'v1']);
  });

  test('mends what another program left half: a broken link, a short file, a missing shard', async () => {
    const repo = hub.add('some/half', sharded);
    const { folder } = await pull('some/half');
    const [first = '', second = ''] = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    const blob = realpathSync(join(folder, first));
    writeFileSync(blob, readFileSync(blob).subarray(10));
    const lost = realpathSync(join(folder, second));
    expect(await cachedModel(repo, 'main')).toBe(folder);
    rmSync(lost);
    expect(await cachedModel(repo, 'main')).toBeUndefined(); // the index names what is not there
    hub.reset();
    await pull('some/half');
    expect([...hub.resolved].sort()).toEqual([first, second]);
    await Checkpoint.open(folder);
  });

  test('finds the blobs that Python has under the same names', async () => {
    const repo = hub.add('some/python', single);
    const home = join(cache, 'models--some--python');
    for (const [name, file] of repo.files) {
      const link = join(home, 'snapshots', repo.commit, name);
      mkdirSync(dirname(link), { recursive: true });
      mkdirSync(join(home, 'blobs'), { recursive: true });
      writeFileSync(join(home, 'blobs', etagOf(file)), file.bytes);
      if (name !== 'tokenizer.json') symlinkSync(`../../blobs/${etagOf(file)}`, link);
    }
    await pull('some/python');
    expect(hub.resolved).toEqual([]);
    expect(readlinkSync(join(home, 'snapshots', repo.commit, 'tokenizer.json'))).toMatch(/^\.\.\/\.\.\/blobs\//);
  });

  test('two at once load everything once', async () => {
    const repo = hub.add('some/both', single);
    const [a, b] = await Promise.all([pull('some/both'), pull('some/both')]);
    expect(a.folder).toBe(b.folder);
    expect(hub.sent).toBe([...repo.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
    expect(Math.min(a.received, b.received)).toBe(0);
  });
});

describe('is refused before weights are loaded', () => {
  const refused = async (name: string, message: RegExp, revision?: string) => {
    await expect(pull(name, revision)).rejects.toThrow(message);
    expect(hub.resolved.filter((file) => /safetensors$/.test(file))).toEqual([]);
    expect(existsSync(join(cache, `models--${name.replace('/', '--')}`, 'refs/main'))).toBe(false);
  };

  test('a repository without safetensors, naming what it has', async () => {
    const { 'model.safetensors': _, ...rest } = single;
    hub.add('no/weights', { ...rest, 'pytorch_model.bin': 'x' });
    await refused(
      'no/weights',
      /^no\/weights at main holds weights as a pickle \(pytorch_model\.bin\), .* safetensors first/,
    );
    hub.add('no/weights-at-all', rest);
    await refused('no/weights-at-all', /holds no model\.safetensors and no index of shards: only safetensors are read/);
    hub.add('an/adapter', { 'adapter_config.json': '{}', 'adapter_model.safetensors': 'x' });
    await refused('an/adapter', /^an\/adapter at main holds a LoRA adapter \(adapter_config\.json\)/);
    hub.add('no/config', { 'model.safetensors': 'x', 'pytorch_model.bin': 'x' });
    await refused('no/config', /holds no config\.json/);
  });

  test('an architecture that this program cannot run', async () => {
    const config = merge({ architectures: ['FalconForCausalLM'] })(Buffer.from(single['config.json'] ?? ''));
    hub.add('other/kind', { ...single, 'config.json': config });
    await refused('other/kind', /Falcon/);
    const { 'model.safetensors': _, ...rest } = single;
    hub.add('other/pickled', { ...rest, 'config.json': config, 'pytorch_model.bin': 'x' });
    await refused('other/pickled', /Falcon/);
    expect(hub.resolved).not.toContain('tokenizer.json');
  });

  test.each([
    ['../../../evil.safetensors', /only \.safetensors files in the same folder/],
    ['/etc/evil.safetensors', /only \.safetensors files in the same folder/],
    ['lost.safetensors', /names lost\.safetensors, which the Hub does not hold/],
  ])('an index that names %s', async (shard, message) => {
    const { 'model.safetensors': _, ...rest } = single;
    const name = `bad/index${made}`;
    hub.add(name, { ...rest, 'model.safetensors.index.json': JSON.stringify({ weight_map: { a: shard } }) });
    await refused(name, message);
  });

  test('more bytes than the disk has', async () => {
    const { 'model.safetensors': weights = Buffer.alloc(0), ...rest } = single;
    const repo = hub.add('too/large', { ...rest, 'model.safetensors': weights });
    hub.page = 100;
    hub.hook = ({ path }, response) => {
      if (!path.includes('/tree/')) return false;
      const entries = [...repo.files].map(([file, hosted]) => entryOf(file, hosted));
      const huge = (entry: Record<string, unknown>) =>
        entry.path === 'model.safetensors' ? { ...entry, size: 9e14, lfs: { oid: 'a'.repeat(64), size: 9e14 } } : entry;
      json(response, entries.map(huge));
      return true;
    };
    await refused('too/large', /^too\/large takes 900 TB, .* free: make room, or set HF_HOME/);
  });
});

describe('a hostile Hub', () => {
  test.each<[string, (path: string) => unknown, RegExp]>([
    [
      'a commit that is a path',
      (path) => (path.includes('/revision/') ? { id: 'x', sha: '../../../x' } : null),
      /gives no list/,
    ],
    ['no JSON', (path) => (path.includes('/revision/') ? '<html>' : null), /gives no list/],
    [
      'a hash that is a path',
      (path) => (path.includes('/tree/') ? [{ type: 'file', path: 'config.json', size: 1, oid: '../x' }] : null),
      /oid/,
    ],
    [
      'a large file whose hash is a path',
      (path) =>
        path.includes('/tree/')
          ? [{ type: 'file', path: 'config.json', size: 1, oid: 'a'.repeat(40), lfs: { oid: '../../x', size: 1 } }]
          : null,
      /lfs\.oid/,
    ],
    [
      'a negative size',
      (path) =>
        path.includes('/tree/') ? [{ type: 'file', path: 'config.json', size: -1, oid: 'a'.repeat(40) }] : null,
      /size/,
    ],
  ])('%s', async (_name, answer, message) => {
    hub.add('evil/model', single);
    hub.hook = ({ path }, response) => {
      const value = answer(path);
      if (value === null) return false;
      if (typeof value === 'string') response.end(value);
      else json(response, value);
      return true;
    };
    await expect(pull('evil/model')).rejects.toThrow(message);
    expect(hub.resolved).toEqual([]);
    expect(existsSync(cache)).toBe(false);
  });
});
