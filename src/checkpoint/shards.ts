// Which tensors of a checkpoint go into which file when it is written, and how many bytes that takes.
import { bitsPerElement, isWeightDtype, type WeightDtype } from './dtypes.ts';
import type { TensorEntry } from './header.ts';
import { type Checkpoint, singleFile } from './reader.ts';

/** A tensor as it will lie in the file. */
export interface PlannedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface PlannedFile {
  /** Name inside the folder. */
  readonly file: string;
  readonly tensors: readonly PlannedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** How many bytes the tensors of a checkpoint take in a dtype, or each in its own. */
export function checkpointBytes(source: Checkpoint, dtype: WeightDtype | undefined): number {
  return [...source.tensors.values()].reduce((sum, tensor) => sum + planned(tensor, dtype).bytes, 0);
}

/** The source's own files with all tensors as they will be written. */
export function sourceFiles(source: Checkpoint, dtype: WeightDtype | undefined): PlannedFile[] {
  return source.shards.map(({ file, header }) => ({
    file,
    tensors: header.tensors.map((tensor) => planned(tensor, dtype)),
    metadata: header.metadata,
  }));
}

/**
 * The same tensors in the same order in files of at most `limit` bytes of tensors each, as Hugging Face's
 * split_torch_state_dict_into_shards cuts them: a file ends where the next tensor would not fit. A tensor above the
 * limit has a file of its own; where one file takes all, it has the name that needs no index.
 */
export function cutFiles(files: readonly PlannedFile[], limit: number): PlannedFile[] {
  const shards: PlannedTensor[][] = [];
  let current: PlannedTensor[] = [];
  let bytes = 0;
  for (const tensor of files.flatMap(({ tensors }) => tensors)) {
    if (tensor.bytes > limit) {
      shards.push([tensor]);
      continue;
    }
    if (bytes + tensor.bytes > limit) {
      shards.push(current);
      current = [];
      bytes = 0;
    }
    current.push(tensor);
    bytes += tensor.bytes;
  }
  if (current.length > 0) shards.push(current);
  const number = (n: number) => String(n).padStart(5, '0');
  const nameOf = (i: number) =>
    shards.length === 1 ? singleFile : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
  const metadata = Object.assign({}, ...files.map((file) => file.metadata));
  return shards.map((tensors, i) => ({ file: nameOf(i), tensors, metadata }));
}

/** Only weights are converted: an integer or float64 buffer that the model does not read stays as it is. */
function planned({ name, dtype, shape, begin, end }: TensorEntry, to: WeightDtype | undefined): PlannedTensor {
  const bytes = end - begin;
  if (!to || !isWeightDtype(dtype)) return { name, dtype, shape, bytes };
  return { name, dtype: to, shape, bytes: (bytes / (bitsPerElement[dtype] ?? 1)) * (bitsPerElement[to] ?? 1) };
}
