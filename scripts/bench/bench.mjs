// make bench: what is fast here, side by side with what people use instead, as ratios measured in one run.
//
//     node scripts/bench/bench.mjs [MODEL_DIR]        default: a synthetic model of TinyLlama's size, made once
//
// Baselines are optional and named as absent: scikit-learn (Debian's python3-sklearn), and llama.cpp through node-llama-cpp
// in the folder that $LLAMA_CPP names (see runtime.mjs). Writes results/bench.json. A benchmark, not a test.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../dist/platform/cache.js';
import { table } from '../../dist/report/format.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const cli = join(root, 'dist/cli.js');
const say = (line) => process.stderr.write(`${line}\n`);
const json = (file, args, env = {}) =>
  JSON.parse(
    execFileSync(file, args, {
      encoding: 'utf8',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 1e9,
    }),
  );
const node = (script, args, env) => json(process.execPath, [join(here, script), ...args], env);
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const bench = cacheFolder('bench');
const model = process.argv[2] || synthetic();
const result = { model, cpu: cpus()[0]?.model, cores: cpus().length, load: [loadavg()[0]] };
result.help = helpSeconds();
result.pca = pca();
result.int8 = int8Cost();
result.runtime = runtime();
say('Lens …');
result.lens = node('lens.mjs', [model]);
result.load.push(loadavg()[0]);
mkdirSync(join(root, 'results'), { recursive: true });
writeFileSync(join(root, 'results/bench.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(report(result));

function synthetic() {
  const folder = join(bench, 'tinyllama');
  if (!existsSync(join(folder, 'tokenizer.json'))) {
    say('Making a synthetic TinyLlama (2.2 GB) …');
    execFileSync(process.execPath, [
      join(here, 'make_synthetic.mjs'),
      folder,
      '--tokenizer',
      join(root, 'src/pocket/tokenizer.json'),
    ]);
  }
  return folder;
}

function helpSeconds() {
  const times = Array.from({ length: 7 }, () => {
    const start = performance.now();
    execFileSync(process.execPath, [cli, '--help']);
    return (performance.now() - start) / 1000;
  });
  return median(times);
}

/** Decomposition without and with the cache, compared with scikit-learn's on the same cores. */
function pca() {
  const python = ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import sklearn']).status === 0);
  const rows = {};
  for (const variance of ['0.3', '0.9']) {
    const folder = mkdtempSync(join(tmpdir(), 'surgery-bench-'));
    say(`PCA at ${variance} …`);
    const fresh = node('pca.mjs', [model, variance], { SURGERY_CACHE: folder });
    const again = node('pca.mjs', [model, variance === '0.3' ? '0.9' : '0.3'], { SURGERY_CACHE: folder });
    rmSync(folder, { recursive: true });
    if (python) say(`PCA at ${variance}, scikit-learn …`);
    const baseline = python && json(python, [join(here, 'baseline_pca.py'), model, variance]);
    rows[variance] = {
      seconds: fresh.seconds,
      againSeconds: again.seconds,
      peakMB: fresh.peak_mb,
      scikitLearnSeconds: baseline?.seconds,
      sameRanks: baseline && JSON.stringify(baseline.ranks_q_kv) === JSON.stringify(fresh.ranks_q_kv),
    };
  }
  return rows;
}

/** What int8 costs in quality: KL and perplexity against fp32. */
function int8Cost() {
  const shared = join(root, '../shared');
  const models = [['pocket', join(root, 'src/pocket/valid.txt')]];
  const stories = join(shared, 'models/stories260k');
  if (existsSync(stories)) models.push([stories, join(shared, 'text/tinystories-60.json')]);
  return models.map(([ref, text]) => {
    const args = [cli, 'eval', '--model', ref, '--text', text, '--max-tokens', '256', '--json', '--quiet'];
    const exact = json(process.execPath, args).scores;
    const fast = json(process.execPath, [...args, '--precision', 'int8', '--base', ref]).scores;
    return {
      model: ref,
      tokens: fast.tokens,
      perplexity: exact.perplexity,
      int8Perplexity: fast.perplexity,
      kl: fast.kl,
      sameTop: fast.sameTop,
    };
  });
}

function runtime() {
  say('Runtime …');
  const llama = process.env.LLAMA_CPP;
  const args = [model, '--run'];
  if (llama) {
    for (const [precision, type] of [
      ['fp32', 'f32'],
      ['int8', 'q8_0'],
    ]) {
      args.push('--gguf', `${precision}=${gguf(type)}`);
    }
    args.push('--llama', llama);
  }
  return node('runtime.mjs', args);
}

/** The model as a file for llama.cpp, made once. */
function gguf(type) {
  const weights = realpathSync(join(model, 'model.safetensors'));
  const { mtimeMs, size } = statSync(weights);
  const key = createHash('sha256').update(`${weights} ${mtimeMs} ${size}`).digest('hex').slice(0, 16);
  const file = join(bench, key, `${type}.gguf`);
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    execFileSync('python3', [join(here, 'hf_to_gguf.py'), model, `${file}.tmp`, type]);
    renameSync(`${file}.tmp`, file);
  }
  return file;
}

function report({ pca, int8, runtime, lens, help, cpu, cores, load }) {
  const ratio = (ours, theirs) => (theirs ? `${(ours / theirs).toFixed(2)} ×` : 'baseline absent');
  const rows = [];
  for (const [variance, { seconds, againSeconds, peakMB, scikitLearnSeconds: theirs, sameRanks }] of Object.entries(
    pca,
  )) {
    const same = sameRanks === undefined ? '' : sameRanks ? ', same ranks' : ', OTHER RANKS';
    rows.push([
      `PCA, variance ${variance}`,
      `${seconds} s, ${peakMB} MB`,
      `${theirs ?? '–'} s${same}`,
      ratio(seconds, theirs),
    ]);
    rows.push(['  another variance after it', `${againSeconds} s`, '', ratio(againSeconds, theirs)]);
  }
  for (const precision of ['fp32', 'int8']) {
    const figures = runtime[precision];
    for (const what of ['prefill', 'decode']) {
      const { tokensPerSecond: ours, llamaCpp: llama, ratio: times } = figures[what];
      rows.push([
        `${what} ${precision}, tokens/s`,
        String(ours),
        String(llama ?? '–'),
        times ? `${times} ×` : 'baseline absent',
      ]);
    }
    for (const [what, gains] of [
      ['texts together', figures.batch],
      ['rows, half of them operated', figures.originalAndOperated],
    ]) {
      for (const [n, { gain }] of Object.entries(gains ?? {}))
        if (n !== '1') rows.push([`${n} ${what}, ${precision}`, '', 'one by one', `${gain} ×`]);
    }
    rows.push([`first token ${precision}`, `${figures.firstToken.again} s`, '', '']);
    if (figures.run) rows.push([`peak memory of a run, ${precision}`, `${figures.run.peakGB} GB`, '', '']);
  }
  rows.push([
    `lens, ${lens.tokens} tokens; forward and unembeddings`,
    `${lens.wall.lens} s`,
    `${lens.wall.unembeddings} s`,
    `${lens.wall.ratio} ×`,
  ]);
  rows.push(['surgery --help', `${(help * 1000).toFixed(0)} ms`, '', '']);
  const quality = int8.map(({ model: ref, perplexity, int8Perplexity, kl, sameTop }) => [
    ref.split('/').at(-1),
    perplexity.toFixed(4),
    int8Perplexity.toFixed(4),
    kl.toExponential(2),
    `${(sameTop * 100).toFixed(1)} %`,
  ]);
  return [
    `${cpu}, ${cores} cores, load ${load.map((x) => x.toFixed(1)).join(' → ')}`,
    table(['what', 'ours', 'baseline', 'ratio'], 'lrrr', rows),
    table(['int8 against fp32', 'perplexity', 'in int8', 'KL', 'same top'], 'lrrrr', quality),
  ].join('\n\n');
}
