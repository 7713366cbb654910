// Before the tests: dist/ is what src/ says. The CLI's tests and the worker threads run the built program.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { root } from './paths.ts';

export function setup(): void {
  rmSync(`${root}/dist`, { recursive: true, force: true });
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
}
