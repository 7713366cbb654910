// How much of the machine this process may use: all of it, or the share of a container or batch job, which Linux keeps
// in control groups (cgroups). A cgroup lies in others, and the tightest limit of all of them holds.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';

/** What Node reports about the machine, and access to its files. */
export interface Machine {
  /** Bytes of memory. */
  readonly total: number;
  readonly free: number;
  readonly processors: number;
  /** Threads that may run at the same time on the processors that the process is bound to. */
  readonly parallelism: number;
  /** A file's text, undefined where there is none. */
  readonly read: (path: string) => string | undefined;
}

const here = (): Machine => ({
  total: totalmem(),
  free: freemem(),
  processors: cpus().length,
  parallelism: availableParallelism(),
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined; // another system, or a control group above that a container does not see
    }
  },
});

/** Bytes that may be used, and those of them that nothing uses. Files in the system's cache count as free: they give way. */
export interface Memory {
  readonly total: number;
  readonly free: number;
}

export function memory(machine: Machine = here()): Memory {
  const limits = [
    ...cgroups('memory', machine).map((folder) => limitedMemory(folder, files.v1, machine)),
    ...cgroups('', machine).map((folder) => limitedMemory(folder, files.v2, machine)),
  ];
  const least = (key: keyof Memory) => Math.min(machine[key], ...limits.map((limit) => limit[key]));
  return { total: least('total'), free: least('free') };
}

/** Threads that can run at the same time. */
export function cores(machine: Machine = here()): number {
  return Math.min(machine.parallelism, processorQuota(machine) ?? machine.parallelism);
}

/** Threads for onnxruntime, which knows of no quota: 0, its own choice, where there is none. */
export function defaultThreads(machine: Machine = here()): number {
  return processorQuota(machine) === undefined ? 0 : cores(machine);
}

/** Processors whose time may be used, rounded up; undefined where that is all of the machine's. */
function processorQuota(machine: Machine): number | undefined {
  const { read, processors } = machine;
  const quotas = [
    ...cgroups('cpu', machine).map((folder) => [
      read(`${folder}/cpu.cfs_quota_us`),
      read(`${folder}/cpu.cfs_period_us`),
    ]),
    ...cgroups('', machine).map((folder) => read(`${folder}/cpu.max`)?.split(' ') ?? []),
  ].map(([time, period]) => Math.ceil(Number(time) / Number(period)));
  const least = Math.min(...quotas.filter((quota) => quota > 0)); // "max" is no number, and -1 no limit
  return least < processors ? least : undefined;
}

const files = {
  v1: {
    limits: ['memory.limit_in_bytes'],
    used: 'memory.usage_in_bytes',
    cached: /^total_(?:in)?active_file (\d+)$/gm,
  },
  v2: { limits: ['memory.max', 'memory.high'], used: 'memory.current', cached: /^(?:in)?active_file (\d+)$/gm },
};

function limitedMemory(folder: string, { limits, used, cached }: (typeof files)['v1'], { read }: Machine): Memory {
  const bytes = (name: string) => Number.parseInt(read(`${folder}/${name}`) ?? '', 10); // "max" is no number
  const total = Math.min(...limits.map((name) => bytes(name) || Number.POSITIVE_INFINITY));
  const givesWay = [...(read(`${folder}/memory.stat`) ?? '').matchAll(cached)].map(([, count]) => Number(count));
  const taken = givesWay.reduce((rest, count) => rest - count, bytes(used) || 0);
  return { total, free: Math.max(0, total - Math.max(0, taken)) };
}

/**
 * The folders of the cgroups that this process is in, inner first.
 * @param controller of version 1; '' is version 2, which has one tree for all
 */
function cgroups(controller: string, { read }: Machine): string[] {
  const lines = read('/proc/self/cgroup')?.split('\n') ?? [];
  const line = lines.find((one) => one.split(':')[1]?.split(',').includes(controller));
  if (line === undefined) return [];
  const parts = line.split(':').slice(2).join(':').split('/').filter(Boolean);
  const root = ['/sys/fs/cgroup', controller].filter(Boolean);
  return [...parts.keys(), parts.length].reverse().map((depth) => [...root, ...parts.slice(0, depth)].join('/'));
}
