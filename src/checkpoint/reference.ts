// What `--model` may say → the folder of a checkpoint.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SurgeryError } from '../errors.ts';
import { exists, indexFile, singleFile } from './reader.ts';

export const defaultReference = 'TinyLlama/TinyLlama-1.1B-Chat-v1.0';

/** Folder of the embedded model, its held-out stories (`valid.txt`) and its tasks (`tasks.jsonl`). */
export const pocketFolder = fileURLToPath(new URL('../pocket', import.meta.url));

export interface ResolvedModel {
  /** What names the model in results: the reference as given, or `pocket`. */
  readonly ref: string;
  readonly folder: string;
  /** Set where another model than the default stands in for it: why. */
  readonly notice?: string;
}

/**
 * The folder that a model reference names: a folder, `pocket`, or `org/name[@revision]` in the Hugging Face cache.
 * Without a reference: TinyLlama if the cache holds it, else pocket, with a notice that says so.
 * @throws SurgeryError `model` if it leads to nothing.
 */
export async function resolveModel(ref: string | undefined): Promise<ResolvedModel> {
  if (ref === undefined) {
    const folder = await cachedSnapshot(defaultReference);
    if (folder) return { ref: defaultReference, folder };
    const notice = `${defaultReference} is not in the Hugging Face cache: running the embedded pocket model instead`;
    return { ref: 'pocket', folder: pocketFolder, notice };
  }
  if (ref === 'pocket') return { ref, folder: pocketFolder };
  if (await exists(ref)) return { ref, folder: ref };
  if (!hubName.test(ref)) {
    throw new SurgeryError(
      'model',
      `no folder ${ref}: --model takes a checkpoint folder, pocket, or org/name[@revision]`,
    );
  }
  const folder = await cachedSnapshot(ref);
  if (folder) return { ref, folder };
  // Downloading belongs here: a model that is not cached would be pulled, then resolved again.
  throw new SurgeryError(
    'model',
    `${ref} is neither a folder nor in the Hugging Face cache (${hubCache()}): download it there, or give a folder or pocket`,
  );
}

const hubName = /^(?!.*\.\.)\w[\w.-]*\/\w[\w.-]*(@[\w./-]+)?$/;

/** The Hugging Face cache, found as huggingface_hub does. */
export function hubCache(): string {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HUB_CACHE || join(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'), 'hub');
}

/** Folder of a snapshot: `models--org--name/snapshots/<commit>`, where `refs/<revision>` holds the commit. */
async function cachedSnapshot(ref: string): Promise<string | undefined> {
  const [name = '', revision = 'main'] = ref.split('@');
  const repository = join(hubCache(), `models--${name.replaceAll('/', '--')}`);
  let commit = revision;
  try {
    commit = (await readFile(join(repository, 'refs', revision), 'utf8')).trim();
  } catch {
    // The revision may be a commit itself.
  }
  const folder = join(repository, 'snapshots', commit);
  const weights = (await exists(join(folder, singleFile))) || (await exists(join(folder, indexFile)));
  return weights && (await exists(join(folder, 'config.json'))) ? folder : undefined;
}
