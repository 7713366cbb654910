// Times the runtime on a model folder, compared with llama.cpp if it is available: prefill, decode, batches, start,
// memory.
// One JSON document on stdout. Needs the built program, and Linux for the memory figures.
//
//     node scripts/bench/runtime.mjs MODEL_DIR [--threads 2] [--rounds 5] [--precision fp32,int8] [--run]
//                                    [--llama DIR --gguf fp32=model-f32.gguf --gguf int8=model-q8_0.gguf]
//
// --llama names the folder where node-llama-cpp was installed (npm install --no-save node-llama-cpp
// @node-llama-cpp/linux-x64, with NODE_LLAMA_CPP_SKIP_DOWNLOAD=true). --run adds a whole `surgery run --no-save`.
// Every figure is a median over rounds in which all contenders take turns; a ratio is the median of the rounds' ratios:
// on a shared machine only figures of the same moment can be compared.
import { fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(import.meta.url);
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const promptTokens = 256;
const decodeTokens = 16;
/** Ids that the smallest vocabularies have too. */
const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 7919) % 500);

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value, digits = 2) => Number(value.toFixed(digits));
const seconds = (start) => (performance.now() - start) / 1000;
const peakBytes = (pid) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

/** Our runtime in a process of its own. `mode` run: the attention weights are inputs, as for original and operated. */
async function ours(model, precision, threads, mode) {
  const { Checkpoint } = await import('../../dist/checkpoint/reader.js');
  const { touchedBy } = await import('../../dist/operations/recipe.js');
  const { Runtime } = await import('../../dist/runtime/session.js');
  const checkpoint = await Checkpoint.open(model);
  const start = performance.now();
  const runtime = await Runtime.open(checkpoint, {
    precision,
    threads,
    ...(mode === 'run'
      ? {
          replaceable: touchedBy([[{ kind: 'pca', mode: 'separate', rank: 1 }]], checkpoint.config),
          variantsTogether: 2,
        }
      : {}),
  });
  const load = seconds(start);
  const other = runtime.variant(
    new Map(Object.entries(runtime.original).map(([name, { data }]) => [name, data.slice()])),
  );
  const batches = new Map();
  /** A batch whose rows have all read the prompt's beginning; every other row is the other variant's. */
  const batchOf = async (rows) => {
    const known = batches.get(rows);
    if (known) return known;
    const weights = Array.from({ length: rows }, (_, i) => (mode === 'run' && i % 2 === 1 ? other : runtime.original));
    const batch = runtime.batch(64, weights);
    for (const sequence of batch.sequences) await sequence.readToEnd(prompt.slice(0, 8));
    batches.set(rows, batch);
    return batch;
  };
  return {
    load: async () => load,
    peak: async () => peakBytes(process.pid),
    prefill: async () => {
      const sequence = runtime.sequence(promptTokens);
      const from = performance.now();
      await sequence.readToEnd(prompt);
      return promptTokens / seconds(from);
    },
    decode: async () => {
      const sequence = runtime.sequence(promptTokens + decodeTokens);
      await sequence.readToEnd(prompt.slice(0, 32));
      const from = performance.now();
      for (let i = 0; i < decodeTokens; i++) await sequence.readToEnd([5]);
      return decodeTokens / seconds(from);
    },
    batch: async (rows) => {
      const batch = await batchOf(rows);
      for (const sequence of batch.sequences) sequence.rewind(8);
      const from = performance.now();
      for (let i = 0; i < 8; i++) await batch.step(new Map(batch.sequences.map((sequence) => [sequence, 9])));
      return (rows * 8) / seconds(from);
    },
  };
}

/** llama.cpp through node-llama-cpp, as baseline_llama_cpp.mjs does it. */
async function llama(folder, gguf, threads) {
  const entry = createRequire(`${resolve(folder)}/`).resolve('node-llama-cpp');
  const { getLlama } = await import(pathToFileURL(entry).href);
  const start = performance.now();
  const options = { gpu: false, build: 'never', skipDownload: true, maxThreads: threads, logLevel: 'error' };
  const model = await (await getLlama(options)).loadModel({ modelPath: resolve(gguf) });
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads });
  const sequence = context.getSequence();
  const load = seconds(start);
  return {
    load: async () => load,
    prefill: async () => {
      await sequence.clearHistory();
      const from = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(prompt);
      return promptTokens / seconds(from);
    },
    decode: async () => {
      await sequence.clearHistory();
      await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, 32));
      const from = performance.now();
      let tokens = 0;
      for await (const _ of sequence.evaluate([5], { temperature: 0 })) if (++tokens >= decodeTokens) break;
      return decodeTokens / seconds(from);
    },
  };
}

/** Answers what the parent asks for, one question at a time. */
async function answerParent([kind, ...args]) {
  const [a, b, threads, mode] = args;
  try {
    const contender = kind === 'ours' ? await ours(a, b, Number(threads), mode) : await llama(a, b, Number(threads));
    process.on('message', async ({ name, parameter }) => process.send({ value: await contender[name](parameter) }));
    process.send({ value: 'ready' });
  } catch (error) {
    process.send({ error: error.message });
  }
}

/** A contender in a child process, ready to be asked. */
async function contender(...args) {
  const child = fork(here, ['--child', ...args.map(String)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const reply = () =>
    new Promise((done, fail) => {
      const ended = (code) => fail(new Error(`the process ended with ${code}`));
      child.once('exit', ended);
      child.once('message', ({ value, error }) => {
        child.off('exit', ended);
        if (error) fail(new Error(error));
        else done(value);
      });
    });
  await reply();
  return {
    ask: (name, parameter) => {
      child.send({ name, parameter });
      return reply();
    },
    end: () => child.kill(),
  };
}

/** Runs the command line; seconds until it ended and its peak memory, of all its threads. */
function command(args) {
  return new Promise((done, fail) => {
    const start = performance.now();
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let peak = 0;
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text;
    });
    const watch = setInterval(() => {
      try {
        peak = Math.max(peak, peakBytes(child.pid));
      } catch {
        // It has just ended.
      }
    }, 20);
    child.on('exit', (code) => {
      clearInterval(watch);
      if (code !== 0) fail(new Error(`surgery ${args.join(' ')} ended with ${code}: ${errors}`));
      else done({ seconds: seconds(start), peak });
    });
  });
}

/** Prefill and decode of us and of llama.cpp in turns, then our batches. */
async function speeds(model, precision, { threads, rounds, llamaFolder, gguf }) {
  const us = await contender('ours', model, precision, threads, 'plain');
  let them;
  let absent = gguf ? undefined : `no --gguf ${precision}=FILE was given`;
  if (gguf) {
    try {
      them = await contender('llama', llamaFolder, gguf, threads);
    } catch (error) {
      absent = error.message.split('\n')[0];
    }
  }
  const result = { sessionSeconds: round(await us.ask('load')) };
  for (const what of ['prefill', 'decode']) {
    const taken = [];
    for (let i = 0; i <= rounds; i++) {
      const pair = { ours: await us.ask(what), llama: them && (await them.ask(what)) };
      if (i > 0) taken.push(pair); // the first warms up
    }
    result[what] = { tokensPerSecond: round(median(taken.map((pair) => pair.ours))) };
    if (!them) continue;
    result[what].llamaCpp = round(median(taken.map((pair) => pair.llama)));
    result[what].ratio = round(median(taken.map((pair) => pair.ours / pair.llama)));
  }
  result.llamaCpp = them ? { sessionSeconds: round(await them.ask('load')) } : { absent };
  them?.end();
  result.batch = await batchGains(us, rounds);
  result.peakGB = round((await us.ask('peak')) / 1e9);
  us.end();
  return result;
}

/** Tokens a second of several rows against one, by rows. */
async function batchGains(us, rounds) {
  const rows = [1, 2, 4, 8];
  const taken = [];
  for (let i = 0; i <= rounds; i++) {
    const speeds = [];
    for (const n of rows) speeds.push(await us.ask('batch', n));
    if (i > 0) taken.push(speeds);
  }
  return Object.fromEntries(
    rows.map((n, at) => [
      n,
      {
        tokensPerSecond: round(median(taken.map((speeds) => speeds[at]))),
        gain: round(median(taken.map((speeds) => speeds[at] / speeds[0]))),
      },
    ]),
  );
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: 'string', default: String(cpus().length) },
      rounds: { type: 'string', default: '5' },
      precision: { type: 'string', default: 'fp32,int8' },
      llama: { type: 'string', default: '.' },
      gguf: { type: 'string', multiple: true, default: [] },
      run: { type: 'boolean', default: false },
    },
  });
  const [model] = positionals;
  if (!model) throw new Error('usage: node scripts/bench/runtime.mjs MODEL_DIR [options], see the top of the file');
  const threads = Number(values.threads);
  const rounds = Number(values.rounds);
  const ggufs = Object.fromEntries(values.gguf.map((pair) => pair.split(/=(.*)/, 2)));
  const result = { model: resolve(model), cpu: cpus()[0]?.model, threads, rounds, load: [round(loadavg()[0])] };
  for (const precision of values.precision.split(',')) {
    const first = ['generate', '--model', model, '--raw', '--prompt', 'Once', '--max-new-tokens', '1', '--quiet'];
    const options = ['--precision', precision, '--threads', String(threads)];
    const starts = [];
    for (let i = 0; i < 3; i++) starts.push(await command([...first, ...options]));
    const figures = await speeds(model, precision, {
      threads,
      rounds,
      llamaFolder: values.llama,
      gguf: ggufs[precision],
    });
    const operated = await contender('ours', model, precision, threads, 'run');
    result[precision] = {
      ...figures,
      // The first start may have had to prepare the weights; the others had not.
      firstToken: { first: round(starts[0].seconds), again: round(Math.min(starts[1].seconds, starts[2].seconds)) },
      generatePeakGB: round(Math.max(...starts.map(({ peak }) => peak)) / 1e9),
      originalAndOperated: await batchGains(operated, rounds),
    };
    operated.end();
    if (values.run) {
      const args = ['run', '--model', model, '--variance', '0.3', '--no-save', '--max-new-tokens', '20'];
      const output = ['--max-tokens', '32', '--output', `results/bench-${process.pid}-${precision}`, '--quiet'];
      const { seconds: took, peak } = await command([...args, ...output, ...options]);
      result[precision].run = { seconds: round(took), peakGB: round(peak / 1e9) };
    }
    result.load.push(round(loadavg()[0]));
  }
  console.log(JSON.stringify(result, null, 2));
}

if (process.argv[2] === '--child') await answerParent(process.argv.slice(3));
else await main();
