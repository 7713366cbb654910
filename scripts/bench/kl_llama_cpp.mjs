// What llama.cpp's q8_0 loses on a model: KL of its distributions from those of llama.cpp's own f32, on windows of a text,
// each from position 0, as `surgery eval --chunk stream --max-tokens 512 --precision int8 --base …` measures our int8.
//   python3 scripts/bench/hf_to_gguf.py MODEL_DIR f32.gguf f32      (and q8_0)
//   node scripts/bench/kl_llama_cpp.mjs MODEL_DIR f32.gguf q8_0.gguf TEXT.txt [--windows 24] [--length 512] [--llama DIR]
// DIR is where node-llama-cpp was installed, as for runtime.mjs. The tokens are ours, so that both programs read the same.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openCheckpoint, Tokenizer } from '../../dist/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    windows: { type: 'string', default: '24' },
    length: { type: 'string', default: '512' },
    llama: { type: 'string', default: '.' },
    threads: { type: 'string', default: '2' },
  },
});
const [folder, exactFile, roundedFile, textFile] = positionals;
const [count, length, threads] = [values.windows, values.length, values.threads].map(Number);

/** Tokens whose logits are held at once: node-llama-cpp hands each row over as a map. */
const atOnce = 32;

const tokenizer = await Tokenizer.open(await openCheckpoint(folder));
const text = await readFile(textFile, 'utf8');
// Eight characters a token and more: where the slice ends, tokens may differ from those of the whole text.
const ids = tokenizer.encode(text.slice(0, (count + 1) * length * 8));
if (ids.length < count * length) throw new Error(`${textFile} holds ${ids.length} tokens, asked for ${count * length}`);
const windows = Array.from({ length: count }, (_, i) => {
  const own = ids.slice(i * length, (i + 1) * length);
  return tokenizer.bosId === undefined ? own : [tokenizer.bosId, ...own.slice(1)];
});

const entry = createRequire(`${resolve(values.llama)}/`).resolve('node-llama-cpp');
const { getLlama } = await import(pathToFileURL(entry).href);
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  maxThreads: threads,
  logLevel: 'error',
});
const [exact, rounded] = await Promise.all([exactFile, roundedFile].map(open));

const sums = { tokens: 0, nll: 0, roundedNll: 0, kl: 0, sameTop: 0 };
for (const window of windows) {
  for (const { sequence } of [exact, rounded]) await sequence.clearHistory();
  for (let from = 0; from < window.length - 1; from += atOnce) {
    const part = window.slice(from, Math.min(from + atOnce, window.length - 1));
    const [rows, roundedRows] = [await logProbabilities(exact, part), await logProbabilities(rounded, part)];
    for (const [i, p] of rows.entries()) add(p, roundedRows[i], window[from + i + 1]);
  }
}
const { tokens } = sums;
const mean = (sum) => sum / tokens;
const [nll, roundedNll, kl, sameTop] = [sums.nll, sums.roundedNll, sums.kl, sums.sameTop].map(mean);
console.log(JSON.stringify({ windows: count, length, tokens, nll, roundedNll, kl, sameTop }));
process.exit(0);

async function open(file) {
  const model = await llama.loadModel({ modelPath: resolve(file) });
  const context = await model.createContext({ contextSize: Math.max(length, 512), batchSize: atOnce, threads });
  return { sequence: context.getSequence() };
}

/** Rows of log-probabilities, float64, after each of the tokens. */
async function logProbabilities({ sequence }, tokens) {
  const wanted = tokens.map((token) => [token, { generateNext: { logits: true } }]);
  const outputs = await sequence.controlledEvaluate(wanted);
  return outputs.map(({ next }) => {
    const row = new Float64Array(next.logits.size);
    let most = Number.NEGATIVE_INFINITY;
    for (const [id, logit] of next.logits) {
      row[id] = logit;
      if (logit > most) most = logit;
    }
    let sum = 0;
    for (const logit of row) sum += Math.exp(logit - most);
    const shift = most + Math.log(sum);
    return row.map((logit) => logit - shift);
  });
}

function add(p, q, next) {
  let [kl, topOfP, topOfQ] = [0, 0, 0];
  for (let id = 0; id < p.length; id++) {
    kl += Math.exp(p[id]) * (p[id] - q[id]);
    if (p[id] > p[topOfP]) topOfP = id;
    if (q[id] > q[topOfQ]) topOfQ = id;
  }
  sums.tokens += 1;
  sums.nll -= p[next];
  sums.roundedNll -= q[next];
  sums.kl += kl;
  sums.sameTop += topOfP === topOfQ ? 1 : 0;
}
