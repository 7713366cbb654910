// The library, in programs of their own: whether onnxruntime's telemetry is off depends on what is loaded first, and where.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { everythingIn, newHome } from '../support/home.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const module = (name: string) => JSON.stringify(pathToFileURL(join(root, 'dist', name)).href);

/** A session is opened: from then on the native library would have files at home. */
const multiplies = `
const { multiply } = await import(${module('index.js')});
const one = { rows: 1, cols: 1, data: Float64Array.of(1) };
await multiply(one, one);
`;

/** Says what the process's environment held when the native library was loaded. */
const spy = `
const { dlopen } = process;
process.dlopen = (...given) => {
  if (given[1].includes('onnxruntime')) console.log('loaded with', process.env.ORT_DISABLE_TELEMETRY);
  return dlopen(...given);
};
`;

/** `text` in a thread of a program that does not load the library itself, and waits without a turn of its event loop. */
const inThread = (text: string, options = {}) => `
import { Worker } from 'node:worker_threads';
const done = new Int32Array(new SharedArrayBuffer(4));
const code = ${JSON.stringify(threadOf(text))};
const thread = new Worker(code, { eval: true, workerData: done, ...${JSON.stringify(options)} });
thread.on('message', (said) => console.log(said));
Atomics.wait(done, 0, 0, 60_000);
`;

const threadOf = (text: string) => `
const { parentPort, workerData } = require('node:worker_threads');
const work = async () => {${text}};
work().then(() => 'done', ({ message }) => message).then((said) => {
  parentPort.postMessage(said);
  Atomics.store(workerData, 0, 1);
  Atomics.notify(workerData, 0);
});
`;

/** What a program prints, and what is at home after it. */
function run(text: string): { said: string; home: string[] } {
  const home = newHome(tmp);
  const program = join(tmp, 'program.mjs');
  writeFileSync(program, text);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: 'utf8',
    env: { ...process.env, ...home },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return { said: stdout.trim(), home: everythingIn(home.HOME) };
}

test('the library keeps nothing at home, and turns telemetry off before the native library is there', () => {
  expect(run(spy + multiplies)).toEqual({ said: 'loaded with 1', home: [] });
});

test('in a thread whose main thread does not know the library, and waits', () => {
  expect(run(inThread(multiplies))).toEqual({ said: 'done', home: [] });
});

test("in a thread whose own copy of the environment says so, when the process's does not", () => {
  expect(run(inThread(multiplies, { env: { ORT_DISABLE_TELEMETRY: '1' } }))).toEqual({ said: 'done', home: [] });
});

test('in the threads of a pool', () => {
  const text = `
const { WorkerPool } = await import(${module('platform/threads/pool.js')});
const pool = new WorkerPool(1);
const one = { rows: 1, cols: 1, data: Float64Array.of(1) };
console.log((await pool.run(new URL(${module('linalg/products.js')}), 'multiply', () => [one, one])).data);
await pool.close();`;
  expect(run(text)).toEqual({ said: 'Float64Array(1) [ 1 ]', home: [] });
});

test('a thread that cannot reach the main thread opens no session', () => {
  const text = `
require('node:inspector').Session.prototype.connectToMainThread = () => { throw new Error('not allowed'); };
${multiplies}`;
  const { said, home } = run(inThread(text));
  expect(said).toMatch(
    /^onnxruntime's telemetry cannot be turned off from this thread: import surgery in the main thread/,
  );
  expect(home).toEqual([]);
});
