// A checkpoint with some tensors replaced → a folder that any Hugging Face reader opens.
import { join } from 'node:path';
import {
  type AllowedOptions,
  aCount,
  aFunction,
  aText,
  isPlainObject,
  oneOfWords,
  requireArgument,
  requireOptions,
} from '../platform/arguments.ts';
import { append, copySafely, writeFileSafely, writeFolderSafely } from '../platform/atomic-files.ts';
import { SurgeryError } from '../platform/errors.ts';
import { biasesToWrite, biasFields, withBiases } from './added-biases.ts';
import { fromFloat32, isWeightDtype, torchDtype, type WeightDtype, weightDtypes } from './dtypes.ts';
import { buildHeader } from './header.ts';
import { biasShape, layerOf } from './names.ts';
import { type Checkpoint, indexFile, requireCheckpoint, singleFile } from './reader.ts';
import { locate, maxBytes, readText } from './safe-paths.ts';
import { cutFiles, type PlannedFile, sourceFiles } from './shards.ts';

/** Rebuilt tensors by name, row-major; all others come from the source. */
export type Replacements = ReadonlyMap<string, Float32Array>;

/** Rebuilt tensors a layer at a time, so that they are never held whole. */
export interface LayeredReplacements {
  /** Their names; may be left out if none of them is a bias that the source lacks. */
  readonly touched?: readonly string[];
  /** A layer's rebuilt tensors by name; empty if the layer does not change. */
  edit(layer: number): Promise<Replacements>;
}

export interface WriteOptions {
  /** The dtype of all weights. Default: each tensor keeps its own. */
  readonly dtype?: WeightDtype | undefined;
  /** Maximum bytes of tensors in a file. Default: the source's division into files. */
  readonly maxShardBytes?: number | undefined;
  /** Added to the files' existing `__metadata__`. */
  readonly provenance?: Readonly<Record<string, string>>;
  /** Called with the bytes written so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

const writeOptions: AllowedOptions<WriteOptions> = {
  dtype: oneOfWords(weightDtypes),
  maxShardBytes: aCount(1),
  provenance: {
    words: 'an object of strings',
    test: (value) => isPlainObject(value) && Object.values(value).every((text) => typeof text === 'string'),
  },
  onProgress: aFunction,
};

/** transformers refuses metadata that does not say which framework the tensors are laid out for. */
const torch = { format: 'pt' };

/** Files other than weights that transformers and llama.cpp's converter need. */
export const companions: readonly string[] = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
];

/**
 * Checks weights by name that stand for a checkpoint's own.
 * @throws SurgeryError `usage` for what is no map of weights, for a name that the checkpoint lacks (biases of projections
 * apart, which may be added), and for numbers of another type or count
 */
export function requireReplacements(source: Checkpoint, replaced: Replacements): void {
  requireArgument('the replaced weights', replaced, {
    words: 'a Map of Float32Array by tensor name',
    test: (value) => value instanceof Map,
  });
  for (const [name, values] of replaced) {
    if (!source.tensors.has(name) && !biasShape(source.config, name))
      throw new SurgeryError('usage', `the replaced weight ${name} is not in ${source.folder}`);
    const count = source.numbersIn([name]);
    requireArgument(`the replaced weight ${name}`, values, {
      words: `a Float32Array of ${count} numbers`,
      test: (value) => value instanceof Float32Array && value.length === count,
    });
  }
}

/**
 * Writes a checkpoint folder atomically: it appears when it is complete. The division into shards stays, unless a
 * maximum size is given. Tensors pass through memory one at a time. A tensor that is neither replaced nor converted
 * keeps its bytes.
 * @throws SurgeryError `usage` for an argument that is not allowed, `output` if the system refuses, `numeric` if a value does
 * not fit the dtype
 */
export async function writeCheckpoint(
  source: Checkpoint,
  replaced: Replacements | LayeredReplacements,
  folder: string,
  options: WriteOptions = {},
): Promise<void> {
  requireCheckpoint(source);
  const replacement = 'edit' in replaced ? byLayer(source, replaced) : whole(source, replaced);
  requireArgument('folder', folder, aText);
  requireOptions('writeCheckpoint', options, writeOptions);
  const { dtype, maxShardBytes, provenance } = options;
  const added = biasesToWrite(source, 'edit' in replaced ? (replaced.touched ?? []) : [...replaced.keys()]);
  const same = withBiases(source, sourceFiles(source, dtype), added);
  const files = maxShardBytes === undefined ? same : cutFiles(same, maxShardBytes);
  const total = files.flatMap(({ tensors }) => tensors).reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  await writeFolderSafely(folder, async (target) => {
    for (const { file, tensors, metadata } of files)
      await writeFileSafely(join(target, file), async (handle) => {
        await append(handle, buildHeader(tensors, { ...torch, ...metadata, ...provenance }));
        for (const { name, dtype, bytes } of tensors) {
          await append(handle, await tensorBytes(source, name, await replacement(name), dtype));
          done += bytes;
          options.onProgress?.(done, total);
        }
      });
    await writeText(join(target, 'config.json'), await configText(source, dtype, added));
    const index = await readText(source.folder, indexFile, maxBytes.index);
    if (!files.some(({ file }) => file === singleFile))
      await writeText(join(target, indexFile), indexText(files === same ? index : undefined, files, total));
    for (const name of companions) {
      const from = await locate(source.folder, name);
      if (from) await copySafely(from, join(target, name));
    }
  });
}

type FindReplacement = (name: string) => Float32Array | undefined | Promise<Float32Array | undefined>;

function whole(source: Checkpoint, replaced: Replacements): FindReplacement {
  requireReplacements(source, replaced);
  return (name) => replaced.get(name);
}

/** Keeps the tensors of one layer only, since a file stores tensors layer by layer. */
function byLayer(source: Checkpoint, replaced: LayeredReplacements): FindReplacement {
  let kept: { readonly layer: number; readonly tensors: Replacements } | undefined;
  return async (name) => {
    const layer = layerOf(name);
    if (Number.isNaN(layer)) return undefined;
    if (kept?.layer !== layer) {
      kept = { layer, tensors: await replaced.edit(layer) };
      requireReplacements(source, kept.tensors);
    }
    return kept.tensors.get(name);
  };
}

async function tensorBytes(
  source: Checkpoint,
  name: string,
  replacement: Float32Array | undefined,
  dtype: string,
): Promise<Uint8Array> {
  const isSame = !replacement && source.tensors.get(name)?.dtype === dtype;
  if (!isWeightDtype(dtype) || isSame) return source.readBytes(name);
  return fromFloat32(replacement ?? (await source.readOrZeros(name)), dtype, name);
}

async function configText(
  source: Checkpoint,
  dtype: WeightDtype | undefined,
  added: readonly string[],
): Promise<string> {
  const text = (await readText(source.folder, 'config.json', maxBytes.config)) ?? '{}';
  if (!dtype && added.length === 0) return text;
  const config = JSON.parse(text);
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  const changed = { ...config, ...(dtype && { [key]: torchDtype[dtype] }), ...biasFields(source.config, added) };
  return `${JSON.stringify(changed, null, 2)}\n`;
}

/** The source's index with the new size, or that of a new set of files. */
function indexText(index: string | undefined, files: readonly PlannedFile[], total: number): string {
  const names = files.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file]));
  const parsed = JSON.parse(index ?? JSON.stringify({ weight_map: Object.fromEntries(names.sort()) }));
  const metadata = { ...parsed.metadata, total_size: total };
  return `${JSON.stringify({ ...parsed, metadata }, null, 2)}\n`;
}

function writeText(path: string, text: string): Promise<void> {
  return writeFileSafely(path, (handle) => handle.writeFile(text));
}
