// Which files of a dataset are meant, and that they come from the cache or from the Hub.
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { parseDatasetReference, resolveDataset, splitsOf } from '../../src/hub/dataset.ts';
import { etagOf, FakeHub } from '../support/hub.ts';
import { temporaryFolder } from '../support/paths.ts';

const hub = await FakeHub.start();
const tmp = temporaryFolder();
let made = 0;

beforeEach(() => {
  vi.stubEnv('HF_HUB_CACHE', join(tmp, `cache-${made++}`));
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('HF_TOKEN', '');
  hub.reset();
  return () => vi.unstubAllEnvs();
});

const reporter = {
  say: () => {},
  step: (_label: string, _unit: string, work: (advance: () => void) => Promise<void>) => work(() => {}),
};
const resolve = (text: string, offline = false) => resolveDataset(parseDatasetReference(text), offline, reporter);
const contents = (files: readonly string[]) => files.map((file) => readFileSync(file, 'utf8'));

hub.add(
  'Salesforce/wikitext',
  {
    'README.md': 'no',
    'wikitext-2-raw-v1/test-00000-of-00001.parquet': '2 test',
    'wikitext-2-raw-v1/train-00001-of-00002.parquet': '2 train b',
    'wikitext-2-raw-v1/train-00000-of-00002.parquet': '2 train a',
    'wikitext-103-raw-v1/test-00000-of-00001.parquet': '103 test',
  },
  { kind: 'dataset' },
);
hub.add('plain/set', { 'data/train-00000-of-00001-abc.parquet': 'train' }, { kind: 'dataset' });
hub.add('text/set', { 'train.jsonl': 'x', 'script.py': 'x' }, { kind: 'dataset' });
hub.add(
  'text/set',
  { 'default/train/0000.parquet': 'a', 'default/train/0001.parquet': 'b', 'default/validation/0000.parquet': 'v' },
  { kind: 'dataset', revisions: ['refs/convert/parquet'], commit: 'd'.repeat(40) },
);
hub.add('no/parquet', { 'train.csv': 'x' }, { kind: 'dataset' });
hub.add('evil/set', { 'data/../../../../evil/test.parquet': 'x' }, { kind: 'dataset' });

test.each([
  [['config/test-00000-of-00002.parquet', 'config/test-00001-of-00002.parquet'], 'config', 'test', 2],
  [['data/train-00000-of-00001-0123456789abcdef.parquet'], 'default', 'train', 1],
  [['validation.parquet'], 'default', 'validation', 1],
  [['en/test/0000.parquet', 'en/test/0001.parquet'], 'en', 'test', 2],
  [['data/en/test.parquet'], 'en', 'test', 1],
])('%j', (paths, config, split, count) => {
  expect(splitsOf(['README.md', ...paths])).toEqual([{ config, split, paths }]);
  expect(paths).toHaveLength(count);
});

describe('from the Hub', () => {
  test("a dataset's own files, in the cache's layout", async () => {
    const { name, files } = await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1/train');
    expect(name).toBe('hub:Salesforce/wikitext/wikitext-2-raw-v1/train');
    expect(contents(files)).toEqual(['2 train a', '2 train b']);
    expect(files[0]).toMatch(
      /datasets--Salesforce--wikitext\/snapshots\/[0-9a-f]{40}\/wikitext-2-raw-v1\/train-00000-of-00002/,
    );
    expect(realpathSync(files[0] ?? '')).toMatch(
      new RegExp(`/blobs/${etagOf({ bytes: Buffer.from('2 train a'), lfs: true })}$`),
    );
    expect(hub.resolved).toHaveLength(2);
  });

  test('without a split it is the test split, and the name says so', async () => {
    const { name, files } = await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1');
    expect(name).toBe('hub:Salesforce/wikitext/wikitext-2-raw-v1/test');
    expect(contents(files)).toEqual(['2 test']);
    expect((await resolve('hub:plain/set')).name).toBe('hub:plain/set/default/train');
  });

  test("the Hub's own conversion where the files are of another kind", async () => {
    const { name, files } = await resolve('hub:text/set');
    expect(name).toBe('hub:text/set/default/validation');
    expect(contents(files)).toEqual(['v']);
    expect(contents((await resolve('hub:text/set/default/train')).files)).toEqual(['a', 'b']);
  });

  test('at a revision, and results can name its commit', async () => {
    hub.add('re/vised', { 'test.parquet': 'old' }, { kind: 'dataset', revisions: ['v1'], commit: 'a'.repeat(40) });
    hub.add('re/vised', { 'test.parquet': 'new' }, { kind: 'dataset', commit: 'b'.repeat(40) });
    const old = await resolve('hub:re/vised@v1');
    expect(old).toMatchObject({
      name: 'hub:re/vised/default/test',
      pinned: `hub:re/vised@${'a'.repeat(40)}/default/test`,
    });
    expect(contents(old.files)).toEqual(['old']);
    expect((await resolve('hub:re/vised')).pinned).toBe(`hub:re/vised@${'b'.repeat(40)}/default/test`);
    const seen = hub.seen.length;
    expect(await resolve(old.pinned)).toEqual(old);
    expect(await resolve('hub:re/vised@v1/default/test', true)).toEqual(old);
    expect(hub.seen).toHaveLength(seen);
    expect((await resolve('hub:text/set')).pinned).toBe(`hub:text/set@${'d'.repeat(40)}/default/validation`);
    await expect(resolve('hub:re/vised@v2')).rejects.toThrow(/has no revision "v2"/);
  });

  test.each([
    ['hub:Salesforce/wikitext', /holds no such split, only wikitext-103-raw-v1\/test, wikitext-2-raw-v1\/test, /],
    ['hub:Salesforce/wikitext/wikitext-2', /holds no such split, only /],
    [
      'hub:plain/set/default/test',
      /^hub:plain\/set\/default\/test: the dataset plain\/set holds no such split, only default\/train$/,
    ],
    ['hub:no/parquet', /holds no Parquet files/],
    ['hub:no/set', /has no dataset no\/set \(401\)/],
    ['hub:evil/set/evil/test', /no such split|would lie outside/],
  ])('%s is refused', async (text, message) => {
    await expect(resolve(text)).rejects.toThrow(message);
    expect(hub.resolved).toEqual([]);
  });

  test('a file whose path leads out of the cache', async () => {
    await expect(resolve('hub:evil/set')).rejects.toThrow(
      /would lie outside its folder in the cache: nothing was written/,
    );
    expect(hub.resolved).toEqual([]);
  });
});

describe('from the cache', () => {
  test('a split that is named is not asked for again', async () => {
    const first = await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1/train');
    hub.reset();
    expect(await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1/train')).toEqual(first);
    expect(hub.seen).toEqual([]);
    await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1'); // there may be a test split: the Hub knows
    expect(hub.resolved).toEqual(['wikitext-2-raw-v1/test-00000-of-00001.parquet']);
  });

  test('offline without a request, and only if all its files are there', async () => {
    await resolve('hub:plain/set');
    hub.reset();
    expect((await resolve('hub:plain/set', true)).name).toBe('hub:plain/set/default/train');
    await expect(resolve('hub:plain/set/default/test', true)).rejects.toThrow(/not whole in the Hugging Face cache/);
    const { files } = await resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1/train');
    const { rmSync } = await import('node:fs');
    rmSync(files[1] ?? '');
    hub.reset();
    await expect(resolve('hub:Salesforce/wikitext/wikitext-2-raw-v1/train', true)).rejects.toThrow(
      /is not whole in the Hugging Face cache .*--offline keeps the network off/,
    );
    expect(hub.seen).toEqual([]);
  });
});

test.each([
  'hub:',
  'hub:x',
  'hub:a/b/c/d/e',
  'hub:../x',
  'hub:a/..',
  'hub:a/b/../c',
  'hub:a/b/c d',
  'hub:a/b@',
  'hub:a/b@c@d',
  'hub:a/b@../c',
  'hub:a@b/c',
])('%s is no dataset', (text) =>
  expect(() => parseDatasetReference(text)).toThrow(
    /a dataset is hub:org\/dataset\[@revision\]\[\/config\[\/split\]\]/,
  ),
);
