// src/ → dist/: TypeScript by tsc, AssemblyScript kernels to wasm beside their sources too, and all that is neither.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { resolve } = createRequire(import.meta.url);
const run = (tool, args) => {
  const { status } = spawnSync(process.execPath, [resolve(tool), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

// No garbage collector and no imports: the kernels work on addresses that the caller lays out in the exported memory.
const flags = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort='];
const kernels = ['linalg/kernels/eigen', 'runtime/kernels/quantise', 'measure/kernels/logits'];

// A new file changes its folder, which make looks at: before the time is taken.
for (const name of kernels) writeFileSync(`src/${name}.wasm`, '', { flag: 'a' });
const started = new Date();
// What a deleted source has left must go.
rmSync('dist', { recursive: true, force: true });
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);

for (const name of kernels) {
  run('assemblyscript/bin/asc.js', [`src/${name}.ts`, '--outFile', `src/${name}.wasm`, ...flags]);
  mkdirSync(`dist/${dirname(name)}`, { recursive: true });
  copyFileSync(`src/${name}.wasm`, `dist/${name}.wasm`);
}

cpSync('src/pocket', 'dist/pocket', { recursive: true });
chmodSync('dist/cli.js', 0o755);
// Tells make, and the tests, that dist/ is whole, and of which time its sources are: one that changed meanwhile is newer.
writeFileSync('dist/.built', '');
utimesSync('dist/.built', started, started);
