// Files of a repository at one commit → a snapshot in the cache, as Python would have made it.
import { readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolders, writeFileSafely } from '../platform/atomic-files.ts';
import { requireSpace } from '../platform/disk-space.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { FolderInUse, lockFolder } from '../platform/locks.ts';
import { willLeave } from '../platform/shutdown.ts';
import type { HubClient } from './client.ts';
import { downloadBlob, partialOf } from './download.ts';
import { addressOf, type Listing, type RemoteFile } from './listing.ts';
import { hubCache, inside, locksFolder, refPath, repositoryFolder, snapshotFolder } from './paths.ts';

/** Receives a pull's progress and messages. */
export interface PullReporter {
  say(line: string): void;
  step(
    label: string,
    unit: string,
    work: (advance: (done: number, total: number) => void) => Promise<void>,
  ): Promise<unknown>;
}

/** A finished snapshot. */
export interface Pulled {
  readonly folder: string;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  /** Bytes that came over the network for it. */
  readonly received: number;
}

/**
 * Loads the files that `fill` asks for into the snapshot of a listing's commit. The revision's name is written when all
 * are there: until then it stands for what it was. Other processes that pull the repository wait.
 * @throws SurgeryError as {@link downloadBlob} does
 */
export async function pullSnapshot(
  client: HubClient,
  listing: Listing,
  reporter: PullReporter,
  fill: (snapshot: Snapshot) => Promise<void>,
): Promise<Pulled> {
  const { repository, revision, commit } = listing;
  const snapshot = new Snapshot(client, listing, reporter);
  const locks = locksFolder(repository);
  for (const folder of [locks, join(repositoryFolder(repository), 'blobs'), snapshot.folder]) make(folder);
  const unlock = await lockWhenFree(locks, repository.name, client, reporter);
  try {
    await fill(snapshot);
    if (revision !== commit) await writeRef(refPath(repository, revision), commit);
  } finally {
    await unlock();
  }
  const { folder, files, received } = snapshot;
  return { folder, commit, files, received };
}

/** A snapshot that is being filled. */
export class Snapshot {
  readonly folder: string;
  readonly files: RemoteFile[] = [];
  received = 0;
  readonly #client: HubClient;
  readonly #listing: Listing;
  readonly #reporter: PullReporter;

  constructor(client: HubClient, listing: Listing, reporter: PullReporter) {
    this.folder = snapshotFolder(listing.repository, listing.commit);
    this.#client = client;
    this.#listing = listing;
    this.#reporter = reporter;
  }

  /** Downloads the files that are missing. `what` names them in progress messages. */
  async load(what: string, files: readonly RemoteFile[]): Promise<void> {
    const { repository } = this.#listing;
    this.files.push(...files);
    const placed = files.map((file) => ({
      file,
      link: inside(this.folder, file.path),
      blob: join(repositoryFolder(repository), 'blobs', file.etag),
    }));
    const sizes = await Promise.all(placed.map(({ blob }) => sizeOf(blob)));
    const missing = placed.filter(({ file }, i) => sizes[i] !== file.size);
    if (missing.length > 0) {
      const there = await Promise.all(missing.map(({ file, blob }) => partialSize(blob, file)));
      const remaining = sum(missing.map(({ file }) => file.size)) - sum(there);
      const remedy = 'make room, or set HF_HOME to a folder on another disk';
      await requireSpace(hubCache(), remaining, repository.name, remedy);
      const done = willLeave('what has arrived is kept: the same command continues it');
      await this.#reporter
        .step(`Pulling ${what}`, 'bytes', (advance) => this.#download(missing, remaining, advance))
        .finally(done);
    }
    for (const { link, blob, file } of placed) if ((await sizeOf(link)) !== file.size) await place(blob, link);
  }

  /** One file after the other. Progress counts what comes over the network, not what was there. */
  async #download(
    missing: readonly { readonly file: RemoteFile; readonly blob: string }[],
    expected: number,
    advance: (done: number, total: number) => void,
  ): Promise<void> {
    let [received, total] = [0, expected];
    for (const { file, blob } of missing) {
      let last = await partialSize(blob, file);
      const onBytes = (there: number) => {
        if (there < last)
          total += last - there; // it had to start over
        else received += there - last;
        last = there;
        advance(received, total);
      };
      const address = addressOf(this.#client, this.#listing, file.path);
      const subject = { repository: this.#listing.repository, file: file.path };
      await downloadBlob({ client: this.#client, address, file, subject, target: blob, onBytes });
    }
    this.received += received;
  }
}

async function lockWhenFree(folder: string, name: string, { wait }: HubClient, reporter: PullReporter) {
  for (let tries = 0; ; tries++) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!(error instanceof FolderInUse)) throw error;
      if (tries === 0) reporter.say(`Another process pulls ${name}, waiting (${error.message})`);
    }
    await wait(0.5);
  }
}

async function writeRef(path: string, commit: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === commit) return;
  make(dirname(path));
  await writeFileSafely(path, (handle) => handle.writeFile(commit));
}

/** A relative link that takes the place of whatever was there, in one step. */
async function place(blob: string, link: string): Promise<void> {
  const temporary = `${link}.${process.pid}.tmp`;
  make(dirname(link));
  try {
    await rm(temporary, { force: true });
    await symlink(relative(dirname(link), blob), temporary);
    await rename(temporary, link);
  } catch (cause) {
    throw new SurgeryError('output', `${link} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

function make(folder: string): void {
  try {
    makeFolders(folder);
  } catch (cause) {
    const remedy = 'set HF_HOME to a folder that can be written to';
    throw new SurgeryError('output', `${folder} cannot be made: ${systemMessage(cause)}; ${remedy}`, cause);
  }
}

/** Size of the file behind a path, or undefined. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

/** Bytes of an earlier try that a download goes on from. */
async function partialSize(blob: string, { size }: RemoteFile): Promise<number> {
  const there = (await sizeOf(partialOf(blob))) ?? 0;
  return there > size ? 0 : there;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
