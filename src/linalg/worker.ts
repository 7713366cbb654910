// A thread of the pool: calls the functions it is asked for, one at a time.
import { parentPort } from 'node:worker_threads';
import { SurgeryError } from '../errors.ts';
import { buffersIn, type Reply, type Request } from './pool.ts';
import { setProductThreads } from './products.ts';

setProductThreads(1);

parentPort?.on('message', async ({ module, name, parameters }: Request) => {
  try {
    const call = (await import(module))[name];
    answer({ value: await call(...parameters) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    answer({ error: { message, stack, code: error instanceof SurgeryError ? error.code : undefined } });
  }
});

function answer(reply: Reply): void {
  parentPort?.postMessage(reply, buffersIn(reply));
}
