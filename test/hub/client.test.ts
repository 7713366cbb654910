// What the Hub and the way to it may answer: redirects, refusals, pauses, proxies, and where the token goes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { HubClient, pauses, redirected } from '../../src/hub/client.ts';
import { listRepository } from '../../src/hub/listing.ts';
import { accessToken, inside, offlineBy, type Repository } from '../../src/hub/paths.ts';
import { proxyFor } from '../../src/hub/proxy.ts';
import { FakeHub, refuse } from '../support/hub.ts';
import { temporaryFolder } from '../support/paths.ts';

const hub = await FakeHub.start();
const tmp = temporaryFolder();
const repository: Repository = { kind: 'model', name: 'some/model' };
const repo = hub.add('some/model', { 'config.json': '{}', 'model.safetensors': 'weights' });
const waits: number[] = [];
const secret = 'hf_secretsecret';

beforeEach(() => {
  for (const name of ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'])
    for (const one of [name, name.toUpperCase()]) vi.stubEnv(one, '');
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', secret);
  vi.stubEnv('HF_HOME', join(tmp, 'no-home'));
  hub.reset();
  waits.length = 0;
  return () => vi.unstubAllEnvs();
});

const client = () => HubClient.open(async (seconds) => waits.push(seconds));
const get = async (file: string, headers = {}) =>
  (await client()).get(`${hub.endpoint}/some/model/resolve/${repo.commit}/${file}`, { repository, file }, headers);
const list = async (name = 'some/model', revision = 'main') =>
  listRepository(await client(), { kind: 'model', name }, revision);
/** Has the server answer so, always or some times. */
function always(answer: (response: ServerResponse, path: string) => unknown, times = Number.POSITIVE_INFINITY): void {
  let left = times;
  hub.hook = ({ path }, response) => {
    if (left-- <= 0) return false;
    answer(response, path);
    return true;
  };
}

/** The message of what is thrown: one line, and never the token. */
const failure = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  const message = error instanceof Error ? error.message : '';
  expect(error).toMatchObject({ name: 'SurgeryError' });
  expect(message).not.toMatch(/\n|secret/);
  return message;
};

describe('the token', () => {
  test('goes to the Hub with every request, and not to the host that it redirects to', async () => {
    await list();
    expect(await (await get('model.safetensors')).text()).toBe('weights');
    const sent = (host: string) =>
      hub.seen.filter((one) => one.host === host).map(({ headers }) => headers.authorization);
    expect(new Set(sent('hub'))).toEqual(new Set([`Bearer ${secret}`]));
    expect(sent('storage')).toEqual([undefined]);
  });

  test('is not sent along where the next page of a list is elsewhere', async () => {
    hub.hook = ({ path }, response) => {
      if (!path.includes('/tree/')) return false;
      response.writeHead(200, { link: `<${hub.storage}/steal>; rel="next"` }).end('[]');
      return true;
    };
    await failure(list());
    expect(hub.seen.at(-1)).toMatchObject({ host: 'storage', path: '/steal' });
    expect(hub.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  test('comes from HF_TOKEN, else from the file that hf auth login writes', async () => {
    expect(await accessToken()).toBe(secret);
    vi.stubEnv('HF_TOKEN', '');
    expect(await accessToken()).toBeUndefined();
    mkdirSync(join(tmp, 'home'));
    writeFileSync(join(tmp, 'home/token'), 'hf_fromfile\n');
    vi.stubEnv('HF_HOME', join(tmp, 'home'));
    expect(await accessToken()).toBe('hf_fromfile');
    vi.stubEnv('HF_TOKEN', 'hf_secret\nX: y');
    expect(await failure(accessToken())).toMatch(/^HF_TOKEN holds characters that no token has/);
  });
});

describe('a refusal', () => {
  test.each<[string, number, string, RegExp]>([
    [
      'a gated model',
      403,
      'GatedRepo',
      /^some\/model is gated: accept its licence at .*\/some\/model, then use the token of an account/,
    ],
    ['a gated model, 401', 401, 'GatedRepo', /is gated: accept its licence/],
    ['a forbidden one', 403, '', /forbids reading the model some\/model \(403\)/],
    ['a token that is wrong', 401, '', /refuses the token for some\/model \(401\): set HF_TOKEN/],
    [
      'a missing or private model',
      401,
      'RepoNotFound',
      /has no model some\/model \(401\): check the name, or if it is private/,
    ],
    ['a missing model', 404, '', /has no model some\/model \(404\)/],
    ['a missing revision', 404, 'RevisionNotFound', /^some\/model has no revision "main"/],
    ['an answer that nobody knows', 418, '', /answers with an error \(418\) for some\/model$/],
  ])('%s', async (_name, status, code, message) => {
    always((response) => refuse(response, status, code));
    expect(await failure(list())).toMatch(message);
    expect(hub.seen).toHaveLength(1); // trying again would not help
  });

  test('without a token it says to set one', async () => {
    vi.stubEnv('HF_TOKEN', '');
    always((response) => refuse(response, 401, 'GatedRepo'));
    expect(await failure(list())).toMatch(/accept its licence at .*, then set HF_TOKEN/);
  });

  test('by the server of the tests as by the Hub', async () => {
    expect(await failure(list('no/model'))).toMatch(/has no model no\/model \(401\)/);
    expect(await failure(list('some/model', 'v9'))).toMatch(/has no revision "v9"/);
    expect(await failure(get('lost.json'))).toMatch(/some\/model has no file "lost\.json" \(404\)/);
  });
});

describe('what may pass is tried again', () => {
  test.each([429, 500, 502, 503, 504])('%i, after pauses that grow', async (status) => {
    always((response) => refuse(response, status, ''), 3);
    expect((await list()).files).toHaveLength(2);
    expect(waits).toEqual(pauses.slice(0, 3));
  });

  test('as long as the Hub asks for, if that is short', async () => {
    always((response) => refuse(response, 429, '', { 'retry-after': '7' }), 1);
    await list();
    expect(waits).toEqual([7]);
    always((response) => refuse(response, 429, '', { 'retry-after': '3600' }));
    expect(await failure(list())).toMatch(/asks to wait 3600 s \(429\): try again then/);
    expect(waits).toEqual([7]);
  });

  test.each([429, 503])('%i for ever is given up', async (status) => {
    always((response) => refuse(response, status, ''));
    expect(await failure(list())).toMatch(
      status === 429 ? /says there were too many requests \(429\)/ : /answers with an error \(503\)/,
    );
    expect(waits).toEqual(pauses);
    expect(hub.seen).toHaveLength(pauses.length + 1);
  });

  test('a list that is cut off', async () => {
    let left = 1;
    hub.hook = (_, response) => {
      if (left-- <= 0) return false;
      response.writeHead(200, { 'content-length': 1000 }).write('{"sha":', () => response.destroy());
      return true;
    };
    expect((await list()).commit).toBe(repo.commit);
  });

  test('a list without an end, in pages or in bytes, is given up', async () => {
    hub.hook = ({ path }, response) => {
      if (!path.includes('/tree/')) return false;
      response.writeHead(200, { link: `<${hub.endpoint}${path}>; rel="next"` }).end('[]');
      return true;
    };
    expect(await failure(list())).toMatch(/a list of files without an end/);
    expect(hub.seen).toHaveLength(1000);
    const spaces = Buffer.alloc(1 << 20, ' ');
    always((response) => {
      const more = () => response.destroyed || response.write(spaces, () => setImmediate(more));
      more();
    });
    expect(await failure(list())).toMatch(/a list of files without an end/);
  });

  test('but not a host that was never reached', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${port}`);
    expect(await failure(list())).toBe(`http://127.0.0.1:${port} cannot be reached: the connection is refused`);
    expect(waits).toEqual([]);
  });
});

describe('redirects', () => {
  test('in a circle', async () => {
    always((response, path) => response.writeHead(302, { location: path }).end());
    expect(await failure(list())).toMatch(/redirects more than 8 times/);
    expect(hub.seen).toHaveLength(9);
  });

  test.each([
    ['http://a/', 'file:///etc/passwd', null],
    ['https://a/', 'http://a/', null],
    ['https://a/', 'http://[', null],
    ['https://a/b/c', '../d', 'https://a/d'],
    ['http://a/', 'https://b/', 'https://b/'],
  ])('%s to %s', (from, location, to) => {
    const go = () => redirected(new URL(from), location).href;
    if (to === null) expect(go).toThrow(/redirects to an address that is not safe/);
    else expect(go()).toBe(to);
  });
});

describe('a proxy', () => {
  const asked: string[] = [];
  let status = 407;
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
  });
  const listening = new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  afterAll(() => void proxy.close());

  test.each([
    [407, /through the proxy 127\.0\.0\.1:\d+: it answers 407: it wants a user name and password$/],
    [502, /through the proxy .*: it answers 502$/],
  ])('that answers %i is named by its host, without its password', async (answer, message) => {
    await listening;
    status = answer;
    const { port } = proxy.address() as AddressInfo;
    vi.stubEnv('HTTP_PROXY', `http://user${answer}:secret@127.0.0.1:${port}`);
    expect(await failure(list())).toMatch(message);
    expect(asked.at(-1)).toBe(new URL(hub.endpoint).host);
    expect(hub.seen).toEqual([]);
  });

  test('that is not there', async () => {
    vi.stubEnv('ALL_PROXY', '127.0.0.1:1');
    expect(await failure(list())).toMatch(
      /cannot be reached through the proxy 127\.0\.0\.1:1: the connection is refused/,
    );
  });

  test('that is no address', async () => {
    vi.stubEnv('http_proxy', 'socks5://secret@x');
    expect(await failure(list())).toMatch(/proxy for 127\.0\.0\.1:\d+ is not an http:\/\/ or https:\/\/ address/);
  });

  test.each([
    ['', 'http://p:1'],
    ['*', undefined],
    ['hub.org', undefined],
    ['.hub.org', undefined],
    ['hub.org:443', 'http://p:1'],
    ['hub.org:8443', undefined],
    ['b.org, a.hub.org', undefined],
    ['ub.org', 'http://p:1'],
  ])('is left out by NO_PROXY=%s', (list, expected) => {
    vi.stubEnv('HTTPS_PROXY', 'p:1');
    vi.stubEnv('no_proxy', list);
    expect(proxyFor(new URL('https://a.hub.org:8443/x'))).toBe(expected);
  });
});

test.each(['ftp://hub', 'nonsense', 'https://user:secret@hub', 'https://hub?x'])('HF_ENDPOINT=%s', async (endpoint) => {
  vi.stubEnv('HF_ENDPOINT', endpoint);
  expect(await failure(client())).toMatch(/^HF_ENDPOINT is not a plain http/);
});

test('the network is off by option or environment', () => {
  vi.stubEnv('HF_HUB_OFFLINE', '0');
  expect(offlineBy(undefined)).toBeUndefined();
  expect(offlineBy(true)).toBe('--offline');
  for (const value of ['1', 'ON', 'yes', 'true']) {
    vi.stubEnv('HF_HUB_OFFLINE', value);
    expect(offlineBy(undefined)).toBe('HF_HUB_OFFLINE');
  }
});

test.each(['../x', '/etc/x', 'a/../../x', 'a//x', './x', '', 'a\\x', 'a\0x', 'C:x', 'a\nx'])(
  'a file named %j lies in no folder',
  (name) => expect(() => inside('/cache', name)).toThrow(/would lie outside its folder/),
);
