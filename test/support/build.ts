// Before the tests: dist/ is what src/ says, since the CLI's tests and the worker threads run the built program; no test
// finds in a cache what another run has left; and none asks the network, unless it says where.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './paths.ts';

export function setup(): () => void {
  rmSync(`${root}/dist`, { recursive: true, force: true });
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  const cache = mkdtempSync(join(tmpdir(), 'surgery-test-cache-'));
  process.env.SURGERY_CACHE = cache;
  process.env.HF_HUB_OFFLINE = '1';
  return () => rmSync(cache, { recursive: true, force: true });
}
