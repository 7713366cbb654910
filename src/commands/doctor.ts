// surgery doctor: this machine's processor, memory, disk and folders, measured afresh each time.
import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { defaultReference, resolveModel } from '../hub/model-reference.ts';
import { hubCache } from '../hub/paths.ts';
import { cacheFolder } from '../platform/cache.ts';
import { freeBytes } from '../platform/disk-space.ts';
import { messageOf } from '../platform/errors.ts';
import { cores, memory } from '../platform/limits.ts';
import { doctorText } from '../report/terminal/doctor.ts';
import { format } from '../results/format.ts';
import type { Diagnosis, FolderFinding } from '../results/outputs.ts';
import { leastMemory } from '../runtime/walk/walk.ts';
import type { DoctorOptions } from './command-options.ts';
import { costOfInt8 } from './int8.ts';
import { openModel, print, progressOf, versions } from './model.ts';
import { sessionBytes } from './session.ts';

/**
 * Bytes of memory per parameter over a whole run: measured by `make bench` at TinyLlama's size and rounded up. Most of
 * the int8 figure is q, k and v, which stay in float32 for the operation.
 */
const bytesPerParameter = { fp32: 4.6, int8: 2.3 };

/** Prints the resources, the model sizes that fit, and any problems. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const problems: string[] = [];
  const native = await nativeCore(problems);
  const folders = await Promise.all([
    look('results', resolve('results')),
    look('cache', cacheFolder('')),
    look('models', hubCache()),
  ]);
  for (const { name, path, writable } of folders) {
    if (writable) continue;
    const remedy = {
      results: '--output names another folder',
      cache: 'SURGERY_CACHE names another; without it everything is computed again',
      models: 'HF_HOME names another; models in folders of their own work all the same',
    };
    problems.push(`${path} cannot be written to: ${remedy[name]}`);
  }
  const { total, free } = memory();
  const diagnosis: Diagnosis = {
    format,
    versions: { node: process.versions.node, ...(native?.version ? { onnxruntime: native.version } : {}) },
    platform: `${process.platform} ${process.arch}`,
    processor: {
      model: cpus()[0]?.model ?? 'unknown',
      cores: cores(),
      instructions: await instructions(),
    },
    ...(native ? { gigaflops: native.gigaflops } : {}),
    memory: { total, free },
    folders,
    defaultModel: { ref: defaultReference, runs: (await resolveModel(undefined, { offline: true })).ref },
    fits: { fp32: free / bytesPerParameter.fp32, int8: free / bytesPerParameter.int8 },
    ...(options.model !== undefined && { model: await modelFinding(options.model, options) }),
    problems,
  };
  print(options, diagnosis, () => doctorText(diagnosis));
}

/** What a model takes here. */
async function modelFinding(ref: string, options: DoctorOptions): Promise<Diagnosis['model']> {
  const model = await openModel(ref, options);
  const { checkpoint, info } = model;
  const text = { fp32: sessionBytes(checkpoint, 'fp32'), int8: sessionBytes(checkpoint, 'int8') };
  const reading = { fp32: leastMemory(checkpoint), int8: leastMemory(checkpoint, { precision: 'int8' }) };
  const int8 = await costOfInt8(model, {}, progressOf(options));
  return { ref: info.ref, parameters: checkpoint.parameters, text, reading, int8 };
}

/** Version and speed of the native library, float32 products of 1024², all cores, the best of five. */
async function nativeCore(problems: string[]): Promise<{ version: string; gigaflops: number } | undefined> {
  try {
    const { multiply } = await import('../linalg/products.ts');
    const n = 1024;
    const a = { rows: n, cols: n, data: new Float32Array(n * n).fill(0.5) };
    let seconds = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      await multiply(a, a);
      seconds = Math.min(seconds, (performance.now() - start) / 1000);
    }
    return { version: versions().onnxruntime, gigaflops: (2 * n ** 3) / seconds / 1e9 };
  } catch (error) {
    problems.push(`onnxruntime-node cannot be loaded: ${messageOf(error)}; npm install again on this machine`);
    return undefined;
  }
}

/** Vector instruction sets that speed up matrix products, as far as /proc/cpuinfo lists them. */
async function instructions(): Promise<string[]> {
  const known = ['avx2', 'avx512f', 'avx512_vnni', 'amx_tile', 'asimd'];
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(' '));
  return known.filter((one) => flags.has(one));
}

/** A folder that does not exist yet is judged by its nearest existing parent. */
async function look(name: FolderFinding['name'], path: string): Promise<FolderFinding> {
  let place = path;
  while (!(await stat(place).catch(() => undefined)) && dirname(place) !== place) place = dirname(place);
  const open = await access(place, constants.W_OK).then(
    () => true,
    () => false,
  );
  const writable = open && (await stat(place)).isDirectory();
  const free = await freeBytes(path);
  return { name, path, writable, bytes: await bytesIn(path), ...(free === undefined ? {} : { free }) };
}

/** Bytes of the files below a folder, each counted where it lies; 0 if there is none. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let total = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) total += await bytesIn(path);
    else if (entry.isFile()) total += (await stat(path).catch(() => undefined))?.size ?? 0;
  }
  return total;
}
