// A checkpoint's matrices in 8 bits, in one file that is made once and found again as long as the checkpoint stays.
import { mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { embedName, expectedTensors, unembedName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import type { ExternalData } from '../../graph/builder.ts';
import type { FileWeight, Int8Weight, WeightSource } from '../../graph/linear.ts';
import { removeAtExit, writeFileSafely } from '../../platform/atomic-files.ts';
import { cacheFolder, keep } from '../../platform/cache.ts';
import { requireSpace } from '../../platform/disk-space.ts';
import { entryOf } from '../../platform/indexing.ts';
import { sweepLeftovers, temporaryName } from '../../platform/temp-files.ts';
import { WorkerPool } from '../../platform/threads/pool.ts';
import { checkpointIdentity } from '../identity.ts';
import { filesIn, type SessionWeights } from '../weights.ts';
import { findOutliers } from './outliers.ts';
import type { QuantiseJob, Region } from './quantise.ts';
import { int8Version, outlierCount } from './sample.ts';

type StoredMatrix = { readonly name: string; readonly weight: FileWeight | Int8Weight<ExternalData> };

/** Where everything lies in the file. After it come the SHA-256 of its regions, 32 bytes each. */
interface Layout {
  readonly matrices: readonly StoredMatrix[];
  readonly bytes: number;
}

/** Bytes that prepared models may take together; the one not used for the longest time goes first. */
const cacheBytes = 8e9;

const task = new URL('./quantise.ts', import.meta.url);

/** How weights are put into 8 bits. */
export interface Preparation {
  /** Default: one a core. */
  readonly threads?: number | undefined;
  /** Called with the steps done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Runs a step of the work over a checkpoint's prepared file, and again over a new one if the file was damaged. */
export async function withInt8Weights<T>(
  checkpoint: Checkpoint,
  use: (weights: SessionWeights) => Promise<T>,
  discard: (result: T) => Promise<void>,
  settings: Preparation = {},
): Promise<T> {
  const path = join(cacheFolder('int8'), `${int8Version}-${await checkpointIdentity(checkpoint)}.bin`);
  const layout = layoutOf(checkpoint, basename(path));
  const found = await stat(path).catch(() => undefined);
  if (found?.size === layout.bytes + digestBytes(layout)) {
    // Reading the whole file takes about as long as the session's start, and has a core for itself.
    const pool = new WorkerPool(1);
    try {
      const intact = isIntact(pool, path, layout);
      const result = await use(sessionWeights(layout, dirname(path))).catch(async (cause) => {
        if (await intact) throw cause;
        return undefined;
      });
      if (await intact) {
        await utimes(path, new Date(), new Date()).catch(() => {});
        if (result !== undefined) return result;
      }
      if (result !== undefined) await discard(result);
    } finally {
      await pool.close();
    }
  }
  return prepareAnd(checkpoint, layout, path, use, settings);
}

/** Prepares the file in the cache, or where that cannot be written to, in a temporary folder for this time only. */
async function prepareAnd<T>(
  checkpoint: Checkpoint,
  layout: Layout,
  path: string,
  use: (weights: SessionWeights) => Promise<T>,
  settings: Preparation,
): Promise<T> {
  if (await prepare(checkpoint, layout, path, keep, settings)) {
    await prune(dirname(path), basename(path));
    return use(sessionWeights(layout, dirname(path)));
  }
  const folder = temporaryName(join(tmpdir(), 'surgery-int8'));
  await sweepLeftovers(tmpdir());
  const forget = removeAtExit(folder);
  try {
    await mkdir(folder);
    await prepare(checkpoint, layout, join(folder, basename(path)), putAside, settings);
    return await use(sessionWeights(layout, folder));
  } finally {
    await rm(folder, { recursive: true, force: true }); // what the session has mapped stays readable
    forget();
  }
}

/** {@link keep} for a place where a refusal is an error. */
const putAside: typeof keep = async (path, bytes, write) => {
  const remedy = 'set TMPDIR or SURGERY_CACHE to a place with more room, or take --precision fp32';
  await requireSpace(dirname(path), bytes, 'the model in 8 bits', remedy);
  await writeFileSafely(path, write);
  return true;
};

/** Every matrix of a product in 8 bits, the rest as it is in the checkpoint. */
function layoutOf(checkpoint: Checkpoint, file: string): Layout {
  let bytes = 0;
  const place = (size: number): ExternalData => {
    const offset = bytes;
    bytes += Math.ceil(size / 64) * 64;
    return { file, offset, bytes: size };
  };
  const copied = (name: string): FileWeight => {
    const { begin, end, shape } = checkpoint.tensor(name);
    return { kind: 'file', dtype: checkpoint.weightDtype(name), shape, data: place(end - begin) };
  };
  const quantised = (shape: readonly number[]): Int8Weight<ExternalData> => {
    const [rows = 0, cols = 0] = shape;
    const count = outlierCount(cols);
    return {
      kind: 'int8',
      shape,
      integers: place(rows * cols),
      scales: place(rows * 4),
      outliers: { count, places: place(count * 8), rest: place(cols * 4), columns: place(count * rows * 4) },
    };
  };
  const matrices = [...expectedTensors(checkpoint.config)].map(({ name, shape }) => ({
    name,
    weight: name === unembedName || name.endsWith('_proj.weight') ? quantised(shape) : copied(name),
  }));
  // The embedding is looked up in as it is, and is a product's matrix too where it serves as unembedding.
  if (checkpoint.config.tiedEmbeddings) {
    matrices.push({ name: embedName, weight: quantised(checkpoint.tensor(embedName).shape) });
  }
  return { matrices, bytes };
}

function regionsOf({ weight }: StoredMatrix): Region[] {
  if (weight.kind === 'file') return [weight.data];
  const { integers, scales, outliers } = weight;
  return [integers, scales, outliers.places, outliers.rest, outliers.columns];
}

function digestBytes({ matrices }: Layout): number {
  return 32 * matrices.flatMap(regionsOf).length;
}

function sessionWeights({ matrices }: Layout, folder: string): SessionWeights {
  const weights = new Map(matrices.map(({ name, weight }) => [name, weight])); // a tied embedding's integers come last
  const embedding = matrices.find(({ name }) => name === embedName)?.weight;
  if (embedding?.kind !== 'file') throw new RangeError('the embedding was not prepared');
  const source = (name: string): WeightSource => {
    const weight = weights.get(name);
    if (!weight) throw new RangeError(`${name} was not prepared`);
    return weight;
  };
  return { embedding, source, folder };
}

/** Writes the file: all cores quantise, each a matrix at a time. Returns whether the place took it. */
async function prepare(
  checkpoint: Checkpoint,
  layout: Layout,
  path: string,
  write: typeof keep,
  { threads, onProgress }: Preparation,
): Promise<boolean> {
  const { matrices, bytes } = layout;
  const files = filesIn(checkpoint);
  const { layers } = checkpoint.config;
  const total = layers + matrices.length;
  const unembed = matrices.at(-1)?.name ?? embedName;
  const pool = new WorkerPool(threads);
  let done = layers;
  type Outliers = Awaited<ReturnType<typeof findOutliers>>;
  const work = async ({ name, weight }: StoredMatrix, target: number, outliers: Outliers): Promise<string[]> => {
    const { file, begin } = checkpoint.tensor(name);
    const from = files.get(file) ?? file;
    const [rows = 0, cols = 0] = weight.shape;
    const digests =
      weight.kind === 'file'
        ? await pool.run<string[]>(task, 'copyRegion', () => [from, begin, target, weight.data])
        : await pool.run<string[]>(task, 'quantiseMatrix', () => {
            const range = { name, ...checkpoint.byteRange(name), dtype: checkpoint.weightDtype(name), rows, cols };
            return [{ ...range, target, to: weight, places: entryOf(outliers, name) } satisfies QuantiseJob];
          });
    onProgress?.(++done, total);
    return digests;
  };
  try {
    return await write(path, bytes + digestBytes(layout), async (handle) => {
      const outliers = await findOutliers(checkpoint, unembed, threads, (blocks) => onProgress?.(blocks, total));
      const results = await Promise.allSettled(matrices.map((matrix) => work(matrix, handle.fd, outliers)));
      // All threads are done with the file: none writes to a number that is another file's by then.
      const digests = results.map((result) => {
        if (result.status === 'rejected') throw result.reason;
        return result.value;
      });
      await handle.write(Buffer.from(digests.flat().join(''), 'hex'), 0, undefined, bytes);
    });
  } finally {
    await pool.close();
  }
}

/** Whether the file's regions have the digests at its end. A file that cannot be read is as bad as a damaged one. */
async function isIntact(pool: WorkerPool, path: string, layout: Layout): Promise<boolean> {
  const regions = layout.matrices.flatMap(regionsOf);
  const expected = { offset: layout.bytes, bytes: digestBytes(layout) };
  try {
    const digests = await pool.run<string[]>(task, 'hashRegions', () => [path, regions]);
    return digests.join('') === (await readRegion(path, expected)).toString('hex');
  } catch {
    return false;
  }
}

async function readRegion(path: string, { offset, bytes }: Region): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    return (await handle.read(Buffer.alloc(bytes), 0, bytes, offset)).buffer;
  } finally {
    await handle.close();
  }
}

/** Deletes prepared files, those unused for the longest time first, until the rest fits. Others may do so at once. */
async function prune(folder: string, keep: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.bin'));
  const files = await Promise.all(
    names.map(async (name) => ({ name, ...(await stat(join(folder, name)).catch(() => ({ size: 0, mtimeMs: 0 }))) })),
  );
  let total = files.find(({ name }) => name === keep)?.size ?? 0;
  for (const { name, size } of files.toSorted((a, b) => b.mtimeMs - a.mtimeMs)) {
    if (name === keep) continue;
    total += size;
    if (total > cacheBytes) await rm(join(folder, name), { force: true }).catch(() => {});
  }
}
