// Downloads that break off, go on, or bring other bytes than the Hub listed.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { HubClient, pauses } from '../../src/hub/client.ts';
import { downloadBlob, partialOf } from '../../src/hub/download.ts';
import { seededRandom } from '../../src/linalg/random.ts';
import { cut, etagOf, FakeHub, gitHash } from '../support/hub.ts';
import { temporaryFolder } from '../support/paths.ts';

const hub = await FakeHub.start();
const tmp = temporaryFolder();
const random = seededRandom(7);
const bytes = Uint8Array.from({ length: 300_000 }, () => random() * 256);
const repo = hub.add('some/model', { 'model.safetensors': bytes, 'config.json': '{"a": 1}' });
const waits: number[] = [];
let target: string;
let made = 0;

beforeEach(() => {
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', '');
  hub.reset();
  waits.length = 0;
  mkdirSync(join(tmp, 'blobs'), { recursive: true });
  target = join(tmp, 'blobs', `${made++}`);
  return () => vi.unstubAllEnvs();
});

async function download(path = 'model.safetensors', etag?: string): Promise<number[]> {
  const hosted = repo.files.get(path);
  if (!hosted) throw new Error(`no ${path}`);
  const there: number[] = [];
  const client = await HubClient.open(async (seconds) => waits.push(seconds));
  await downloadBlob({
    client,
    address: `${hub.endpoint}/some/model/resolve/${repo.commit}/${path}`,
    file: { path, size: hosted.bytes.length, etag: etag ?? etagOf(hosted) },
    subject: { repository: repo, file: path },
    target,
    onBytes: (count) => there.push(count),
  });
  return there;
}

/** Sends some bytes and tears the connection down when they are in the file. */
const cutAfter = (response: ServerResponse, from: number, to: number, content = bytes, etag?: string) =>
  cut(
    response,
    content,
    [from, to],
    () => existsSync(partialOf(target)) && statSync(partialOf(target)).size === to,
    etag,
  );

/** What was asked of the storage host, by the byte it starts at. */
const ranges = () => hub.seen.filter(({ host }) => host === 'storage').map(({ headers }) => headers.range ?? 'all');
const isWhole = () => readFileSync(target).equals(bytes) && !existsSync(partialOf(target));

/** The first requests to the storage host are answered by these, one each. */
function storageAnswers(...answers: ((response: ServerResponse, range: string | undefined) => void)[]): void {
  hub.hook = ({ host, headers }, response) => {
    const answer = host === 'storage' ? answers.shift() : undefined;
    answer?.(response, headers.range);
    return answer !== undefined;
  };
}

describe('a connection that is cut', () => {
  test('is continued at the very byte, after a pause', async () => {
    storageAnswers((response) => cutAfter(response, 0, 100_000));
    const there = await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toEqual(['all', 'bytes=100000-']);
    expect(hub.sent).toBe(200_000);
    expect(there.at(-1)).toBe(bytes.length);
    expect(waits).toEqual([pauses[0]]);
  });

  test('again and again, as long as something comes', async () => {
    const piece = (response: ServerResponse, range: string | undefined) => {
      const from = Number(/\d+/.exec(range ?? '0')?.[0]);
      cutAfter(response, from, from + 20_000);
    };
    storageAnswers(...Array(12).fill(piece));
    await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toHaveLength(13);
  });

  test('is given up where nothing more comes', async () => {
    storageAnswers(...Array(40).fill((response: ServerResponse) => cutAfter(response, 0, 0)));
    writeFileSync(partialOf(target), '');
    await expect(download()).rejects.toThrow(/^http:.* cannot be reached: the connection was cut$/);
    expect(waits).toEqual(pauses);
    expect(existsSync(target)).toBe(false);
  });

  test('by a server that then has other bytes: If-Range makes it start over', async () => {
    storageAnswers((response) => cutAfter(response, 0, 50_000, new Uint8Array(bytes.length).fill(1), '"old"'));
    await download();
    expect(isWhole()).toBe(true);
    expect(hub.seen.at(-1)?.headers['if-range']).toBe('"old"');
    expect(hub.sent).toBe(bytes.length); // all of it, not the rest
  });
});

describe('what an earlier process left', () => {
  test('is continued: only the rest is asked for', async () => {
    writeFileSync(partialOf(target), bytes.subarray(0, 250_000));
    await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toEqual(['bytes=250000-']);
    expect(hub.sent).toBe(50_000);
  });

  test('is finished without a request if nothing is missing', async () => {
    writeFileSync(partialOf(target), bytes);
    await download();
    expect(isWhole()).toBe(true);
    expect(hub.seen).toEqual([]);
  });

  test('gets one fresh start if its bytes are wrong', async () => {
    writeFileSync(partialOf(target), new Uint8Array(250_000));
    await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toEqual(['bytes=250000-', 'all']);
  });

  test('and longer than the file is thrown away', async () => {
    writeFileSync(partialOf(target), new Uint8Array(bytes.length + 1));
    await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toEqual(['all']);
  });

  test.each<[string, (response: ServerResponse) => void, number]>([
    ['a server that knows no ranges sends all', (response) => response.writeHead(200).end(bytes), 1],
    [
      'a server that says there is no such range is asked again for all',
      (response) => response.writeHead(416).end(),
      2,
    ],
    [
      'a server that sends another range than asked for is asked again for all',
      (response) =>
        response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` }).end(bytes),
      2,
    ],
  ])('%s', async (_name, answer, requests) => {
    writeFileSync(partialOf(target), bytes.subarray(0, 1000));
    storageAnswers(answer);
    await download();
    expect(isWhole()).toBe(true);
    expect(ranges()).toHaveLength(requests);
  });
});

describe('other bytes than listed', () => {
  const nothingLeft = () => !existsSync(target) && !existsSync(partialOf(target));

  test('a wrong SHA-256', async () => {
    storageAnswers((response) => response.end(Buffer.from(bytes).fill(0, 0, 1)));
    await expect(download()).rejects.toThrow(/gave model\.safetensors with another hash, [0-9a-f]{12}… instead of/);
    expect(nothingLeft()).toBe(true);
  });

  test("a wrong hash of Git's for a small file", async () => {
    expect(await download('config.json')).toEqual([0, 8]);
    target += '-other';
    await expect(download('config.json', gitHash(Buffer.from('{"a": 2}')))).rejects.toThrow(/another hash/);
    expect(nothingLeft()).toBe(true);
  });

  test('more bytes than it has, without saying so', async () => {
    storageAnswers((response) => {
      response.write(bytes);
      response.end(bytes);
    });
    await expect(download()).rejects.toThrow(/with more than its 300000 bytes/);
    expect(nothingLeft()).toBe(true);
  });

  test('fewer, without saying so', async () => {
    storageAnswers(
      ...Array(40).fill((response: ServerResponse) => {
        response.write(bytes.subarray(0, 1000));
        response.end();
      }),
    );
    await expect(download()).rejects.toThrow(/breaks off again and again \(it ends after 1000 of 300000 bytes\)/);
    expect(existsSync(target)).toBe(false);
  });

  test('another length, saying so: what was there stays', async () => {
    writeFileSync(partialOf(target), bytes.subarray(0, 1000));
    storageAnswers((response) => response.end('<html>please log in</html>'));
    await expect(download()).rejects.toThrow(/gives model\.safetensors in 26 bytes instead of 300000/);
    expect(readFileSync(partialOf(target))).toHaveLength(1000);
  });
});

test('a folder that cannot be written to: one line', async () => {
  target = join(tmp, 'missing', 'blob');
  await expect(download()).rejects.toThrow(
    /missing\/blob\.surgery\.incomplete cannot be written: no such file or folder/,
  );
});
