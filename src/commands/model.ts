// The first steps of every command: find the model, open it, and identify it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Checkpoint } from '../checkpoint/reader.ts';
import { resolveModel } from '../hub/model-reference.ts';
import { cacheFolder, keep, onRefusal } from '../platform/cache.ts';
import { type Advance, Progress } from '../report/terminal/progress.ts';
import type { ModelInfo } from '../results/shapes.ts';
import { checkpointIdentity } from '../runtime/identity.ts';
import type { ModelOptions } from './options.ts';

export interface OpenModel {
  readonly checkpoint: Checkpoint;
  /** What is known without reading the weights. */
  readonly info: Omit<ModelInfo, 'sha256'>;
  /** A reference that resolves to the same model on any machine, also later. */
  readonly pinned: string;
}

/**
 * Resolves the reference, which may download a model from the Hub, and opens the checkpoint. A notice on stderr says so if
 * pocket replaces the default model.
 */
export async function openModel(
  ref: string | undefined,
  options: Pick<ModelOptions, 'offline' | 'quiet'>,
): Promise<OpenModel> {
  const access = { offline: options.offline, reporter: progressOf(options) };
  const { ref: name, pinned, folder, notice } = await resolveModel(ref, access);
  if (notice) process.stderr.write(`${notice} (--model names another)\n`);
  const checkpoint = await Checkpoint.open(folder);
  const { config, parameters, dtype } = checkpoint;
  const info = {
    ref: name,
    path: folder,
    architecture: config.architecture,
    layers: config.layers,
    parameters,
    dtype,
    vocabulary: config.vocabSize,
    ...(notice ? { notice } : {}),
  };
  return { checkpoint, info, pinned };
}

/** Adds the hash of the weights. It takes seconds at a billion parameters, so call it after all checks. */
export async function identify({ checkpoint, info }: OpenModel, progress: Progress): Promise<ModelInfo> {
  const { value: sha256 } = await progress.step(`Reading ${info.ref}`, 'bytes', (advance) =>
    hashShards(checkpoint, advance),
  );
  return { ...info, sha256 };
}

/** Reports progress on stderr, including anything that could not be cached. */
export function progressOf({ quiet }: Pick<ModelOptions, 'quiet'>): Progress {
  const progress = new Progress(quiet ?? false);
  onRefusal((why) => progress.say(`(not kept in the cache: ${why})`));
  return progress;
}

/** Prints a result on stdout: as one JSON document with --json, else as text. */
export function print(options: Pick<ModelOptions, 'json'>, result: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : `${text()}\n`);
}

export function versions(): Readonly<Record<'surgery' | 'node' | 'onnxruntime', string>> {
  const require = createRequire(import.meta.url);
  return {
    surgery: require('../../package.json').version,
    node: process.versions.node,
    onnxruntime: require('onnxruntime-node/package.json').version,
  };
}

/** SHA-256 of a value as JSON, in hexadecimal. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/**
 * SHA-256 of the concatenated safetensors files, in hexadecimal. Hashing takes longer than loading 8-bit weights, so the
 * result is cached until the files change.
 */
async function hashShards(checkpoint: Checkpoint, advance: Advance): Promise<string> {
  const path = join(cacheFolder('sha256'), await checkpointIdentity(checkpoint));
  const known = await readFile(path, 'utf8').catch(() => '');
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const hash = createHash('sha256');
  const total = checkpoint.shards.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const { file } of checkpoint.shards) {
    for await (const bytes of createReadStream(join(checkpoint.folder, file), { highWaterMark: 1 << 22 })) {
      hash.update(bytes);
      done += bytes.length;
      advance(done, total);
    }
  }
  const digest = hash.digest('hex');
  await keep(path, digest.length, (handle) => handle.writeFile(digest));
  return digest;
}
