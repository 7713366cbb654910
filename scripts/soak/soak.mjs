// make soak: the loop of faults, then the fuzz of the parsers, and what both found in one file.
//
//     node scripts/soak/soak.mjs --seconds 600 --seed 1 --json results/soak.json
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string', default: 'results/soak.json' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'surgery-soak-report-'));

const scriptOf = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What a part of the soak reports; a part that finds something ends with 1. */
function part(name, share, options = []) {
  const script = scriptOf(name);
  const seconds = String(Math.round(Number(given.seconds) * share));
  const json = join(folder, `${name}.json`);
  process.stderr.write(`${name}: ${seconds} s …\n`);
  const { status } = spawnSync(process.execPath, [script, '--seconds', seconds, '--json', json, ...options], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (!existsSync(json)) throw new Error(`${name} ended with ${status} and reported nothing`);
  return JSON.parse(readFileSync(json, 'utf8'));
}

const hasFuzz = existsSync(scriptOf('fuzz.mjs'));
const kill = part('kill.mjs', hasFuzz ? 0.7 : 1, ['--seed', given.seed]);
const fuzz = hasFuzz ? part('fuzz.mjs', 0.3, ['--seed', given.seed]) : undefined;
rmSync(folder, { recursive: true });

const result = {
  inputsTried: { disturbedCommands: kill.inputs, fuzzed: fuzz?.inputs ?? null },
  faultsInjected: kill.faults,
  endedBeforeTheFault: kill.undisturbed,
  notTried: [...kill.notTried, ...(fuzz ? [] : ['the fuzz of the parsers: there is no fuzz.mjs'])],
  replacementsPutBack: kill.putBack,
  filesLost: kill.filesLost,
  crashes: kill.crashes + (fuzz?.crashes ?? 0),
  coverage: fuzz?.features ?? null,
  problems: kill.problems,
  seeds: { kill: kill.seed, fuzz: Number(given.seed) },
  seconds: { kill: kill.seconds, fuzz: fuzz?.seconds ?? 0 },
};
mkdirSync(dirname(given.json), { recursive: true });
writeFileSync(given.json, `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
process.exitCode = result.filesLost + result.crashes > 0 ? 1 : 0;
