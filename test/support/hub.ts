// A server that speaks the Hub's API on this machine: a hub, and a storage host that large files are redirected to.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

export interface HostedFile {
  readonly bytes: Uint8Array;
  /** In Git LFS: named by SHA-256 and kept by the storage host. Other files are named by Git's own hash. */
  readonly lfs: boolean;
}

export interface Repo {
  readonly kind: 'model' | 'dataset';
  readonly name: string;
  readonly commit: string;
  /** Branches and tags of this commit. */
  readonly revisions: readonly string[];
  readonly files: ReadonlyMap<string, HostedFile>;
}

export interface Seen {
  readonly host: 'hub' | 'storage';
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** Answers a request instead of the server; false leaves it to the server. */
export type Hook = (seen: Seen, response: ServerResponse) => boolean;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const gitHash = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
export const etagOf = ({ bytes, lfs }: HostedFile): string => (lfs ? sha256(bytes) : gitHash(bytes));

export class FakeHub {
  readonly seen: Seen[] = [];
  /** Bytes of files that each host has sent. */
  sent = 0;
  hook: Hook = () => false;
  /** Entries of a page of a listing. */
  page = 3;
  readonly #repos: Repo[] = [];
  readonly #hub = createServer((request, response) => this.#answer('hub', request, response));
  readonly #storage = createServer((request, response) => this.#answer('storage', request, response));

  /** A running one, which ends with the test file. */
  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    const servers = [hub.#hub, hub.#storage];
    await Promise.all(servers.map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))));
    afterAll(() => {
      for (const server of servers) server.closeAllConnections();
      return Promise.all(servers.map((server) => new Promise((done) => server.close(done)))).then(() => {});
    });
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  get storage(): string {
    return addressOf(this.#storage);
  }

  /** Forgets what was seen, and answers by itself again. */
  reset(): void {
    this.seen.length = 0;
    this.sent = 0;
    this.hook = () => false;
    this.page = 3;
  }

  /** Puts a repository there; large files, or those of these endings, are in LFS. */
  add(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>>,
    { kind = 'model', commit = gitHash(Buffer.from(name)), revisions = ['main'] }: Partial<Repo> = {},
  ): Repo {
    const hosted = Object.entries(files).map(([path, content]): [string, HostedFile] => [
      path,
      { bytes: Buffer.from(content), lfs: /\.(safetensors|bin|parquet)$/.test(path) },
    ]);
    const repo = { kind, name, commit, revisions, files: new Map(hosted) };
    this.#repos.push(repo);
    return repo;
  }

  /** Paths of the files that were asked for, in their order. */
  get resolved(): string[] {
    return this.seen.flatMap(({ host, path }) =>
      host === 'hub' ? (/\/resolve\/[^/]+\/(.*)$/.exec(path)?.[1] ?? []) : [],
    );
  }

  #answer(host: Seen['host'], request: IncomingMessage, response: ServerResponse): void {
    const seen = { host, path: request.url ?? '', headers: request.headers };
    this.seen.push(seen);
    if (this.hook(seen, response)) return;
    const { pathname, searchParams } = new URL(seen.path, 'http://hub');
    const path = decodeURIComponent(pathname);
    if (host === 'storage') this.#storageFile(path, seen, response);
    else if (path.startsWith('/api/')) this.#api(path, searchParams, response);
    else this.#resolve(path, seen, response);
  }

  #find(kind: string | undefined, name: string | undefined, revision: string): Repo | undefined | 'no revision' {
    const own = this.#repos.filter((repo) => repo.name === name && repo.kind === kind);
    const found = own.find(({ commit, revisions }) => commit === revision || revisions.includes(revision));
    return found ?? (own.length > 0 ? 'no revision' : undefined);
  }

  #api(path: string, query: URLSearchParams, response: ServerResponse): void {
    const [, kinds, name, verb, revision = ''] =
      /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/(.+?)$/.exec(path) ?? [];
    const repo = this.#find(kinds?.slice(0, -1), name, revision);
    if (repo === undefined) return void refuse(response, 401, 'RepoNotFound');
    if (repo === 'no revision') return void refuse(response, 404, 'RevisionNotFound');
    if (verb === 'revision')
      return void json(response, { _id: '1', id: name, sha: repo.commit, lastModified: '2024-01-01' });
    const entries = [...repo.files].map(([file, hosted]) => entryOf(file, hosted));
    const folders = [...new Set([...repo.files.keys()].flatMap((file) => /^(.*)\//.exec(file)?.[1] ?? []))];
    const all = [
      ...folders.map((folder) => ({ type: 'directory', path: folder, size: 0, oid: gitHash(Buffer.from(folder)) })),
      ...entries.filter((entry) => query.get('recursive') === 'true' || !entry.path.includes('/')),
    ];
    const from = Number(query.get('cursor') ?? 0);
    query.set('cursor', String(from + this.page));
    const next = from + this.page < all.length ? `<${this.endpoint}${path}?${query}>; rel="next"` : undefined;
    return void json(response, all.slice(from, from + this.page), next ? { link: next } : {});
  }

  #resolve(path: string, seen: Seen, response: ServerResponse): void {
    const [, datasets, name, revision = '', file = ''] =
      /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const repo = this.#find(datasets ? 'dataset' : 'model', name, revision);
    if (repo === undefined || repo === 'no revision') return void refuse(response, 404, 'RepoNotFound');
    const hosted = repo.files.get(file);
    if (!hosted) return void refuse(response, 404, 'EntryNotFound');
    if (!hosted.lfs) return void this.#send(hosted, seen, response, { 'x-repo-commit': repo.commit });
    const { bytes } = hosted;
    response.writeHead(302, {
      location: `${this.storage}/${sha256(bytes)}`,
      'x-repo-commit': repo.commit,
      'x-linked-etag': `"${sha256(bytes)}"`,
      'x-linked-size': bytes.length,
    });
    response.end();
  }

  #storageFile(path: string, seen: Seen, response: ServerResponse): void {
    const all = this.#repos.flatMap(({ files }) => [...files.values()]);
    const hosted = all.find(({ bytes, lfs }) => lfs && path === `/${sha256(bytes)}`);
    if (hosted) this.#send(hosted, seen, response, {});
    else refuse(response, 404, '');
  }

  /** A file, or the range of it that is asked for, unless it has changed by If-Range. */
  #send(file: HostedFile, { headers }: Seen, response: ServerResponse, more: Record<string, string>): void {
    const { bytes } = file;
    const etag = `"${etagOf(file)}"`;
    const isSame = headers['if-range'] === undefined || headers['if-range'] === etag;
    const from = isSame ? Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
    if (from >= bytes.length && from > 0) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const part = bytes.subarray(from);
    this.sent += part.length;
    response.writeHead(from > 0 ? 206 : 200, {
      ...more,
      etag,
      'content-length': part.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    response.end(part);
  }
}

/** How the Hub lists a file. */
export function entryOf(path: string, file: HostedFile): Record<string, unknown> & { path: string } {
  const { bytes, lfs } = file;
  const pointer = Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`,
  );
  return {
    type: 'file',
    path,
    size: bytes.length,
    oid: gitHash(lfs ? pointer : bytes),
    ...(lfs ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: pointer.length } } : {}),
  };
}

/**
 * Sends the bytes of a file from the first up to the second, under headers that promise all, and tears the connection
 * down when `arrived` says that they are there.
 */
export function cut(
  response: ServerResponse,
  bytes: Uint8Array,
  [from, to]: readonly [number, number],
  arrived: () => boolean,
  etag?: string,
): void {
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    ...(etag ? { etag } : {}),
  });
  response.write(bytes.subarray(from, to));
  response.flushHeaders();
  const tear = () => (arrived() ? response.destroy() : setImmediate(tear));
  tear();
}

export function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'x-error-code': code, ...headers }).end();
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
