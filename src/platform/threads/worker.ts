// A thread of the pool: calls the functions it is asked for, one at a time, in the order it was asked.
import { parentPort, workerData } from 'node:worker_threads';
import { SurgeryError } from '../errors.ts';
import { buffersIn, type Failure, type Reply, type Request } from './pool.ts';

/** Shared with the pool, see there. */
const stop: Int32Array = workerData;
let last = Promise.resolve();

parentPort?.on('message', (request: Request) => {
  last = last.then(() => handle(request));
});

async function handle({ id, inLine, module, name, parameters }: Request): Promise<void> {
  try {
    if (inLine && Atomics.load(stop, 0) !== 0) throw new Error('the worker pool was closed');
    const call = (await import(module))[name];
    answer({ id, value: await call(...parameters) });
  } catch (error) {
    const { message, stack, ...rest }: Failure = error instanceof Error ? error : new Error(String(error));
    const { code, syscall, path } = rest;
    const known = error instanceof SurgeryError;
    answer({ id, error: { message, stack, ...(known ? { mistake: error.code } : { code, syscall, path }) } });
  }
}

function answer(reply: Reply): void {
  parentPort?.postMessage(reply, buffersIn(reply));
}
