// Disturbs runs and sweeps at random moments, and reads everything back after each: the old state, or the new one.
//
//     node scripts/soak/kill.mjs --seconds 300 --seed 1 --json kill.json        or --faults 12 instead of --seconds
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sweepLeftovers } from '../../dist/platform/temp-files.js';
import { availableFaults, mountDisk, undisturbed, unmountDisk } from './faults.mjs';
import { makeModel, uniform } from './model.mjs';
import { cellsIn, filesIn, fingerprint, hash, hiddenIn, wrongInCache } from './states.mjs';

const { values: given } = parseArgs({
  options: {
    ...{ seconds: { type: 'string', default: '60' }, faults: { type: 'string', default: 'Infinity' } },
    ...{ seed: { type: 'string', default: '0' }, json: { type: 'string' } },
  },
});
const random = uniform(Number(given.seed));
const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

const base = mkdtempSync(join(tmpdir(), 'surgery-soak-'));
const ownDisk = mountDisk(base);
const at = (name) => join(base, name);
const env = { ...process.env, SURGERY_CACHE: at('cache'), HF_HUB_CACHE: at('none'), TMPDIR: at('tmp') };
const report = {
  ...{ seed: Number(given.seed), seconds: 0, inputs: 0, undisturbed: 0, faults: {}, notTried: [] },
  ...{ putBack: 0, filesLost: 0, crashes: 0, problems: [] },
};

process.on('exit', () => {
  if (ownDisk) unmountDisk(base);
  rmSync(base, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

await main();
if (given.json) writeFileSync(given.json, `${JSON.stringify(report, null, 2)}\n`);
else process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exitCode = report.filesLost + report.crashes > 0 ? 1 : 0;

async function main() {
  const begin = performance.now();
  const { known, run, sweep } = await prepare();
  const faults = availableFaults({ ownDisk });
  const all = ['ENOSPC', 'EIO from fsync', 'EROFS from rename', 'EACCES from mkdir', 'SIGKILL at a rename'];
  report.notTried = all.filter((name) => !(name in faults));
  // Half of all faults are kills.
  const names = Object.keys(faults).flatMap((name) => (name === 'SIGKILL' ? Array(7).fill(name) : [name]));
  const most = Number(given.faults);
  for (let n = 0; n < most; n++) {
    report.seconds = Math.round((performance.now() - begin) / 1000);
    if (most === Number.POSITIVE_INFINITY && report.seconds >= Number(given.seconds)) break;
    const name = names[Math.floor(random() * names.length)];
    if (random() < 0.15) emptyCache();
    const attempt = random() < 0.3 ? sweep : run[n % run.length];
    await disturbed(name, faults[name], attempt, known);
  }
  for (const attempt of [...run, sweep]) await finish(attempt, known);
  // Only now: a killed sweep's lock stays until the next sweep takes it over.
  if (temporaryFiles().length > 0) problem('filesLost', `the last runs leave ${temporaryFiles()}`);
}

/** One fault and what it left. */
async function disturbed(name, fault, attempt, known) {
  const before = attempt.look();
  const old = new Set(temporaryFiles());
  report.inputs++;
  const begin = performance.now();
  const end = await fault({ ...attempt.world, base }, random);
  if (end.code === 0) {
    report.undisturbed++;
    attempt.world.milliseconds = performance.now() - begin; // with full caches it is faster than it was at first
  } else {
    report.faults[name] = (report.faults[name] ?? 0) + 1;
  }
  const what = `${name} in ${attempt.name}, seed ${given.seed}, fault ${report.inputs}`;
  if (end.code === 1 || end.code === 134 || ['SIGSEGV', 'SIGABRT', 'SIGBUS'].includes(end.signal))
    problem('crashes', `${what}: exit ${end.code ?? end.signal}: ${end.stderr.slice(-600)}`);
  if (end.code === 2 && end.stderr.trimEnd().split('\n').length > 1)
    problem('crashes', `${what}: more than one line: ${end.stderr.slice(-600)}`);
  if (attempt.isGone() && before !== 'nothing') {
    await sweepLeftovers(base); // as the next run into the folder does first
    if (!attempt.isGone()) report.putBack++;
  }
  check(what, attempt, before, known);
  // What an earlier kill has left is not this one's.
  const left = temporaryFiles().filter((one) => !old.has(one));
  if ([130, 143].includes(end.code) && left.length > 0) problem('filesLost', `${what}: left ${left}`);
}

/** The old state or the new one, and nothing wrong in the caches. */
function check(what, attempt, before, known) {
  try {
    const after = attempt.look();
    if (after !== before && !attempt.allowed(before, after))
      problem('filesLost', `${what}: neither old nor new: ${after}`);
  } catch (error) {
    problem('filesLost', `${what}: cannot be read back: ${error.message}`);
  }
  const wrong = wrongInCache(at('cache'), known);
  if (wrong.length > 0) problem('filesLost', `${what}: wrong in the cache: ${wrong}`);
}

/** Without a fault it comes to its end, whatever the faults before have left, and tidies up after them. */
async function finish(attempt, known) {
  const end = await undisturbed(attempt.world);
  if (end.code !== 0) problem('crashes', `${attempt.name} does not end: ${end.code} ${end.stderr.slice(-600)}`);
  if (attempt.look() !== attempt.final()) problem('filesLost', `${attempt.name} ends in another state`);
  const wrong = wrongInCache(at('cache'), known);
  if (wrong.length > 0) problem('filesLost', `${attempt.name}: wrong in the cache at the end: ${wrong}`);
}

function problem(kind, text) {
  report[kind]++;
  report.problems.push(text.replaceAll(base, ''));
  process.stderr.write(`${kind}: ${text}\n`);
}

/** What has no business there after a program that tidies up. Caches are swept when they are written to next. */
function temporaryFiles() {
  const nameOf = (folder, name) => `${name} ${name === '.lock' ? readFileSync(join(folder, name), 'utf8') : ''}`;
  return [base, at('out'), at('study')].flatMap((folder) => hiddenIn(folder).map((name) => nameOf(folder, name)));
}

function emptyCache() {
  for (const part of readdirSync(at('cache'))) rmSync(join(at('cache'), part), { recursive: true, force: true });
}

/** The states that may be there: each command's results without any fault, and the caches they fill. */
async function prepare() {
  for (const name of ['tmp', 'cache']) mkdirSync(at(name));
  const model = makeModel(path('src/pocket'), at('model'), 1);
  writeFileSync(at('text.txt'), 'Once upon a time there was a cat.\n<|end|>\nThe dog ran home.\n');
  const common = ['--model', model, '--text', at('text.txt'), '--max-tokens', '8', '--max-new-tokens', '3'];
  const args = (...command) => [path('dist/cli.js'), ...command, ...common, '--threads', '1', '--quiet'];
  const world = (...command) => ({ args: args(...command), env, milliseconds: 0 });
  // A command alone fills the cache as it needs it: how many components a file of them holds depends on who came first.
  const known = new Map();
  const alone = async (made) => {
    const attempt = await made;
    for (const file of filesIn(at('cache'))) known.set(file, [...(known.get(file) ?? []), hash(readFileSync(file))]);
    emptyCache();
    return attempt;
  };
  const run = [
    await alone(reference('run at 0.9', world('run', '--force', '--output', at('out'), '--precision', 'int8'))),
    await alone(
      reference(
        'run at 0.5, cut',
        world('run', '--force', '--output', at('out'), '--variance', '0.5', '--max-shard-size', '2MB'),
      ),
    ),
  ];
  await alone(referenceStudy(world('sweep', '--variance', '0.5', '--output', at('study')))); // what a killed one may lack
  const sweep = await alone(referenceStudy(world('sweep', '--variance', '0.9,0.5', '--output', at('study'))));
  if (known.size < 5) throw new Error(`only ${known.size} files in the cache: there is too little to look at`);
  return { known, run, sweep };
}

async function timed(world) {
  const begin = performance.now();
  const { code, stderr } = await undisturbed(world);
  if (code !== 0) throw new Error(`without a fault: exit ${code}: ${stderr}`);
  return { ...world, milliseconds: performance.now() - begin };
}

async function reference(name, world) {
  const measured = await timed(world);
  const whole = fingerprint(at('out'));
  const look = () => fingerprint(at('out'));
  const isGone = () => look() === 'nothing';
  return { name, world: measured, look, isGone, allowed: (_, after) => after === whole, final: () => whole };
}

/** A study grows by whole lines that are always the same; nothing that was there goes. */
async function referenceStudy(world) {
  const measured = await timed(world);
  const study = () => filesIn(at('study')).filter((file) => !file.endsWith('seconds.json'));
  const bytes = () =>
    study()
      .map((file) => `${file.slice(base.length)} ${hash(readFileSync(file))}`)
      .join('\n');
  const whole = bytes();
  const cells = cellsIn(at('study'));
  rmSync(at('study'), { recursive: true });
  const look = () => {
    for (const file of study()) if (file.endsWith('.json')) JSON.parse(readFileSync(file, 'utf8'));
    if (bytes() !== whole) return JSON.stringify(cellsIn(at('study')).sort());
    rmSync(at('study'), { recursive: true }); // finished: the next one begins anew
    return 'whole';
  };
  const allowed = (before, after) => {
    if (after === 'whole') return true;
    const lines = JSON.parse(after);
    const old = before === 'whole' ? [] : JSON.parse(before);
    return lines.every((line) => cells.includes(line)) && old.every((line) => lines.includes(line));
  };
  return { name: 'sweep', world: measured, look, isGone: () => false, allowed, final: () => 'whole' };
}
