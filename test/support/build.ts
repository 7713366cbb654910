// Before the tests: dist/ is what src/ says, since the CLI's tests and the worker threads run the built program; no test
// finds in a cache what another run has left; none asks the network, unless it says where; and programs take a core each.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './paths.ts';

export function setup(): () => void {
  if (!isBuilt()) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  const cache = mkdtempSync(join(tmpdir(), 'surgery-test-cache-'));
  process.env.SURGERY_CACHE = cache;
  process.env.HF_HUB_OFFLINE = '1';
  // Two test files run side by side, and threads that wait for each other's work would burn the cores.
  process.env.SURGERY_THREADS = '1';
  return () => rmSync(cache, { recursive: true, force: true });
}

/** Whether dist/ was made after the last change of its sources, as make sees it. */
function isBuilt(): boolean {
  const changed = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs;
  const built = changed('dist/.built');
  if (built === undefined) return false;
  const inside = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const sources = ['src', ...inside.map((file) => join('src', file))];
  const others = ['tsconfig.json', 'scripts/build.mjs', 'package-lock.json'];
  return [...sources, ...others].every((path) => (changed(path) ?? 0) <= built);
}
