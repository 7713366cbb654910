// Times the logit lens on a prompt of 32 tokens, compared with a forward pass without and with one unembedding a point.
// One JSON document on stdout, seconds of wall clock and of processor time. Needs the built program.
//
//     node scripts/bench/lens.mjs MODEL_DIR [rounds]
//
// All three walk through the model, and read its files, each time. They take turns; medians over the rounds, the first of
// which warms up.

import { lensesOf } from '../../dist/analyses/lens/lens.js';
import { lensSources } from '../../dist/analyses/lens/source.js';
import { Checkpoint } from '../../dist/checkpoint/reader.js';
import { Walk } from '../../dist/runtime/walk/walk.js';

const [model, rounds = '5'] = process.argv.slice(2);
if (!model) throw new Error('usage: node scripts/bench/lens.mjs MODEL_DIR [rounds]');
const checkpoint = await Checkpoint.open(model);
const { vocabSize, hiddenSize, layers } = checkpoint.config;
const ids = Array.from({ length: 32 }, (_, i) => (i * 7919) % vocabSize);

const walked = async (use) => {
  const walk = new Walk(checkpoint, [ids]);
  const { original } = await walk.run([]);
  const unembedding = await walk.unembedding();
  const unembed = (x) => unembedding({ read: async () => x }, 0, x.length / hiddenSize);
  await use(unembed, await original.read(0, ids.length));
  await walk.close();
};
const ways = {
  forward: () => walked((unembed, x) => unembed(x.slice(-hiddenSize))),
  unembeddings: () =>
    walked(async (unembed, x) => {
      for (let point = 0; point <= layers; point++) await unembed(x);
    }),
  lens: async () => {
    const { models, close } = await lensSources(checkpoint, [ids]);
    await lensesOf(models, ids, 5);
    await close();
  },
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

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value) => Number(value.toFixed(3));
const seconds = (clock) =>
  Object.fromEntries(Object.entries(taken).map(([name, all]) => [name, round(median(all.map((each) => each[clock])))]));
const result = { tokens: ids.length, wall: seconds('wall'), cpu: seconds('cpu') };
for (const clock of ['wall', 'cpu']) {
  const { unembeddings, lens } = result[clock];
  result[clock].ratio = round(lens / unembeddings);
}
console.log(JSON.stringify(result, null, 2));
