// Worker threads for the linear algebra of several matrices at once. Half of an eigenproblem is single-threaded
// kernels, so one thread per matrix uses the cores better than onnxruntime's threads inside one product.
import { Worker } from 'node:worker_threads';
import { type ErrorCode, SurgeryError } from '../errors.ts';
import { cores } from '../limits.ts';
import { beforeEnd } from '../shutdown.ts';

/** What a worker is asked: to call the function `name` of a module. */
export interface Request {
  id: number;
  /** Whether it had to wait for another one. */
  inLine: boolean;
  module: string;
  name: string;
  parameters: unknown[];
}

/** What it answers. */
export type Reply = { id: number } & ({ value: unknown } | { error: Failure });

/** An error as it crosses threads: a SurgeryError by its code, a system error by its own fields. */
export type Failure = Pick<NodeJS.ErrnoException, 'message' | 'stack' | 'code' | 'syscall' | 'path'> & {
  mistake?: ErrorCode;
};

interface Job {
  id: number;
  module: URL;
  name: string;
  parameters: () => unknown[] | Promise<unknown[]>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/** All pools that are open, for a program that has to end. */
const pools = new Set<WorkerPool>();

beforeEnd(async () => {
  await Promise.all([...pools].map((pool) => pool.close()));
});

/**
 * A fixed number of threads, started when there is work for them, each with one product thread. Jobs start in the
 * order they were given. Memory stays bounded by the number of threads: a job's parameters are made only when one is
 * free, or when it may wait in line for one: then a caller that is busy for a while does not keep the threads idle.
 *
 *     const pool = new WorkerPool(2);
 *     const task = new URL('./task.ts', import.meta.url); // exports async function components(matrix)
 *     const results = await Promise.all(layers.map((layer) => pool.run(task, 'components', () => [read(layer)])));
 *     await pool.close();
 */
export class WorkerPool {
  private readonly size: number;
  private readonly inLine: number;
  /** Jobs of each thread, the current one first. */
  private readonly workers = new Map<Worker, Map<number, Job>>();
  private readonly queue: Job[] = [];
  private readonly running = new Set<Promise<unknown>>();
  /** Not 0 when threads are not to begin what waits in line. */
  private readonly stop = new Int32Array(new SharedArrayBuffer(4));
  private jobs = 0;

  /**
   * @param size threads. Default: one a core
   * @param inLine jobs that may wait at each thread with their parameters made. Default: none
   */
  constructor(size = cores(), inLine = 0) {
    this.size = Math.max(1, size);
    this.inLine = inLine;
    pools.add(this);
  }

  /**
   * Calls the exported function `name` of `module` in a thread. Buffers of typed arrays in its parameters and in its
   * result are moved, not copied, so the parameters' are empty afterwards. A SurgeryError it throws is one here too.
   */
  run<T>(module: URL, name: string, parameters: () => unknown[] | Promise<unknown[]>): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.closing) return reject(new Error('the worker pool was closed'));
      this.queue.push({ id: this.jobs++, module, name, parameters, resolve, reject });
      this.next();
    }) as Promise<T>;
  }

  /**
   * Ends all threads; jobs that have not started are rejected, those under way are waited for: a thread that is ended
   * inside native code takes the whole process with it.
   */
  async close(): Promise<void> {
    const stopped = new Error('the worker pool was closed');
    for (const job of this.queue.splice(0)) job.reject(stopped);
    Atomics.store(this.stop, 0, 1);
    await Promise.allSettled(this.running);
    const workers = [...this.workers.keys()];
    this.workers.clear();
    pools.delete(this);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  private get closing(): boolean {
    return Atomics.load(this.stop, 0) !== 0;
  }

  private next(): void {
    if (this.queue.length === 0) return;
    const worker = this.available();
    const job = worker && this.queue.shift();
    if (!worker || !job) return;
    const done = new Promise<void>((resolve) => {
      const end =
        <A>(finish: (value: A) => void) =>
        (value: A) => {
          finish(value);
          resolve();
        };
      void this.send(worker, { ...job, resolve: end(job.resolve), reject: end(job.reject) });
    });
    this.running.add(done);
    void done.then(() => this.running.delete(done));
  }

  /** An idle thread, else a new one, else the one with the shortest line, if there is room in it. */
  private available(): Worker | undefined {
    const [shortest] = [...this.workers].sort(([, a], [, b]) => a.size - b.size);
    if (shortest?.[1].size === 0) return shortest[0];
    if (this.workers.size < this.size) return this.start();
    return shortest && shortest[1].size <= this.inLine ? shortest[0] : undefined;
  }

  private async send(worker: Worker, job: Job): Promise<void> {
    const { id, module, name } = job;
    const given = this.workers.get(worker);
    const inLine = given !== undefined && given.size > 0;
    given?.set(id, job);
    worker.ref();
    try {
      const request: Request = { id, inLine, module: built(module).href, name, parameters: await job.parameters() };
      worker.postMessage(request, buffersIn(request));
    } catch (error) {
      job.reject(error);
      this.ended(worker, id);
    }
  }

  private ended(worker: Worker, id: number): void {
    const given = this.workers.get(worker);
    given?.delete(id);
    if (given?.size === 0) worker.unref(); // an idle thread does not keep the process alive
    this.next();
  }

  private start(): Worker {
    // A thread runs a file: what says how to read `--eval`'s text is refused there.
    const execArgv = process.execArgv.filter((flag) => !flag.startsWith('--input-type'));
    const worker = new Worker(built(new URL('./worker.ts', import.meta.url)), { workerData: this.stop, execArgv });
    const given = new Map<number, Job>();
    this.workers.set(worker, given);
    worker.on('message', (reply: Reply) => {
      const job = given.get(reply.id);
      if (!job) return;
      if ('value' in reply) job.resolve(reply.value);
      else job.reject(revived(reply.error));
      this.ended(worker, reply.id);
    });
    worker.on('error', (error) => {
      this.workers.delete(worker);
      for (const job of given.values()) job.reject(error);
      this.next();
    });
    return worker;
  }
}

/** Results of a call for each item: all at once where threads do the work, else one after the other. */
export async function inTurn<A, B>(
  items: readonly A[],
  threaded: boolean,
  call: (item: A) => Promise<B>,
): Promise<B[]> {
  if (threaded) return Promise.all(items.map(call));
  const results: B[] = [];
  for (const item of items) results.push(await call(item));
  return results;
}

/** The buffers of all typed arrays in a plain value, to be moved between threads. */
export function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) buffersIn(part, found);
  }
  return [...found];
}

/** Threads run the compiled program, also when this file is run from its source, as tests do. */
function built(url: URL): URL {
  const fromSource = import.meta.url.endsWith('.ts');
  const href = fromSource ? url.href.replace(/^(.*)\/src\//, '$1/dist/') : url.href;
  return new URL(href.replace(/\.ts$/, '.js'));
}

function revived({ message, mistake, stack, ...system }: Failure): Error {
  if (mistake) return new SurgeryError(mistake, message);
  const fields = Object.entries(system).filter(([, value]) => value !== undefined);
  return Object.assign(new Error(message), { stack }, Object.fromEntries(fields));
}
