// Worker threads for the linear algebra of several matrices at once. Half of an eigenproblem is single-threaded
// kernels, so a thread a matrix uses the cores better than onnxruntime's threads inside one product.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, SurgeryError } from '../errors.ts';

/** What a worker is asked: to call the function `name` of a module. */
export interface Request {
  module: string;
  name: string;
  parameters: unknown[];
}

/** What it answers. */
export type Reply = { value: unknown } | { error: { message: string; stack?: string; code?: ErrorCode } };

interface Job {
  module: URL;
  name: string;
  parameters: () => unknown[] | Promise<unknown[]>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/** All pools that are open, for a program that has to end. */
const pools = new Set<WorkerPool>();

/** Closes every pool. */
export async function closePools(): Promise<void> {
  await Promise.all([...pools].map((pool) => pool.close()));
}

/**
 * A fixed number of threads, started when there is work for them, each with one product thread. Jobs start in the
 * order they were given. Memory stays bounded by the number of threads: a job's parameters are made only when one is free.
 *
 *     const pool = new WorkerPool(2);
 *     const task = new URL('./task.ts', import.meta.url); // exports async function components(matrix)
 *     const results = await Promise.all(layers.map((layer) => pool.run(task, 'components', () => [read(layer)])));
 *     await pool.close();
 */
export class WorkerPool {
  private readonly size: number;
  private readonly idle: Worker[] = [];
  private readonly workers = new Map<Worker, Job | undefined>();
  private readonly queue: Job[] = [];
  private readonly running = new Set<Promise<unknown>>();
  private closing = false;

  constructor(size = availableParallelism()) {
    this.size = Math.max(1, size);
    pools.add(this);
  }

  /**
   * Calls the exported function `name` of `module` in a thread. Buffers of typed arrays in its parameters and in its
   * result are moved, not copied, so the parameters' are empty afterwards. A SurgeryError it throws is one here too.
   */
  run<T>(module: URL, name: string, parameters: () => unknown[] | Promise<unknown[]>): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.closing) return reject(new Error('the worker pool was closed'));
      this.queue.push({ module, name, parameters, resolve, reject });
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
    this.closing = true;
    await Promise.allSettled(this.running);
    const workers = [...this.workers.keys()];
    this.workers.clear();
    this.idle.length = 0;
    pools.delete(this);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  private next(): void {
    if (this.queue.length === 0) return;
    const worker = this.idle.pop() ?? (this.workers.size < this.size ? this.start() : undefined);
    const job = worker && this.queue.shift();
    if (!worker || !job) return;
    const done = new Promise<void>((resolve) => {
      const end =
        <A>(settle: (value: A) => void) =>
        (value: A) => {
          settle(value);
          resolve();
        };
      void this.send(worker, { ...job, resolve: end(job.resolve), reject: end(job.reject) });
    });
    this.running.add(done);
    void done.then(() => this.running.delete(done));
  }

  private async send(worker: Worker, job: Job): Promise<void> {
    this.workers.set(worker, job);
    worker.ref();
    try {
      const request: Request = { module: built(job.module).href, name: job.name, parameters: await job.parameters() };
      worker.postMessage(request, buffersIn(request));
    } catch (error) {
      job.reject(error);
      this.free(worker);
    }
  }

  private free(worker: Worker): void {
    this.workers.set(worker, undefined);
    this.idle.push(worker);
    worker.unref(); // an idle thread does not keep the process alive
    this.next();
  }

  private start(): Worker {
    const worker = new Worker(built(new URL('./worker.ts', import.meta.url)));
    this.workers.set(worker, undefined);
    worker.on('message', (reply: Reply) => {
      const job = this.workers.get(worker);
      if (!job) return;
      if ('value' in reply) job.resolve(reply.value);
      else job.reject(revived(reply.error));
      this.free(worker);
    });
    worker.on('error', (error) => {
      const job = this.workers.get(worker);
      this.workers.delete(worker);
      job?.reject(error);
      this.next();
    });
    return worker;
  }
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

function revived({ message, stack, code }: { message: string; stack?: string; code?: ErrorCode }): Error {
  if (code) return new SurgeryError(code, message);
  const error = new Error(message);
  if (stack) error.stack = stack;
  return error;
}
