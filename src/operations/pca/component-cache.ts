// Spectra and leading components of groups on disk, by the content of their weights, so that another threshold on the
// same checkpoint costs a projection only.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildHeader, headerLength, parseHeader } from '../../checkpoint/header.ts';
import { type Components, explainedRatios, rankForVariance, type Solver } from '../../linalg/pca.ts';
import { append } from '../../platform/atomic-files.ts';
import { cacheFolder, keep } from '../../platform/cache.ts';
import { itemAt } from '../../platform/indexing.ts';

/** Components up to this threshold are found and kept even when fewer are asked for: they cost little, and the next run may want them. */
const keptVariance = 0.5;

/** What the cache did for a group. */
export interface CacheUse {
  hit: boolean;
}

/**
 * A solver that looks into the cache before it asks another one, and puts there what that one finds. A file that is
 * missing, damaged or holds too few components is not an error, nor is a folder that cannot be written to, see {@link
 * keep}.
 * @param identity what the matrix was made of: the result must depend on nothing else
 */
export function cached(solve: Solver, identity: readonly (string | Uint8Array)[], use: CacheUse): Solver {
  return async (centred, count) => {
    const path = join(cacheFolder('components'), `${hashOf(identity)}.safetensors`);
    const known = await read(path, centred.rows);
    if (known && known.vectors.rows >= count(explainedRatios(known.eigenvalues))) {
      use.hit = true;
      return known;
    }
    const found = await solve(centred, (ratio) => Math.max(count(ratio), rankForVariance(ratio, keptVariance)));
    await write(path, found);
    return found;
  };
}

/** Changes when the meaning of the files does: older ones are then no longer found. */
const version = 'components 1';

function hashOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256').update(version);
  for (const part of parts) hash.update(`\0${part.length}\0`).update(part);
  return hash.digest('hex');
}

async function read(path: string, side: number): Promise<Components | undefined> {
  try {
    const file = await readFile(path);
    const length = headerLength(file.subarray(0, 8), file.byteLength, path);
    const { tensors, metadata } = parseHeader(file.subarray(8, 8 + length), file.byteLength, path);
    const data = Uint8Array.from(file.subarray(8 + length)); // aligned
    const [eigenvalues, vectors] = tensors;
    if (metadata.sha256 !== hashOf([data]) || eigenvalues?.shape[0] !== side || vectors?.shape[1] !== side)
      return undefined;
    return {
      eigenvalues: new Float64Array(data.buffer, 0, side),
      vectors: { rows: itemAt(vectors.shape, 0), cols: side, data: new Float32Array(data.buffer, side * 8) },
    };
  } catch {
    return undefined;
  }
}

async function write(path: string, { eigenvalues, vectors }: Components): Promise<void> {
  const data = Buffer.concat([bytesOf(eigenvalues), bytesOf(vectors.data)]);
  const header = buildHeader(
    [
      { name: 'eigenvalues', dtype: 'F64', shape: [eigenvalues.length], bytes: eigenvalues.byteLength },
      { name: 'vectors', dtype: 'F32', shape: [vectors.rows, vectors.cols], bytes: vectors.data.byteLength },
    ],
    { sha256: hashOf([data]) },
  );
  await keep(path, header.byteLength + data.byteLength, async (handle) => {
    await append(handle, header);
    await append(handle, data);
  });
}

function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
