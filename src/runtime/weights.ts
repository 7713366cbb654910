// How a session gets its weights: straight from the checkpoint's files.
import { dirname } from 'node:path';
import { embedName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import type { FileWeight, WeightSource } from '../graph/linear.ts';
import { SurgeryError } from '../platform/errors.ts';

export interface SessionWeights {
  /** The matrix that token ids are looked up in. */
  readonly embedding: FileWeight;
  readonly source: (name: string) => WeightSource;
  /** The folder of the files that the sources name. */
  readonly folder: string;
}

/**
 * Weights read by onnxruntime from the safetensors files themselves.
 * @throws SurgeryError `checkpoint` if the shards lie in different folders: onnxruntime reads from one only
 */
export function fileWeights(checkpoint: Checkpoint): SessionWeights {
  const paths = filesIn(checkpoint);
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
  return { embedding: source(embedName), source, folder };
}

/** Each shard's real path. Behind symbolic links, as the Hugging Face cache has them: onnxruntime refuses files outside its folder. */
export function filesIn(checkpoint: Checkpoint): Map<string, string> {
  return new Map(checkpoint.shards.map(({ file, path }) => [file, path]));
}
