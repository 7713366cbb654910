// After tsc: compiles the AssemblyScript kernels to wasm beside their sources, and puts all that is not TypeScript into dist/.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
// No garbage collector and no imports: the kernels work on addresses that the caller lays out in the exported memory.
const flags = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort='];
for (const [folder, name] of [
  ['linalg/kernels', 'eigen'],
  ['runtime/kernels', 'quantise'],
  ['measure/kernels', 'logits'],
]) {
  const { status } = spawnSync(
    process.execPath,
    [compiler, `src/${folder}/${name}.ts`, '--outFile', `src/${folder}/${name}.wasm`, ...flags],
    { stdio: 'inherit' },
  );
  if (status !== 0) process.exit(status ?? 1);
  mkdirSync(`dist/${folder}`, { recursive: true });
  copyFileSync(`src/${folder}/${name}.wasm`, `dist/${folder}/${name}.wasm`);
}

cpSync('src/pocket', 'dist/pocket', { recursive: true });
chmodSync('dist/cli.js', 0o755);
