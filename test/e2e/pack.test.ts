// The packed tarball, installed elsewhere, runs. Needs node_modules only: dependencies are linked, not downloaded.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

test('npm pack holds what is needed and nothing else, and the program runs from it', () => {
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', tmp], { cwd: root });
  const [tarball = ''] = readdirSync(tmp).filter((name) => name.endsWith('.tgz'));
  const files = execFileSync('tar', ['-tzf', join(tmp, tarball)], { encoding: 'utf8' })
    .trim()
    .split('\n');
  const tops = new Set(files.map((file) => file.split('/')[1]));
  expect([...tops].sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  for (const needed of [
    'dist/cli.js',
    'dist/pocket/model.safetensors',
    'dist/pocket/tasks.jsonl',
    'dist/linalg/kernels/eigen.wasm',
  ]) {
    expect(files).toContain(`package/${needed}`);
  }

  const home = join(tmp, 'elsewhere');
  const installed = join(home, 'node_modules/surgery');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(tmp, tarball), '--strip-components=1', '-C', installed]);
  writeFileSync(join(home, 'package.json'), '{"private":true}');
  // Only what package.json declares is in reach.
  for (const name of Object.keys(dependencies())) {
    mkdirSync(join(home, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
  }
  const args = ['run', '--variance', '0.5', '--max-new-tokens', '3', '--max-tokens', '8', '--json', '--quiet'];
  const stdout = execFileSync(process.execPath, [join(installed, 'dist/cli.js'), ...args], {
    cwd: home,
    encoding: 'utf8',
    env: { ...process.env, HF_HUB_CACHE: '/nonexistent' },
  });
  const run = JSON.parse(stdout);
  expect(run).toMatchObject({ model: { ref: 'pocket' }, output: join('results', 'pocket-shared-kv-0.5') });
  expect(readdirSync(join(home, 'results/pocket-shared-kv-0.5')).sort()).toEqual(['model', 'run.json', 'samples.txt']);
});

function dependencies(): Record<string, string> {
  return JSON.parse(execFileSync('cat', [join(root, 'package.json')], { encoding: 'utf8' })).dependencies;
}
