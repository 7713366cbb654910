// src/ → dist/: TypeScript by tsc, AssemblyScript kernels to wasm beside their sources too, and all that is neither.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { resolve } = createRequire(import.meta.url);
const run = (tool, args) => {
  const { status } = spawnSync(process.execPath, [resolve(tool), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

// What a deleted source has left must go.
rmSync('dist', { recursive: true, force: true });
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);

// No garbage collector and no imports: the kernels work on addresses that the caller lays out in the exported memory.
const flags = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort='];
for (const [folder, name] of [
  ['linalg/kernels', 'eigen'],
  ['runtime/kernels', 'quantise'],
  ['measure/kernels', 'logits'],
]) {
  run('assemblyscript/bin/asc.js', [`src/${folder}/${name}.ts`, '--outFile', `src/${folder}/${name}.wasm`, ...flags]);
  mkdirSync(`dist/${folder}`, { recursive: true });
  copyFileSync(`src/${folder}/${name}.wasm`, `dist/${folder}/${name}.wasm`);
}

cpSync('src/pocket', 'dist/pocket', { recursive: true });
chmodSync('dist/cli.js', 0o755);
// Tells make, and the tests, that dist/ is whole and when it was made.
writeFileSync('dist/.built', '');
