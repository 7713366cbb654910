// Location and layout of the Hugging Face cache, as in Python's huggingface_hub: `blobs/<etag>` hold the
// bytes, `snapshots/<commit>/<file>` are links to them, `refs/<revision>` names a commit.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SurgeryError } from '../platform/errors.ts';
import { cacheHome, expanded } from '../platform/paths.ts';

/** A repository of the Hub, by its full name `org/name`. */
export interface Repository {
  readonly kind: 'model' | 'dataset';
  readonly name: string;
}

/** `org/name`, without anything that could lead elsewhere in a path or an address. */
export const repositoryName = /^(?!.*\.\.)\w[\w.-]*\/\w[\w.-]*$/;

/** The folder of all cached repositories. */
export function hubCache(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return expanded(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(hubHome(), 'hub'));
}

function hubHome(): string {
  return expanded(process.env.HF_HOME || join(cacheHome(), 'huggingface'));
}

/** `$HF_TOKEN`, else the file that `hf auth login` writes. @throws SurgeryError `usage` for what cannot be one */
export async function accessToken(): Promise<string | undefined> {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_HUB_DISABLE_IMPLICIT_TOKEN } = process.env;
  if (isTrue(HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const file = tokenFile();
  const given = (HF_TOKEN || HUGGING_FACE_HUB_TOKEN || '').trim();
  const token = given || (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token || undefined;
  throw new SurgeryError('usage', `${given ? 'HF_TOKEN' : file} holds characters that no token has: set it again`);
}

/** Where `hf auth login` writes the token. */
export function tokenFile(): string {
  return expanded(process.env.HF_TOKEN_PATH || join(hubHome(), 'token'));
}

/** Whether the network is off, and by what. HF_HUB_OFFLINE=0 overrules TRANSFORMERS_OFFLINE, as in huggingface_hub. */
export function offlineBy(option: boolean | undefined): string | undefined {
  if (option) return '--offline';
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((one) => process.env[one]);
  return name !== undefined && isTrue(process.env[name]) ? name : undefined;
}

/** Whether an environment variable is on, by the rule of huggingface_hub. */
function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? '');
}

/** `models--org--name` in the cache. */
export function repositoryFolder({ kind, name }: Repository): string {
  return join(hubCache(), `${kind}s--${name.replaceAll('/', '--')}`);
}

/** Folder in which processes agree on who fills a repository's. */
export function locksFolder({ kind, name }: Repository): string {
  return join(hubCache(), '.locks', `${kind}s--${name.replaceAll('/', '--')}`);
}

/** Whether a text is a whole commit hash. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

/** Folder of the snapshot that the cache has of a revision, which may be a commit; it may lack files. */
export async function cachedSnapshot(repository: Repository, revision: string): Promise<string | undefined> {
  const named = await readFile(refPath(repository, revision), 'utf8').catch(() => revision);
  const folder = snapshotFolder(repository, named.trim());
  return isCommit(named.trim()) && (await stat(folder).catch(() => undefined))?.isDirectory() ? folder : undefined;
}

/** The file that says which commit a revision was when it was last pulled. */
export function refPath(repository: Repository, revision: string): string {
  return inside(join(repositoryFolder(repository), 'refs'), revision);
}

export function snapshotFolder(repository: Repository, commit: string): string {
  return join(repositoryFolder(repository), 'snapshots', commit);
}

/** Where a repository's file lies. @throws SurgeryError `network` for a name that leads out of the folder */
export function inside(folder: string, file: string): string {
  const isPlain = !/[\\\p{Cc}]/u.test(file) && file.split('/').every((part) => !['', '.', '..'].includes(part));
  if (isPlain && !/^[a-z]:/i.test(file)) return join(folder, file);
  throw new SurgeryError(
    'network',
    `the Hub names the file ${JSON.stringify(file)}, which would lie outside its folder in the cache: nothing was written`,
  );
}
