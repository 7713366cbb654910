// A job for every group of every layer, over the cores where the matrices are large enough to be worth a thread.
import type { WeightDtype } from '../checkpoint/dtypes.ts';
import { projectionName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { WorkerPool } from '../linalg/pool.ts';
import { type Engine, type FitOptions, groupSpectrum, type Member, operateGroup } from './group.ts';
import type { Group } from './groups.ts';

export interface LayersOptions {
  /** Threads. Default: one a core. */
  readonly threads?: number | undefined;
  /** The dtype that rebuilt weights are written in. Default: each tensor's own. */
  readonly dtype?: WeightDtype | undefined;
  /** How components are found. Default: the project's own eigensolver. */
  readonly engine?: Engine | undefined;
  /** Called with the groups done so far and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The functions of group.ts that can be a job. */
const work = { operateGroup, groupSpectrum };
type Work = keyof typeof work;

/** Starting a thread costs about as much as a Gram matrix of this size does on the spot. */
const worthAThread = 400;

/**
 * The results of a function of group.ts for each layer's groups, (layers, groups), in order. Weights are read when a
 * thread is free for them, so that few are in memory at once.
 */
export async function overLayers<T>(
  checkpoint: Checkpoint,
  groups: readonly Group[],
  name: Work,
  parameters: (group: Group, members: Member[], fit: FitOptions) => unknown[],
  { threads, dtype, engine = 'native', onProgress }: LayersOptions,
): Promise<T[][]> {
  const { layers, hiddenSize } = checkpoint.config;
  const pool = hiddenSize >= worthAThread ? new WorkerPool(threads) : undefined;
  const jobs: Promise<T>[] = [];
  let done = 0;
  const start = async (layer: number, group: Group): Promise<T> => {
    // Small matrices are decomposed faster than they are looked up.
    const fit = { engine, cache: pool !== undefined };
    const make = async () => parameters(group, await readMembers(checkpoint, layer, group, dtype), fit);
    const result = pool ? pool.run<T>(new URL('./group.ts', import.meta.url), name, make) : here<T>(name, await make());
    await result;
    onProgress?.(++done, layers * groups.length);
    return result;
  };
  try {
    for (let layer = 0; layer < layers; layer++) {
      for (const group of groups) {
        jobs.push(start(layer, group));
        if (!pool) await jobs.at(-1);
      }
    }
    const results = await Promise.all(jobs);
    return Array.from({ length: layers }, (_, layer) =>
      results.slice(layer * groups.length, (layer + 1) * groups.length),
    );
  } finally {
    await pool?.close();
  }
}

/** Calls a function of group.ts here, as a thread would. */
function here<T>(name: Work, parameters: unknown[]): Promise<T> {
  return (work[name] as (...parameters: unknown[]) => Promise<T>)(...parameters);
}

async function readMembers(
  checkpoint: Checkpoint,
  layer: number,
  group: Group,
  dtype: WeightDtype | undefined,
): Promise<Member[]> {
  const members: Member[] = [];
  for (const projection of group.projections) {
    const name = projectionName(layer, projection);
    const [rows = 0, cols = 0] = checkpoint.tensor(name).shape;
    const values = await checkpoint.readFloat32(name);
    members.push({ projection, name, shape: [rows, cols], values, writeAs: dtype ?? checkpoint.weightDtype(name) });
  }
  return members;
}
