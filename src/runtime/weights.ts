// How a session gets its weights: straight from the checkpoint's files, or as 8-bit blocks made in memory.
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { embedName, expectedTensors, unembedName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../errors.ts';
import type { ExternalData } from '../graph/builder.ts';
import { blockSize, type FileWeight, type WeightSource } from '../graph/llama.ts';

export interface SessionWeights {
  /** The matrix that token ids are looked up in. */
  readonly embedding: FileWeight;
  readonly source: (name: string) => WeightSource;
  /** Where onnxruntime finds the bytes that the sources point to. */
  readonly options: InferenceSession.SessionOptions;
}

/**
 * Weights read by onnxruntime from the safetensors files themselves.
 * @throws SurgeryError `checkpoint` if the shards lie in different folders: onnxruntime reads from one only
 */
export async function fileWeights(checkpoint: Checkpoint): Promise<SessionWeights> {
  // Behind symbolic links, as the Hugging Face cache has them: onnxruntime refuses files outside its folder.
  const paths = new Map<string, string>();
  for (const { file } of checkpoint.shards) paths.set(file, await realpath(join(checkpoint.folder, file)));
  const folders = new Set([...paths.values()].map(dirname));
  const [folder = checkpoint.folder] = folders;
  if (folders.size > 1) {
    throw new SurgeryError(
      'checkpoint',
      `${checkpoint.folder}: the shards lie in different folders (${[...folders].join(', ')}): put them into one`,
    );
  }
  const source = (name: string): FileWeight => {
    const { file, begin, end, shape } = checkpoint.tensor(name);
    const data = { file: (paths.get(file) ?? file).slice(folder.length + 1), offset: begin, bytes: end - begin };
    return { kind: 'file', dtype: checkpoint.weightDtype(name), shape, data };
  };
  const options = { extra: { session: { model_external_initializers_file_folder_path: folder } } };
  return { embedding: source(embedName), source, options };
}

/**
 * Every weight of a matrix product, apart from `skip`, in 8 bits: blocks of 32 along the input dimension, symmetric,
 * `w ≈ (byte − 128) × scale` with scale = the block's largest magnitude / 127, as MatMulNBits reads them. The rest as
 * it is in the file.
 * @param onProgress called with the weights done and in all
 */
export async function int8Weights(
  checkpoint: Checkpoint,
  skip: ReadonlySet<string>,
  onProgress?: (done: number, total: number) => void,
): Promise<SessionWeights> {
  const path = 'weights';
  let bytes = 0;
  const place = (size: number): ExternalData => {
    const offset = bytes;
    bytes += Math.ceil(size / 64) * 64;
    return { file: path, offset, bytes: size };
  };
  const asFile = (name: string): FileWeight => {
    const { begin, end, shape } = checkpoint.tensor(name);
    return { kind: 'file', dtype: checkpoint.weightDtype(name), shape, data: place(end - begin) };
  };

  const embedding = asFile(embedName);
  const weights = new Map<string, WeightSource>();
  for (const { name, shape } of expectedTensors(checkpoint.config)) {
    if (skip.has(name)) continue;
    if (isLinear(checkpoint, name)) {
      const [rows = 0, cols = 0] = shape;
      const blocks = rows * Math.ceil(cols / blockSize);
      weights.set(name, { kind: 'int8', shape, blocks: place(blocks * blockSize), scales: place(blocks * 4) });
    } else if (name !== embedName) weights.set(name, asFile(name));
  }

  const data = new Uint8Array(bytes);
  data.set(await checkpoint.readBytes(embedName), embedding.data.offset);
  let done = 0;
  for (const [name, weight] of weights) {
    if (weight.kind === 'file') data.set(await checkpoint.readBytes(name), weight.data.offset);
    if (weight.kind === 'int8') {
      const [rows = 0, cols = 0] = weight.shape;
      const { blocks, scales } = weight;
      const blockBytes = data.subarray(blocks.offset, blocks.offset + blocks.bytes);
      quantise(
        await checkpoint.readFloat32(name),
        rows,
        cols,
        blockBytes,
        new Float32Array(data.buffer, scales.offset, scales.bytes / 4),
      );
    }
    onProgress?.(++done, weights.size);
  }
  const source = (name: string): WeightSource => {
    const weight = weights.get(name);
    if (!weight) throw new RangeError(`${name} was not prepared`);
    return weight;
  };
  return { embedding, source, options: { externalData: [{ path, data }] } };
}

/** Fills (rows, blocks, 32) bytes and (rows, blocks) scales. The last block of a row is padded with zeros (128). */
export function quantise(
  values: Float32Array,
  rows: number,
  cols: number,
  bytes: Uint8Array,
  scales: Float32Array,
): void {
  const perRow = Math.ceil(cols / blockSize);
  bytes.fill(128);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < perRow; block++) {
      const from = row * cols + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * cols);
      let largest = 0;
      for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
      const at = row * perRow + block;
      scales[at] = largest / 127;
      if (largest === 0) continue;
      const inverse = 127 / largest;
      for (let i = from; i < to; i++) bytes[at * blockSize + i - from] = Math.round((values[i] ?? 0) * inverse) + 128;
    }
  }
}

/** Whether a weight is a matrix product's. The embedding is, where it serves as unembedding too. */
function isLinear(checkpoint: Checkpoint, name: string): boolean {
  if (name === embedName) return checkpoint.config.tiedEmbeddings;
  return name === unembedName || name.endsWith('_proj.weight');
}
