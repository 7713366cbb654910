// What reading a model block by block costs, compared with an earlier build that loaded the whole model.
// One JSON document on stdout. Needs the built program, and Linux for the memory figures.
//
//     node scripts/bench/walk.mjs MODEL_DIR [--before DIR] [--parts products,run,sensitivity,sweep,prefill,pocket]
//                                 [--large DIR] [--transformers DIR [--python PYTHON]]
//
// --before names a built checkout of an earlier commit, whose times stand next to today's; without it there are today's
// alone. --large adds a model that does not fit in memory, made by make_synthetic.mjs. --transformers names a model that
// transformers scores too, which PYTHON has to have. Each command starts with an empty cache, and the two builds take
// turns.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { expectedTensors } from '../../dist/checkpoint/names.js';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { openCheckpoint, scoreWalk, Walk } from '../../dist/index.js';
import { openSession, Tensor } from '../../dist/platform/onnxruntime.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    before: { type: 'string' },
    parts: { type: 'string', default: 'products,run,sensitivity,sweep,prefill,pocket' },
    large: { type: 'string' },
    transformers: { type: 'string' },
    python: { type: 'string', default: 'python3' },
  },
});
const [model] = positionals;
if (!model) throw new Error('usage: node scripts/bench/walk.mjs MODEL_DIR [--before DIR] [--parts LIST] [--large DIR]');
const builds = { now: root, ...(values.before && { before: resolve(values.before) }) };
const parts = values.parts.split(',');
const round = (value, digits = 2) => Number(value.toFixed(digits));
const say = (line) => process.stderr.write(`${line}\n`);

/** Runs a command of a build with an empty cache: seconds, processor seconds, peak memory in GB, and what it printed as JSON. */
async function command(build, args) {
  const folder = mkdtempSync(join(tmpdir(), 'surgery-bench-'));
  const start = performance.now();
  const child = spawn(
    process.execPath,
    [join(builds[build], 'dist/cli.js'), ...args, '--output', join(folder, 'out')],
    {
      // Set, so that the program does not start itself again.
      env: { ...process.env, SURGERY_CACHE: join(folder, 'cache'), GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let printed = '';
  let peak = 0;
  let cpu = 0;
  child.stdout.on('data', (text) => (printed += text));
  const timer = setInterval(() => {
    try {
      const ticks = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      cpu = (Number(ticks[11]) + Number(ticks[12])) / 100;
      peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? peak);
    } catch {} // it has just ended
  }, 50);
  const code = await new Promise((done) => child.on('close', done));
  clearInterval(timer);
  const seconds = (performance.now() - start) / 1000;
  rmSync(folder, { recursive: true });
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
  return { seconds: round(seconds), cpu, peakGB: round((peak * 1024) / 1e9), result: JSON.parse(printed) };
}

/** The same for each build, in turns. */
async function inTurns(name, argsOf, secondsOf = ({ seconds }) => seconds) {
  const found = {};
  for (const build of Object.keys(builds)) {
    say(`${name}, ${build} …`);
    const run = await command(build, [...argsOf(build), '--json', '--quiet']);
    found[build] = { seconds: round(secondsOf(run, build)), cpu: round(run.cpu), peakGB: run.peakGB };
  }
  return { ...found, ...(found.before && { ratio: round(found.now.seconds / found.before.seconds, 3) }) };
}

const text = ['--text', join(root, 'src/pocket/valid.txt'), '--chunk', 'stream'];
const checkpoint = await openCheckpoint(model);
const { layers, vocabSize, hiddenSize } = checkpoint.config;
const numbers = [...expectedTensors(checkpoint.config)].filter(({ shape }) => shape.length === 2);
const result = { model };

/** GFLOP/s of a block's products and the unembedding with weights as inputs, 1,024 rows. */
async function products() {
  const rows = 1024;
  let operations = 0;
  let seconds = 0;
  for (const { name, shape } of numbers.filter(({ name }) => !/layers\.[1-9]|embed_tokens/.test(name))) {
    const [out, into] = shape;
    const g = new GraphBuilder();
    const inputs = [g.input('x', 'float32', [rows, into]), g.input('w', 'float32', shape)];
    g.node('Gemm', inputs, 'y', { transB: 1 });
    g.output('y', 'float32', [rows, out]);
    const session = await openSession(g.build(name), { executionProviders: ['cpu'], logSeverityLevel: 4 });
    const tensor = (dims) => new Tensor('float32', new Float32Array(dims[0] * dims[1]).fill(0.5), dims);
    const feeds = { x: tensor([rows, into]), w: tensor(shape) };
    const y = { y: tensor([rows, out]) };
    const times = [];
    for (let i = 0; i < 6; i++) {
      const start = performance.now();
      await session.run(feeds, y);
      times.push((performance.now() - start) / 1000);
    }
    const repeated = name.includes('layers.0') ? layers : 1;
    seconds += repeated * times.slice(1).sort((a, b) => a - b)[2];
    operations += repeated * 2 * rows * out * into;
    await session.release();
  }
  return { gigaflops: round(operations / seconds / 1e9, 1), secondsPerToken: seconds / rows };
}

/** Sixteen documents of 150 tokens, about a paragraph each, scored by the walk and by transformers one at a time, in turns. */
async function againstTransformers(folder) {
  const small = await openCheckpoint(folder);
  const documents = Array.from({ length: 16 }, (_, d) =>
    Array.from({ length: 150 }, (_, i) => (i * 7919 + d * 104729) % small.config.vocabSize),
  );
  const times = { walk: [], transformers: [] };
  const nlls = {};
  const walked = async () => {
    const walk = new Walk(small, documents);
    const start = performance.now();
    const { original } = await scoreWalk(walk);
    const seconds = (performance.now() - start) / 1000;
    await walk.close();
    nlls.walk = original.nll;
    return seconds;
  };
  for (let turn = 0; turn < 3; turn++) {
    await walked(); // warm
    for (let i = 0; i < 5; i++) times.walk.push(await walked());
    const python = spawnSync(
      values.python,
      [fileURLToPath(new URL('baseline_transformers.py', import.meta.url)), folder, String(availableParallelism())],
      { input: JSON.stringify(documents), encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const { seconds, nll } = JSON.parse(python.stdout);
    times.transformers.push(...seconds);
    nlls.transformers = nll;
  }
  const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
  const [now, other] = [median(times.walk), median(times.transformers)];
  return { model: folder, seconds: round(now), transformers: round(other), ratio: round(now / other, 3), nlls };
}

if (parts.includes('products')) result.products = await products();
if (parts.includes('run')) {
  result.run = await inTurns(
    'run --variance 0.3',
    (build) => [
      'run',
      '--model',
      model,
      '--variance',
      '0.3',
      '--no-save',
      ...(build === 'now' ? ['--no-samples', '--no-diagnosis'] : ['--max-new-tokens', '1']),
    ],
    ({ seconds, result: { seconds: stages } }, build) =>
      build === 'now' ? seconds : stages.load + stages.decompose + stages.score,
  );
}
if (parts.includes('sensitivity')) {
  result.sensitivity = await inTurns('sensitivity by layer', () => [
    ...['sensitivity', '--model', model, '--variance', '0.9', '--by', 'layer', '--no-samples'],
    ...[...text, '--documents', '2', '--max-tokens', '128'],
  ]);
}
if (parts.includes('sweep')) {
  result.sweep = await inTurns('sweep of 6 cells', () => [
    ...['sweep', '--model', model, '--variance', '0.9,0.6,0.3', '--mode', 'separate,shared-kv', '--no-samples'],
    ...[...text, '--documents', '4', '--max-tokens', '256'],
  ]);
  if (result.products) {
    const tokens = 7 * 4 * 256;
    result.sweep.products = round(result.products.secondsPerToken * tokens);
    result.sweep.againstProducts = round(result.sweep.now.seconds / result.sweep.products, 3);
  }
}
if (parts.includes('prefill')) {
  say('Prefill …');
  const documents = Array.from({ length: 4 }, (_, d) =>
    Array.from({ length: 256 }, (_, i) => (i * 7919 + d) % vocabSize),
  );
  const walked = async () => {
    const walk = new Walk(checkpoint, documents);
    const start = performance.now();
    await scoreWalk(walk);
    const seconds = (performance.now() - start) / 1000;
    await walk.close();
    return seconds;
  };
  const earlier = builds.before && (await import(join(builds.before, 'dist/index.js')));
  const runtime = await earlier?.Runtime.open(await earlier.openCheckpoint(model));
  const loaded = async () => {
    const start = performance.now();
    await earlier.score(documents, { runtime });
    return (performance.now() - start) / 1000;
  };
  const times = { walk: [], session: [] };
  for (let i = 0; i < 4; i++) {
    if (earlier) times.session.push(await loaded());
    times.walk.push(await walked());
  }
  await runtime?.close();
  const rate = (all) => round(1024 / all.slice(1).sort((a, b) => a - b)[1], 1);
  const now = rate(times.walk);
  const before = earlier && rate(times.session);
  result.prefill = { tokensPerSecond: now, ...(earlier && { before, ratio: round(now / before, 3) }) };
}
if (parts.includes('pocket')) {
  result.pocket = await inTurns('pocket', () => [
    ...['sweep', '--model', 'pocket', '--documents', '60', '--variance', '0.9,0.8,0.7,0.6,0.5'],
    ...['--mode', 'separate,shared-kv', '--match', 'width,parameters', '--controls', '--max-new-tokens', '40'],
    ...['--tasks', join(root, 'src/pocket/tasks.jsonl'), '--questions', '100'],
  ]);
}
if (values.transformers) {
  say('transformers …');
  result.transformers = await againstTransformers(values.transformers);
}
if (values.large) {
  say('The large model …');
  const run = await command('now', [
    ...[
      'sweep',
      '--model',
      values.large,
      '--kind',
      'zero',
      '--heads',
      '0.0',
      '--heads',
      '0.1',
      '--no-samples',
      '--json',
    ],
    ...[...text, '--documents', '4', '--max-tokens', '512', '--memory', '6GB'],
  ]);
  const large = await openCheckpoint(values.large);
  const parameters = [...expectedTensors(large.config)].reduce(
    (sum, { name, shape }) => sum + (/embed_tokens/.test(name) ? 0 : shape.reduce((a, b) => a * b, 1)),
    0,
  );
  const operations = 3 * 2 * parameters * 4 * 512;
  const ideal = result.products && operations / result.products.gigaflops / 1e9;
  result.large = { seconds: run.seconds, peakGB: run.peakGB, ...(ideal && { ratio: round(run.seconds / ideal) }) };
}
console.log(JSON.stringify({ ...result, hiddenSize }, null, 2));
