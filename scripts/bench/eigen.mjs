// Times the PCA stage on a checkpoint, as scikit-learn's baseline does it: q alone and [k; v] together in every layer,
// all eigenvalues, leading vectors, projection. Needs the built program.
//
//     node scripts/bench/eigen.mjs pca MODEL_DIR [VARIANCE=0.9] [THREADS=2]
//     node scripts/bench/eigen.mjs solve [N=2048] [COUNT=N]        one random matrix, with its residual
import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { symmetricEigen } from '../../dist/linalg/eigen.js';
import { WorkerPool } from '../../dist/linalg/pool.js';
import { gramOfRows, multiply, setProductThreads } from '../../dist/linalg/products.js';

const seconds = (from) => Number(((performance.now() - from) / 1000).toFixed(2));

/** One group's PCA and projection, as a job of the pool. x (rows, cols) float32. */
export async function operate({ rows, cols, data, variance }) {
  const mean = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) mean[j] += data[i * cols + j] / rows;
  const wide = rows < cols;
  const side = Math.min(rows, cols);
  // The Gram matrix is made from rows: those of the centred matrix, or of its transpose.
  const x = new Float64Array(rows * cols);
  const block = 32;
  for (let i0 = 0; i0 < rows; i0 += block) {
    for (let j = 0; j < cols; j++) {
      for (let i = i0; i < Math.min(i0 + block, rows); i++)
        x[wide ? i * cols + j : j * rows + i] = data[i * cols + j] - mean[j];
    }
  }
  const gram = await gramOfRows({ rows: side, cols: rows + cols - side, data: x });
  const { vectors } = await symmetricEigen(gram.data, side, {
    count: (values) => {
      const total = values.reduce((sum, value) => sum + value, 0);
      let [rank, reached] = [0, 0];
      while (rank < side && reached < variance * total) reached += Math.max(0, values[rank++]);
      return rank;
    },
  });
  const rank = vectors.length / side;
  const v = { rows: rank, cols: side, data: Float32Array.from(vectors) };
  const centred = { rows, cols, data: data.map((value, at) => value - mean[at % cols]) };
  const projected = wide
    ? await multiply(v, await multiply(v, centred), { transposeA: true })
    : await multiply(await multiply(centred, v, { transposeB: true }), v);
  return { rank, data: projected.data };
}

async function pca(folder, variance = '0.9', threads = '2') {
  const layers = JSON.parse(await readFile(`${folder}/config.json`, 'utf8')).num_hidden_layers;
  const file = openSync(`${folder}/model.safetensors`, 'r');
  const bytes = (length, at) => {
    const out = new Uint8Array(length);
    readSync(file, out, 0, length, at);
    return out;
  };
  const headerBytes = Number(new DataView(bytes(8, 0).buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes(headerBytes, 8)));
  const read = (names) => {
    const parts = names.map((name) => header[name]);
    const cols = parts[0].shape[1];
    const rows = parts.reduce((sum, part) => sum + part.shape[0], 0);
    const bits = new Uint32Array(rows * cols);
    let at = 0;
    for (const {
      data_offsets: [from, to],
      dtype,
    } of parts) {
      const raw = bytes(to - from, 8 + headerBytes + from).buffer;
      const wide =
        dtype === 'BF16' ? Uint32Array.from(new Uint16Array(raw), (half) => half << 16) : new Uint32Array(raw);
      bits.set(wide, at);
      at += wide.length;
    }
    return { rows, cols, data: new Float32Array(bits.buffer), variance: Number(variance) };
  };
  const pool = new WorkerPool(Number(threads));
  const task = new URL(import.meta.url);
  const start = performance.now();
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const ranks = await Promise.all(
    Array.from({ length: layers }, (_, layer) => {
      const name = (part) => `model.layers.${layer}.self_attn.${part}_proj.weight`;
      return Promise.all(
        [['q'], ['k', 'v']].map(async (group) => (await pool.run(task, 'operate', () => [read(group.map(name))])).rank),
      );
    }),
  );
  const elapsed = seconds(start);
  clearInterval(watch);
  await pool.close();
  closeSync(file);
  console.log(
    JSON.stringify({
      variance: Number(variance),
      threads: Number(threads),
      seconds: elapsed,
      peak_mb: Math.round(peak / 1e6),
      ranks_q_kv: ranks,
    }),
  );
}

async function solve(size = '2048', wanted = size) {
  const n = Number(size);
  setProductThreads(1);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = Math.random() - 0.5;
  const start = performance.now();
  const { values, vectors } = await symmetricEigen(a.slice(), n, { count: () => Number(wanted) });
  const elapsed = seconds(start);
  const v = { rows: Number(wanted), cols: n, data: vectors };
  const av = await multiply(v, { rows: n, cols: n, data: a });
  const residual =
    av.data.reduce((worst, x, i) => Math.max(worst, Math.abs(x - values[Math.floor(i / n)] * vectors[i])), 0) /
    values[0];
  const gram = await multiply(v, v, { transposeB: true });
  const overlap = gram.data.reduce(
    (worst, x, i) => Math.max(worst, Math.abs(x - Number(i % (Number(wanted) + 1) === 0))),
    0,
  );
  console.log(JSON.stringify({ n, count: Number(wanted), seconds: elapsed, residual, overlap }));
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'pca' && rest.length > 0) await pca(...rest);
else if (command === 'solve') await solve(...rest);
