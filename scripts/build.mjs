// src/ → dist/: TypeScript by tsc, AssemblyScript kernels to dist/wasm, and all that is neither.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

// npx in a checkout links the package, which asks for a build: that may fail where nothing is installed yet, and would leave a
// link that npx trips over from then on.
if (process.env.npm_lifecycle_event === 'prepare' && process.env.npm_command === 'exec') process.exit(0);

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { resolve } = createRequire(import.meta.url);
const run = (tool, args) => {
  const { status } = spawnSync(process.execPath, [resolve(tool), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

// No garbage collector and no imports: the kernels work on addresses that the caller lays out in the exported memory.
const flags = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort='];
const kernels = [
  'checkpoint/assembly/widen',
  'linalg/eigen/assembly/eigen',
  'runtime/int8/assembly/quantise',
  'scores/assembly/logits',
];

const started = new Date();
// What a deleted source has left must go.
rmSync('dist', { recursive: true, force: true });
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);

for (const path of kernels) {
  const wasm = `dist/wasm/${basename(path)}.wasm`;
  run('assemblyscript/bin/asc.js', [`src/${path}.ts`, '--outFile', wasm, ...flags]);
}

cpSync('src/pocket', 'dist/pocket', { recursive: true });
chmodSync('dist/cli.js', 0o755);
// Marks dist/ as complete for make and the tests, with the time at which the build began: a source changed since is
// newer.
writeFileSync('dist/.built', '');
utimesSync('dist/.built', started, started);
