// Times the logit lens on a prompt of 32 tokens, compared with a forward pass without and with one unembedding a layer.
// One JSON document on stdout, seconds of wall clock and of processor time. Needs the built program.
//
//     node scripts/bench/lens.mjs MODEL_DIR [rounds]
//
// All three take turns; medians over the rounds, the first of which warms up.

import { lensOf } from '../../dist/analyses/lens/lens.js';
import { Checkpoint } from '../../dist/checkpoint/reader.js';
import { Runtime } from '../../dist/runtime/session.js';

const [model, rounds = '5'] = process.argv.slice(2);
if (!model) throw new Error('usage: node scripts/bench/lens.mjs MODEL_DIR [rounds]');
const runtime = await Runtime.open(await Checkpoint.open(model), { taps: true });
const { vocabSize } = runtime.config;
const ids = Array.from({ length: 32 }, (_, i) => (i * 7919) % vocabSize);

const ways = {
  forward: () => runtime.sequence(ids.length).readToEnd(ids),
  unembeddings: async () => {
    for await (const _ of runtime.sequence(ids.length).readLens(ids));
  },
  lens: () => lensOf({ runtime }, ids, 5),
};

const taken = { forward: [], unembeddings: [], lens: [] };
for (let round = 0; round <= Number(rounds); round++) {
  for (const [name, way] of Object.entries(ways)) {
    const [cpu, wall] = [process.cpuUsage(), performance.now()];
    await way();
    const { user, system } = process.cpuUsage(cpu);
    if (round > 0) taken[name].push({ wall: (performance.now() - wall) / 1000, cpu: (user + system) / 1e6 });
  }
}
await runtime.close();

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value) => Number(value.toFixed(3));
const seconds = (clock) =>
  Object.fromEntries(Object.entries(taken).map(([name, all]) => [name, round(median(all.map((each) => each[clock])))]));
const result = { tokens: ids.length, wall: seconds('wall'), cpu: seconds('cpu') };
for (const clock of ['wall', 'cpu']) {
  const { forward, unembeddings, lens } = result[clock];
  result[clock].ratio = round(lens / unembeddings);
  result[clock].allowed = round(1.5 * forward + (unembeddings - forward));
}
console.log(JSON.stringify(result, null, 2));
