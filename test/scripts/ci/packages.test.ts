import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryFolder } from '../../support/paths.ts';

const tmp = temporaryFolder();
let made = 0;

/** Runs the script where `munge` is installed and `aptGet` is what apt-get does; without it there is no apt-get. */
function install(packages: readonly string[], aptGet?: string) {
  const bin = join(tmp, String(made++));
  const calls = join(bin, 'calls');
  mkdirSync(bin);
  for (const program of ['bash', 'cat', 'env', 'mktemp', 'rm']) {
    const path = ['/usr/bin', '/bin'].map((folder) => join(folder, program)).find(existsSync);
    symlinkSync(path ?? program, join(bin, program));
  }
  const add = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  add('dpkg-query', 'case "$*" in *" munge") printf installed ;; *) exit 1 ;; esac');
  if (aptGet !== undefined) add('apt-get', `echo "$@" >> ${calls}\n${aptGet}`);
  const script = join(root, 'scripts/ci/packages.sh');
  const { status, stdout, stderr } = spawnSync(script, packages, { encoding: 'utf8', env: { PATH: bin } });
  return { status, stdout, stderr, calls: existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [] };
}

test('what is there is not installed again', () => {
  expect(install(['munge'])).toEqual({ status: 0, stdout: '', stderr: '', calls: [] });
});

test('what is missing is installed, quietly', () => {
  expect(install(['munge', 'zsh', 'fish'], 'echo much')).toEqual({
    status: 0,
    stdout: 'Installing zsh fish\n',
    stderr: '',
    calls: [expect.stringMatching(/^install --yes .* zsh fish$/)],
  });
});

test('lists of packages that are absent or old are fetched', () => {
  const { status, stderr, calls } = install(['zsh'], '[ "$1" = update ] && : > $0.lists; [ -e $0.lists ]');
  expect([status, stderr]).toEqual([0, '']);
  expect(calls.map((call) => call.split(' ')[0])).toEqual(['install', 'update', 'install']);
});

test('a failure prints what apt-get said, and its absence is one line', () => {
  const refused = install(['zsh'], 'echo "E: no network"; exit 100');
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('E: no network')]);
  const absent = install(['munge', 'zsh']);
  expect([absent.status, absent.stderr]).toEqual([1, 'There is no apt-get here: install zsh by other means.\n']);
});
