// Opens a checkpoint folder, checks its tensors against the config, and reads them one at a time.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { aText, requireArgument } from '../platform/arguments.ts';
import { SurgeryError, shown, systemMessage } from '../platform/errors.ts';
import { parseJsonFile } from '../platform/strict-json.ts';
import { type LlamaConfig, parseConfig } from './config.ts';
import { isWeightDtype, toFloat32, type WeightDtype } from './dtypes.ts';
import { type Header, headerLength, parseHeader, type TensorEntry } from './header.ts';
import { biasShape, embedName, expectedTensors, unembedName } from './names.ts';
import { locate, maxBytes, readText } from './safe-paths.ts';
import { misnamed, unsupportedFile, unsupportedFolder, unsupportedTensor } from './unsupported.ts';

/** One safetensors file of a checkpoint. */
export interface CheckpointShard {
  /** Name inside the folder. */
  readonly file: string;
  /** Path after symbolic links are resolved. */
  readonly path: string;
  readonly header: Header;
  readonly bytes: number;
}

export interface Tensor extends TensorEntry {
  /** The shard that holds it. */
  readonly file: string;
}

export const singleFile = 'model.safetensors';
export const indexFile = 'model.safetensors.index.json';

/** Bytes `begin` (included) to `end` (excluded) of a file. */
export interface ByteRange {
  readonly path: string;
  readonly begin: number;
  readonly end: number;
}

/** A checkpoint folder whose headers are read and whose tensors are read on demand. */
export class Checkpoint {
  readonly folder: string;
  readonly config: LlamaConfig;
  readonly shards: readonly CheckpointShard[];
  readonly tensors: ReadonlyMap<string, Tensor>;

  private constructor(folder: string, config: LlamaConfig, shards: readonly CheckpointShard[]) {
    this.folder = folder;
    this.config = config;
    this.shards = shards;
    const tensors = shards.flatMap(({ file, header }) => header.tensors.map((entry) => ({ ...entry, file })));
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /**
   * Reads the config and every header of a Hugging Face folder, and checks that each tensor the model needs is there
   * with its shape, in a dtype that can be read.
   * @throws SurgeryError `model` for a folder that is not a checkpoint, `config`, `checkpoint` or `unsupported` for one
   * that cannot be read
   */
  static async open(folder: string): Promise<Checkpoint> {
    requireArgument('folder', folder, aText);
    await requireFolder(folder);
    const configFile = join(folder, 'config.json');
    const text = await readText(folder, 'config.json', maxBytes.config);
    if (text === undefined) {
      const found = await unsupportedFolder(folder);
      throw new SurgeryError(
        'model',
        `${folder} holds ${found ?? 'no config.json: give a Hugging Face checkpoint folder'}`,
      );
    }
    const generationFile = join(folder, 'generation_config.json');
    const generation = await readText(folder, 'generation_config.json', maxBytes.config);
    const config = parseConfig(
      text,
      configFile,
      generation === undefined ? undefined : { text: generation, file: generationFile },
    );
    const checkpoint = new Checkpoint(folder, config, await readShards(folder));
    checkpoint.#check();
    if (config.tiedEmbeddings && checkpoint.tensors.has(unembedName)) await checkpoint.#checkHead();
    return checkpoint;
  }

  /** Parameters in all tensors. */
  get parameters(): number {
    return this.numbersIn(this.tensors.keys());
  }

  /** Counts the numbers in some tensors. @throws SurgeryError `checkpoint` for one that is not there */
  numbersIn(names: Iterable<string>): number {
    let total = 0;
    for (const name of names) total += this.shapeOf(name).reduce((product, n) => product * n, 1);
    return total;
  }

  /** Counts the bytes that some tensors take in the files. @throws SurgeryError `checkpoint` for one that is not there */
  bytesIn(names: Iterable<string>): number {
    let total = 0;
    for (const name of names) total += this.tensor(name).end - this.tensor(name).begin;
    return total;
  }

  /** The dtype of most of the model's bytes. */
  get dtype(): WeightDtype {
    const bytes: Record<WeightDtype, number> = { F32: 0, F16: 0, BF16: 0 };
    for (const { dtype, begin, end } of this.tensors.values()) if (isWeightDtype(dtype)) bytes[dtype] += end - begin;
    return (Object.keys(bytes) as WeightDtype[]).reduce((most, dtype) => (bytes[dtype] > bytes[most] ? dtype : most));
  }

  /** Table entry of a tensor. @throws SurgeryError `checkpoint` if there is none. */
  tensor(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new SurgeryError('checkpoint', `${this.folder} holds no tensor ${name}`);
    return tensor;
  }

  /**
   * The shape of a tensor, or of a bias that the model lacks and an operation may add.
   * @throws SurgeryError `checkpoint` for another one that is not there
   */
  shapeOf(name: string): readonly number[] {
    return this.tensors.get(name)?.shape ?? biasShape(this.config, name) ?? this.tensor(name).shape;
  }

  /**
   * The byte range of a tensor, or of its rows `from` (included) to `to` (excluded).
   * @throws SurgeryError `checkpoint` if there is no such tensor, `usage` if it has no such rows
   */
  byteRange(name: string, rows?: readonly [from: number, to: number]): ByteRange {
    const { file, begin, end, shape } = this.tensor(name);
    const path = join(this.folder, file);
    if (!rows) return { path, begin, end };
    const [count = 1] = shape;
    const [from, to] = rows;
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= count))
      throw new SurgeryError('usage', `rows of ${name} are ${shown(rows)}, allowed: [from, to] within 0 to ${count}`);
    const row = (end - begin) / Math.max(count, 1);
    return { path, begin: begin + from * row, end: begin + to * row };
  }

  /**
   * The raw bytes of a tensor, or of its rows `from` (included) to `to` (excluded).
   * @throws SurgeryError `checkpoint` if they cannot be read
   */
  readBytes(name: string, rows?: readonly [from: number, to: number]): Promise<Uint8Array> {
    return readRange(this.byteRange(name, rows));
  }

  /**
   * The values of a tensor, row-major, or of its rows `from` (included) to `to` (excluded).
   * @throws SurgeryError `checkpoint` if they cannot be read, `unsupported` for other dtypes than F32, F16 and BF16
   */
  async readFloat32(name: string, rows?: readonly [from: number, to: number]): Promise<Float32Array> {
    return toFloat32(await this.readBytes(name, rows), this.weightDtype(name));
  }

  /**
   * The values that an operation starts from: those of a tensor, or zeros for a bias that the model lacks.
   * @throws SurgeryError as {@link readFloat32}
   */
  async readOrZeros(name: string): Promise<Float32Array> {
    return this.#isAddable(name) ? new Float32Array(this.numbersIn([name])) : this.readFloat32(name);
  }

  /**
   * The dtype that an operation writes a tensor in: its own, or for a bias that the model lacks its weight's.
   * @throws SurgeryError as {@link weightDtype}
   */
  editedDtype(name: string): WeightDtype {
    return this.weightDtype(this.#isAddable(name) ? name.replace(/bias$/, 'weight') : name);
  }

  #isAddable(name: string): boolean {
    return !this.tensors.has(name) && biasShape(this.config, name) !== undefined;
  }

  /** The dtype of a tensor, if it is one that this program computes with. @throws SurgeryError `unsupported` for any other. */
  weightDtype(name: string): WeightDtype {
    const { dtype, file } = this.tensor(name);
    if (isWeightDtype(dtype)) return dtype;
    throw new SurgeryError(
      'unsupported',
      `${join(this.folder, file)}: tensor ${name} is ${dtype}, only F32, F16 and BF16 can be computed with`,
    );
  }

  /**
   * Refuses a tied lm_head with values of its own: transformers 4 ignores it and transformers 5 reads it, which gives
   * two models.
   */
  async #checkHead(): Promise<void> {
    const [embed, head] = [this.tensor(embedName), this.tensor(unembedName)];
    const [rows = 0] = embed.shape;
    const step = Math.max(1, Math.floor((compareBytes * rows) / Math.max(1, embed.end - embed.begin)));
    let isSame = embed.dtype === head.dtype && embed.shape.join() === head.shape.join();
    for (let from = 0; isSame && from < rows; from += step) {
      const range = [from, Math.min(rows, from + step)] as const;
      const [a, b] = await Promise.all([this.readBytes(embedName, range), this.readBytes(unembedName, range)]);
      isSame = Buffer.compare(a, b) === 0;
    }
    if (isSame) return;
    throw new SurgeryError(
      'checkpoint',
      `${join(this.folder, head.file)}: tensor ${unembedName} is not ${embedName}, which config.json ties it to: set tie_word_embeddings to false to use it, or leave it out`,
    );
  }

  #check(): void {
    const unsupported = unsupportedTensor(this.tensors.keys(), this.config);
    if (unsupported) {
      const file = join(this.folder, this.tensor(unsupported.name).file);
      throw new SurgeryError('unsupported', `${file}: tensor ${unsupported.name} ${unsupported.why}`);
    }
    for (const { name, shape } of expectedTensors(this.config)) {
      const tensor = this.tensors.get(name);
      if (!tensor) {
        const others = misnamed(this.tensors.keys());
        throw new SurgeryError(
          'checkpoint',
          `${this.folder} lacks tensor ${name}, which its config.json calls for${others ? `: ${others}` : ''}`,
        );
      }
      if (tensor.shape.join() !== shape.join()) {
        throw new SurgeryError(
          'checkpoint',
          `${join(this.folder, tensor.file)}: tensor ${name} has shape [${tensor.shape}], config.json calls for [${shape}]`,
        );
      }
      this.weightDtype(name);
    }
  }
}

/** @throws SurgeryError `usage` for anything other than an open checkpoint */
export function requireCheckpoint(checkpoint: Checkpoint): void {
  requireArgument('checkpoint', checkpoint, {
    words: 'a Checkpoint, from openCheckpoint',
    test: (value) => value instanceof Checkpoint,
  });
}

/** Bytes compared at a time, of each of two tensors. */
const compareBytes = 1 << 24;

/** @throws SurgeryError `checkpoint` if the file cannot be read or is shorter. */
export async function readRange({ path, begin, end }: ByteRange): Promise<Uint8Array> {
  const handle = await openFile(path);
  try {
    const out = new Uint8Array(end - begin);
    await readFully(handle, out, begin, path);
    return out;
  } finally {
    await handle.close();
  }
}

async function requireFolder(folder: string): Promise<void> {
  try {
    if ((await stat(folder)).isDirectory()) return;
  } catch (cause) {
    throw new SurgeryError('model', `${folder} cannot be opened: ${systemMessage(cause)}`, cause);
  }
  const holds = unsupportedFile(folder);
  throw new SurgeryError('model', `${folder} ${holds ? `holds ${holds}` : "is a file: give the checkpoint's folder"}`);
}

async function readShards(folder: string): Promise<CheckpointShard[]> {
  const index = join(folder, indexFile);
  const single = await locate(folder, singleFile);
  const text = single ? undefined : await readText(folder, indexFile, maxBytes.index);
  if (text === undefined) {
    const found = single ? undefined : await unsupportedFolder(folder);
    if (found) throw new SurgeryError('model', `${folder} holds ${found}`);
    return [await readShard(folder, singleFile)];
  }
  const weightMap = parseIndex(text, index);
  const shards: CheckpointShard[] = [];
  const fileOf = new Map<string, string>();
  for (const file of new Set(weightMap.values())) {
    const shard = await readShard(folder, file);
    shards.push(shard);
    for (const { name } of shard.header.tensors) {
      const other = fileOf.get(name);
      if (other) throw new SurgeryError('checkpoint', `${folder}: tensor ${name} is in both ${other} and ${file}`);
      fileOf.set(name, file);
    }
  }
  for (const [name, file] of weightMap) {
    if (fileOf.get(name) !== file)
      throw new SurgeryError('checkpoint', `${index} puts tensor ${name} into ${file}, which does not hold it`);
  }
  return shards;
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Tensor name → shard file name, from the text of an index.
 * @throws SurgeryError `checkpoint` for any other text, and for shard names that lead out of the folder.
 */
export function parseIndex(text: string, file: string): Map<string, string> {
  const parsed = indexSchema.safeParse(parseJsonFile(text, 'checkpoint', file));
  if (!parsed.success || Object.keys(parsed.data.weight_map).length === 0) {
    throw new SurgeryError('checkpoint', `${file} has no weight_map from tensor names to files`);
  }
  const map = new Map(Object.entries(parsed.data.weight_map));
  for (const shard of map.values()) {
    if (!/^[^/\\\0]+\.safetensors$/.test(shard)) {
      throw new SurgeryError(
        'checkpoint',
        `${file} names the shard ${JSON.stringify(shard)}: only .safetensors files in the same folder are read`,
      );
    }
  }
  return map;
}

async function readShard(folder: string, file: string): Promise<CheckpointShard> {
  const path = join(folder, file);
  const real = (await locate(folder, file)) ?? path;
  const handle = await openFile(path);
  try {
    const bytes = (await handle.stat()).size;
    const prefix = new Uint8Array(Math.min(8, bytes));
    await readFully(handle, prefix, 0, path);
    const json = new Uint8Array(headerLength(prefix, bytes, path));
    await readFully(handle, json, 8, path);
    return { file, path: real, header: parseHeader(json, bytes, path), bytes };
  } finally {
    await handle.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new SurgeryError('checkpoint', `${path} cannot be read: ${systemMessage(cause)}`, cause);
  }
}

/** Fills `out` from byte `position` on. A single read may return less than asked for. */
async function readFully(handle: FileHandle, out: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < out.byteLength; ) {
    const { bytesRead } = await handle.read(out, done, Math.min(out.byteLength - done, 1 << 30), position + done);
    if (bytesRead === 0)
      throw new SurgeryError(
        'checkpoint',
        `${path} ended at byte ${position + done} while it was read: did it change?`,
      );
    done += bytesRead;
  }
}

/** Whether anything is at this path. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
