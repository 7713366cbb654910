// A checkpoint with some tensors replaced → a folder that any Hugging Face reader opens.
import { join } from 'node:path';
import { fromFloat32, isWeightDtype, torchDtype, type WeightDtype } from './dtypes.ts';
import { append, copySafely, writeFileSafely, writeFolderSafely } from './files.ts';
import { buildHeader } from './header.ts';
import { locate, maxBytes, readText } from './inside.ts';
import { type Checkpoint, indexFile, type Shard, singleFile, type Tensor } from './reader.ts';

/** Rebuilt tensors by name, row-major; all others come from the source. */
export type Replacements = ReadonlyMap<string, Float32Array>;

export interface WriteOptions {
  /** The dtype of all weights; without it each tensor keeps its own. */
  readonly dtype?: WeightDtype | undefined;
  /** Added to the files' `__metadata__`, beside what is there. */
  readonly provenance?: Readonly<Record<string, string>>;
  /** Called with the bytes written so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** transformers refuses metadata that does not say which framework the tensors are laid out for. */
const torch = { format: 'pt' };

/** Files beside the weights that make a folder whole for transformers and for llama.cpp's converter. */
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
 * Writes a checkpoint folder as a whole: it appears when it is complete. Input shards stay shards. A tensor that is
 * neither replaced nor converted keeps its bytes.
 * @throws SurgeryError `output` if the system refuses, `numeric` if a value does not fit the dtype.
 */
export async function writeCheckpoint(
  source: Checkpoint,
  replaced: Replacements,
  folder: string,
  options: WriteOptions = {},
): Promise<void> {
  const total = [...source.tensors.values()].reduce((sum, tensor) => sum + bytesAs(tensor, options.dtype), 0);
  let done = 0;
  const advance = (bytes: number) => {
    done += bytes;
    options.onProgress?.(done, total);
  };
  await writeFolderSafely(folder, async (target) => {
    for (const shard of source.shards) await writeShard(source, shard, replaced, target, options, advance);
    await writeText(join(target, 'config.json'), await configText(source, options.dtype));
    const index = await readText(source.folder, indexFile, maxBytes.index);
    if (index !== undefined && !source.shards.some(({ file }) => file === singleFile))
      await writeText(join(target, indexFile), indexText(index, total));
    for (const name of companions) {
      const from = await locate(source.folder, name);
      if (from) await copySafely(from, join(target, name));
    }
  });
}

async function writeShard(
  source: Checkpoint,
  shard: Shard,
  replaced: Replacements,
  folder: string,
  { dtype, provenance }: WriteOptions,
  advance: (bytes: number) => void,
): Promise<void> {
  const { tensors, metadata } = shard.header;
  const table = tensors.map((entry) => ({
    ...entry,
    dtype: dtypeAs(entry.dtype, dtype),
    bytes: bytesAs(entry, dtype),
  }));
  await writeFileSafely(join(folder, shard.file), async (handle) => {
    await append(handle, buildHeader(table, { ...torch, ...metadata, ...provenance }));
    for (const { name, dtype: target, bytes } of table) {
      await append(handle, await tensorBytes(source, name, replaced.get(name), target));
      advance(bytes);
    }
  });
}

async function tensorBytes(
  source: Checkpoint,
  name: string,
  replacement: Float32Array | undefined,
  dtype: string,
): Promise<Uint8Array> {
  if (!isWeightDtype(dtype) || (!replacement && source.tensor(name).dtype === dtype)) return source.readBytes(name);
  return fromFloat32(replacement ?? (await source.readFloat32(name)), dtype, name);
}

/** Only weights are converted: an integer or float64 buffer that the model does not read stays as it is. */
function dtypeAs(from: string, to: WeightDtype | undefined): string {
  return to && isWeightDtype(from) ? to : from;
}

function bytesAs(tensor: Pick<Tensor, 'dtype' | 'begin' | 'end'>, to: WeightDtype | undefined): number {
  const size = (dtype: string) => (dtype === 'F32' ? 4 : 2);
  const bytes = tensor.end - tensor.begin;
  return to && isWeightDtype(tensor.dtype) ? (bytes / size(tensor.dtype)) * size(to) : bytes;
}

async function configText(source: Checkpoint, dtype: WeightDtype | undefined): Promise<string> {
  const text = (await readText(source.folder, 'config.json', maxBytes.config)) ?? '{}';
  if (!dtype) return text;
  const config = JSON.parse(text);
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  return `${JSON.stringify({ ...config, [key]: torchDtype[dtype] }, null, 2)}\n`;
}

function indexText(index: string, total: number): string {
  const parsed = JSON.parse(index);
  return `${JSON.stringify({ ...parsed, metadata: { ...parsed.metadata, total_size: total } }, null, 2)}\n`;
}

function writeText(path: string, text: string): Promise<void> {
  return writeFileSafely(path, (handle) => handle.writeFile(text));
}
