// What a repository holds at a revision: the commit and its files, as @huggingface/hub lists them.

import { z } from 'zod';
import { messageOf, SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import type { HubClient } from './client.ts';
import { isCommit, type Repository } from './paths.ts';

/** A file of a repository, with its size and hash. */
export interface RemoteFile {
  /** Path in the repository. Untrusted. */
  readonly path: string;
  readonly size: number;
  /** How it is checked and named in `blobs/`: SHA-256 of the bytes (Git LFS), or Git's own SHA-1 of a small file. */
  readonly etag: string;
}

/** A repository at one commit. */
export interface Listing {
  readonly repository: Repository;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: z.int().nonnegative(),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() }).optional(),
});

/**
 * The files of a repository at a revision.
 * @throws SurgeryError as {@link HubClient.get}, and `network` for an answer that is not a list of files
 */
export async function listRepository(client: HubClient, repository: Repository, revision: string): Promise<Listing> {
  const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub');
  const { kind, name } = repository;
  const subject = { repository, revision };
  const access = { hubUrl: client.endpoint, fetch: client.fetchAbout(subject) };
  try {
    const wanted = { name, revision, additionalFields: ['sha' as const], ...access };
    const { sha: commit } = await (kind === 'model' ? modelInfo(wanted) : datasetInfo(wanted));
    if (!isCommit(commit)) throw new TypeError('a commit was expected');
    const files: RemoteFile[] = [];
    const recursive = kind === 'dataset'; // all that a model needs is at its top
    for await (const listed of listFiles({ repo: { type: kind, name }, revision: commit, recursive, ...access })) {
      const { type, path, size, oid, lfs } = entrySchema.parse(listed);
      if (type === 'file') files.push({ path, size: lfs?.size ?? size, etag: lfs?.oid ?? oid });
    }
    return { repository, revision, commit, files };
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    const what = cause instanceof z.ZodError ? itemAt(cause.issues, 0).path.join('.') : messageOf(cause);
    throw new SurgeryError(
      'network',
      `${client.endpoint} gives no list of ${name}'s files that can be read: ${what}`,
      cause,
    );
  }
}

/** Where a file is downloaded. */
export function addressOf(
  { endpoint }: HubClient,
  { repository: { kind, name }, commit }: Listing,
  path: string,
): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return `${endpoint}/${kind === 'dataset' ? 'datasets/' : ''}${name}/resolve/${commit}/${encoded}`;
}
