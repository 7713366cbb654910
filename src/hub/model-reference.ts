// A model reference, as `--model` takes it → the folder of a checkpoint.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exists } from '../checkpoint/reader.ts';
import { quoted } from '../platform/command-line.ts';
import { SurgeryError } from '../platform/errors.ts';
import { programName } from '../platform/program.ts';
import { cachedModel } from './cached.ts';
import { hubCache, offlineBy, type Repository, repositoryName } from './paths.ts';
import type { Pulled, PullReporter } from './snapshot.ts';

export const defaultReference = 'TinyLlama/TinyLlama-1.1B-Chat-v1.0';

/** Folder of the embedded model, its held-out stories (`valid.txt`) and its tasks (`tasks.jsonl`). */
export const pocketFolder = fileURLToPath(new URL('../pocket', import.meta.url));

export interface ResolvedModel {
  /** What names the model in results: the reference as given, or `pocket`. */
  readonly ref: string;
  /** The same with the commit for a model of the Hub, so that it names the same weights later. */
  readonly pinned: string;
  readonly folder: string;
  /** Why another model stands in for the default one. Unset otherwise. */
  readonly notice?: string;
}

/** Whether the network may be used, and who is notified of downloads. */
export interface HubAccess {
  readonly offline?: boolean | undefined;
  /** Receives progress and notices. Default: none. */
  readonly reporter?: PullReporter;
}

const silent: PullReporter = { say: () => {}, step: (_label, _unit, work) => work(() => {}) };

/**
 * The folder that a model reference names: a folder, `pocket`, or `org/name[@revision]` in the Hugging Face cache or,
 * if it is not there, on the Hub, from where it is pulled. Without a reference: TinyLlama if it is in one of the two,
 * else pocket, with a notice that says so.
 * @throws SurgeryError `model` if it leads to nothing, else as {@link pullReference}
 */
export async function resolveModel(ref: string | undefined, access: HubAccess = {}): Promise<ResolvedModel> {
  if (ref === undefined) return defaultModel(access);
  if (ref === 'pocket') return { ref, pinned: ref, folder: pocketFolder };
  if (await exists(ref)) return { ref, pinned: ref, folder: ref };
  const { repository, revision } = parseReference(
    ref,
    '--model takes a checkpoint folder, pocket, or org/name[@revision]',
  );
  const folder = await cachedModel(repository, revision);
  if (folder) return { ref, pinned: pinned(repository, basename(folder)), folder };
  const off = offlineBy(access.offline);
  if (off !== undefined) {
    throw new SurgeryError(
      'model',
      `${ref} is neither a folder nor whole in the Hugging Face cache (${hubCache()}), and ${off} keeps the network off: ` +
        `pull it where there is one (${programName()} pull ${quoted(ref)}), or give a folder or pocket`,
    );
  }
  return pulled(ref, repository, access);
}

async function pulled(ref: string, repository: Repository, { reporter }: HubAccess): Promise<ResolvedModel> {
  const { folder, commit } = await pullReference(ref, reporter);
  return { ref, pinned: pinned(repository, commit), folder };
}

function pinned({ name }: Repository, commit: string): string {
  return `${name}@${commit}`;
}

/** pocket stands in only for a model that is unavailable. A failed download is an error, and can be resumed. */
async function defaultModel(access: HubAccess): Promise<ResolvedModel> {
  const { repository, revision } = parseReference(defaultReference, '');
  const cached = await cachedModel(repository, revision);
  if (cached) return { ref: defaultReference, pinned: pinned(repository, basename(cached)), folder: cached };
  const standIn = (why: string): ResolvedModel => {
    const notice = `${defaultReference} is not in the Hugging Face cache, and ${why}: running the embedded pocket model instead`;
    return { ref: 'pocket', pinned: 'pocket', folder: pocketFolder, notice };
  };
  const off = offlineBy(access.offline);
  if (off !== undefined) return standIn(`${off} keeps the network off`);
  try {
    return await pulled(defaultReference, repository, access);
  } catch (error) {
    if (error instanceof NotListed) return standIn(error.message);
    throw error;
  }
}

/** Whether the Hub's list of the model's files could not be had. */
class NotListed extends SurgeryError {}

/**
 * Pulls `org/name[@revision]` from the Hub: what the cache lacks of it is loaded.
 * @throws SurgeryError `network` if the Hub cannot be reached, `model` if it has no such model or it may not be read,
 * `unsupported` for one that this program cannot run, `output` if it cannot be written
 */
export async function pullReference(ref: string, reporter: PullReporter = silent): Promise<Pulled> {
  const { repository, revision } = parseReference(ref, `${programName()} pull takes org/name[@revision]`);
  // Loaded when needed: most commands find their model in the cache.
  const [{ HubClient }, { listModel, pullModel }] = await Promise.all([import('./client.ts'), import('./model.ts')]);
  const client = await HubClient.open();
  const listing = await listModel(client, repository.name, revision).catch((error: unknown) => {
    throw error instanceof SurgeryError ? new NotListed(error.code, error.message, error) : error;
  });
  return pullModel(client, listing, reporter);
}

/** @throws SurgeryError `model` for anything that is not a model name on the Hub */
function parseReference(ref: string, allowed: string): { repository: Repository; revision: string } {
  const [name = '', revision = 'main', ...more] = ref.split('@');
  if (repositoryName.test(name) && revisionName.test(revision) && more.length === 0)
    return { repository: { kind: 'model', name }, revision };
  throw new SurgeryError('model', `no folder ${ref}: ${allowed}`);
}

const revisionName = /^(?!.*\.\.)\w[\w.-]*(\/\w[\w.-]*)*$/;
