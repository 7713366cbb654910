// The packed tarball, installed elsewhere, runs. Needs node_modules only: dependencies are linked, not downloaded.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

const home = join(tmp, 'elsewhere');
let files: string[] = [];

beforeAll(() => {
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', tmp], { cwd: root });
  const [tarball = ''] = readdirSync(tmp).filter((name) => name.endsWith('.tgz'));
  files = execFileSync('tar', ['-tzf', join(tmp, tarball)], { encoding: 'utf8' })
    .trim()
    .split('\n');
  const installed = join(home, 'node_modules/surgery');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(tmp, tarball), '--strip-components=1', '-C', installed]);
  writeFileSync(join(home, 'package.json'), '{"private":true,"type":"module"}');
  // Only what package.json declares is in reach.
  for (const name of Object.keys(dependencies())) {
    mkdirSync(join(home, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
  }
});

const node = (...args: string[]) =>
  execFileSync(process.execPath, args, {
    cwd: home,
    encoding: 'utf8',
    env: { ...process.env, HF_HUB_CACHE: '/nonexistent' },
  });

test('npm pack holds what is needed and nothing else', () => {
  const tops = new Set(files.map((file) => file.split('/')[1]));
  expect([...tops].sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  for (const needed of [
    'dist/cli.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/pocket/model.safetensors',
    'dist/pocket/tasks.jsonl',
    'dist/wasm/eigen.wasm',
  ]) {
    expect(files).toContain(`package/${needed}`);
  }
});

test('the program runs from it', () => {
  const args = ['run', '--variance', '0.5', '--max-new-tokens', '3', '--max-tokens', '8', '--json', '--quiet'];
  const run = JSON.parse(node(join(home, 'node_modules/surgery/dist/cli.js'), ...args));
  expect(run).toMatchObject({ model: { ref: 'pocket' }, output: join('results', 'pocket-shared-kv-0.5') });
  expect(readdirSync(join(home, 'results/pocket-shared-kv-0.5')).sort()).toEqual([
    'model',
    'recipe.json',
    'report.html',
    'run.json',
    'samples.txt',
  ]);
});

describe('as a library', () => {
  test('the example runs, and a mistake is one line', () => {
    const example = join(home, 'compare.mjs');
    copyFileSync(join(root, 'scripts/examples/compare.mjs'), example);
    const lines = node(example).trim().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/perplexity [\d.]+ → [\d.]+, KL \d\.\d+ nats, a latent of \d+ components/);
    const wrong = spawnSync(process.execPath, [example, 'pocket', '3'], { cwd: home, encoding: 'utf8' });
    expect([wrong.status, wrong.stderr]).toEqual([2, 'variance is 3, allowed: a number above 0 up to 1\n']);
  });

  test('its types hold in a strict program', () => {
    const source = `
      import { openCheckpoint, operate, Runtime, score, type Scores } from 'surgery';
      const checkpoint = await openCheckpoint('pocket');
      const { tensors } = await operate(checkpoint, [{ kind: 'pca', mode: 'shared-kv', variance: 0.5 }]);
      const runtime: Runtime = await Runtime.open(checkpoint);
      const scores: Scores = await score([[1, 2]], { runtime }, [{ runtime, weights: runtime.variant(tensors) }]);
      export const kl: number | undefined = scores.variants[0]?.kl;
      // @ts-expect-error there is no such mode
      await operate(checkpoint, [{ kind: 'pca', mode: 'shared', variance: 0.5 }]);
    `;
    writeFileSync(join(home, 'types.mts'), source);
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'types.mts'],
      { cwd: home, encoding: 'utf8' },
    );
    expect([status, stdout]).toEqual([0, '']);
  });
});

function dependencies(): Record<string, string> {
  return JSON.parse(execFileSync('cat', [join(root, 'package.json')], { encoding: 'utf8' })).dependencies;
}
