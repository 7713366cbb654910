// PCA and projection of every layer of a checkpoint, as `surgery run` does it, in the baseline's words:
//     node scripts/bench/pca.mjs MODEL_DIR [VARIANCE=0.9] [THREADS]
// prints { variance, seconds, cpu_seconds, from_cache, ranks_q_kv }. Needs the built program. Components are looked up in
// and added to $SURGERY_CACHE; an empty folder there measures the whole work.
import { Checkpoint } from '../../dist/checkpoint/reader.js';
import { operate } from '../../dist/operations/operator.js';

const [folder, variance = '0.9', threads] = process.argv.slice(2);
const start = performance.now();
const { reports } = await operate(
  await Checkpoint.open(folder),
  [{ kind: 'pca', mode: 'shared-kv', variance: Number(variance) }],
  { threads: threads && Number(threads) },
);
const [{ layers, fromCache }] = reports;
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({
    variance: Number(variance),
    seconds: Number(((performance.now() - start) / 1000).toFixed(2)),
    cpu_seconds: Number(((user + system) / 1e6).toFixed(2)),
    from_cache: fromCache,
    peak_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    ranks_q_kv: layers.map(({ groups }) => groups.map(({ rank }) => rank)),
  }),
);
