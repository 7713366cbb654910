// Finds a model's files by name: only regular files inside its folder, up to a maximum size.

import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { programName } from '../platform/program.ts';

/** The largest size of each kind of file, in bytes: larger than any file in use. */
export const maxBytes = {
  config: 1_000_000, // config.json, generation_config.json
  template: 1_000_000, // chat_template.jinja
  tokenizerConfig: 16_000_000, // with a chat template and added tokens
  index: 32_000_000, // one line per tensor
  tokenizer: 64_000_000, // with a vocabulary and merges
} as const;

/**
 * Real path of a file in a model's folder, undefined where there is none.
 *
 * A symbolic link may lead to another file in the folder, or into a Hugging Face cache: to a blob of a model there, as
 * `huggingface-cli download --local-dir` once made them, or from `snapshots/<commit>` to the `blobs` of the same
 * repository or to those that repositories of the cache share. Nowhere else: a downloaded folder could otherwise have
 * other files of this machine read, and copied into results.
 * @throws SurgeryError `checkpoint` for a link that leaves, for what is not a file (a pipe would be waited on for ever),
 * and for a Git LFS pointer
 */
export async function locate(folder: string, name: string): Promise<string | undefined> {
  const path = join(folder, name);
  try {
    const real = await realpath(path);
    const roots = await rootsOf(folder);
    if (!blobPath.test(real) && !roots.some((root) => real.startsWith(root + sep)))
      throw new SurgeryError(
        'checkpoint',
        `${path} leads to ${real}, outside the model's folder: put the file itself there (a link may lead out to a model's blobs in a Hugging Face cache alone)`,
      );
    const found = await stat(real);
    if (!found.isFile())
      throw new SurgeryError('checkpoint', `${path} is ${found.isDirectory() ? 'a folder' : 'a device'}, not a file`);
    if (await isPointer(real, found.size))
      throw new SurgeryError(
        'checkpoint',
        `${path} is a Git LFS pointer, which stands for the file: run git lfs pull in its repository, or pull the model with ${programName()} pull`,
      );
    return real;
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SurgeryError('checkpoint', `${path} cannot be read: ${systemMessage(cause)}`, cause);
  }
}

/**
 * A blob of a model in any Hugging Face cache. It is named by the hash of its content (SHA-1 as Git has it, or SHA-256),
 * so a link to it gives away nothing to whoever made the link.
 */
const blobPath = /[/\\]models--[^/\\]+[/\\]blobs[/\\][0-9a-f]{40}([0-9a-f]{24})?$/;

/** First line of a Git LFS pointer. None is longer than `mostPointerBytes`. */
const pointerStart = 'version https://git-lfs.github.com/spec/v1';
const mostPointerBytes = 1024;

async function isPointer(path: string, bytes: number): Promise<boolean> {
  if (bytes < pointerStart.length || bytes > mostPointerBytes) return false;
  return (await readFile(path, 'latin1')).startsWith(pointerStart);
}

/**
 * Text of a file in a model's folder, undefined where there is none.
 * @throws SurgeryError `checkpoint` as {@link locate}, and for a file of more than `most` bytes, of which nothing is read
 */
export async function readText(folder: string, name: string, most: number): Promise<string | undefined> {
  const real = await locate(folder, name);
  if (real === undefined) return undefined;
  const path = join(folder, name);
  try {
    const handle = await open(real, 'r');
    try {
      const { size } = await handle.stat();
      if (size > most)
        throw new SurgeryError('checkpoint', `${path} is ${size} bytes long, at most ${most} are read: it is damaged`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof SurgeryError) throw cause;
    throw new SurgeryError('checkpoint', `${path} cannot be read: ${systemMessage(cause)}`, cause);
  }
}

/** The folders whose files belong to the model in `folder`. */
async function rootsOf(folder: string): Promise<string[]> {
  const own = await realpath(folder);
  const snapshots = dirname(own);
  if (basename(snapshots) !== 'snapshots') return [own];
  const repository = dirname(snapshots);
  return [own, ...[repository, dirname(repository)].map((folder) => join(folder, 'blobs'))];
}
