// Hours of damaged files in seconds: inputs that reach new code are kept and changed further.
// node scripts/soak/fuzz.mjs --seconds 60 [--seed N] [--json FILE] [--keep]     (after `make build`; see `make fuzz`)
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startCoverage } from './coverage.mjs';
import { mutated, seeded } from './mutate.mjs';
import { targets, tried } from './targets.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '0' },
    json: { type: 'string' }, // a file for the result, in addition to stdout
    keep: { type: 'boolean', default: false }, // replaces the corpus by the fewest inputs that reach as much
  },
});
const seconds = Number(options.seconds);
if (!(seconds > 0)) throw new Error(`--seconds is ${options.seconds}, allowed: a number above 0`);
const folder = fileURLToPath(new URL('../../test/fixtures/fuzz', import.meta.url));
const random = seeded(Number(options.seed));
const coverage = startCoverage();

/** Most memory that the process may ever take, in bytes. */
const mostMemory = 700e6;

const names = Object.keys(targets);
/** Target → the inputs that reached something new, with what they reached. */
const corpus = Object.fromEntries(names.map((name) => [name, []]));
const seen = new Set();
const failures = [];
let inputs = 0;

function feed(name, bytes) {
  const wrong = tried(name, bytes);
  const input = bytes.toString('base64');
  if (wrong && failures.length < 20 && failures.every((failure) => failure.input !== input))
    failures.push({ target: name, what: wrong, input });
}

/** Feeds inputs, and keeps those that reach what none before did: they are looked for by halving the list. */
function explore(name, list) {
  coverage();
  for (const bytes of list) feed(name, bytes);
  const features = coverage().map((feature) => `${name} ${feature}`);
  if (features.every((feature) => seen.has(feature))) return;
  if (list.length === 1) corpus[name].push({ bytes: list[0], features });
  else for (const half of [list.slice(0, list.length >> 1), list.slice(list.length >> 1)]) explore(name, half);
  for (const feature of features) seen.add(feature);
}

/** Inputs that are fed before the engine is asked what they reached: asking takes as long as feeding dozens. */
const batch = 64;

for (const name of names) for (const bytes of seeds(name)) explore(name, [bytes]);
const start = performance.now();
while (performance.now() - start < seconds * 1000) {
  const name = names[random(names.length)];
  const all = corpus[name];
  const one = () => all[random(all.length)].bytes;
  const list = Array.from({ length: batch }, () => mutated(one(), one(), random));
  explore(name, list);
  inputs += batch;
}
const memory = process.resourceUsage().maxRSS * 1024;
if (memory > mostMemory) failures.push({ target: 'all', what: `${memory} bytes of memory`, input: '' });

if (options.keep) for (const name of names) keep(name);
const result = { seconds, seed: Number(options.seed), inputs, crashes: failures.length, features: seen.size, failures };
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
console.log(
  `${inputs} inputs in ${seconds} s, ${seen.size} features reached, ${failures.length} crashes, ${Math.round(memory / 1e6)} MB`,
);
for (const { target, what, input } of failures) console.error(`${target}: ${what}\n  input (base64): ${input}`);
process.exitCode = failures.length > 0 ? 1 : 0;

/** The inputs that are kept in the repository. */
function seeds(name) {
  const files = readdirSync(join(folder, name)).sort();
  return files.map((file) => readFileSync(join(folder, name, file)));
}

/** The shortest inputs first, those that reach nothing more left out. */
function keep(name) {
  const reached = new Set();
  for (const file of readdirSync(join(folder, name))) rmSync(join(folder, name, file));
  for (const { bytes, features } of corpus[name].sort((a, b) => a.bytes.length - b.bytes.length)) {
    if (features.every((feature) => reached.has(feature))) continue;
    for (const feature of features) reached.add(feature);
    writeFileSync(join(folder, name, createHash('sha256').update(bytes).digest('hex').slice(0, 12)), bytes);
  }
}
