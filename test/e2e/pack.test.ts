// The packed tarball, installed elsewhere, runs. Needs node_modules only: dependencies are linked, not downloaded.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  expect([...tops].sort()).toEqual([
    'LICENSE',
    'README.md',
    'dist',
    'package.json',
    'results',
    'scripts',
    'src',
    'test',
  ]);
  expect(files.filter((file) => /\/(src|test)\//.test(file) && !/\.(md|png)$/.test(file))).toEqual([]);
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

test('its pages lead to files that are in it', () => {
  const packed = join(home, 'node_modules/surgery');
  const pages = readdirSync(packed, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
  const links = pages.flatMap((page) =>
    [...readFileSync(join(packed, page), 'utf8').matchAll(/\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g)].map(([, to = '']) => ({
      page,
      to,
    })),
  );
  expect(links.length).toBeGreaterThan(40);
  const dead = links.filter(({ page, to }) => !/^https?:/.test(to) && !existsSync(join(packed, dirname(page), to)));
  expect(dead).toEqual([]);
});

test('npx in a checkout starts the program: before the build it says what to do, and it works after it', () => {
  const checkout = join(tmp, 'checkout');
  for (const name of ['package.json', 'scripts/surgery.mjs', 'scripts/build.mjs']) {
    mkdirSync(dirname(join(checkout, name)), { recursive: true });
    copyFileSync(join(root, name), join(checkout, name));
  }
  const npx = (...args: string[]) => {
    const env = { ...process.env, npm_config_cache: join(tmp, 'npm'), npm_config_offline: 'true' };
    const { status, stdout, stderr } = spawnSync('npx', args, { cwd: checkout, encoding: 'utf8', env });
    return [status, stdout, stderr];
  };
  expect(npx('surgery', '--version')).toEqual([2, '', 'surgery: it is not built yet: run make build in its folder\n']);
  for (const name of ['dist', 'node_modules']) symlinkSync(join(root, name), join(checkout, name));
  expect(npx('surgery', '--version')).toEqual([0, '0.1.0\n', '']);
  expect(npx('surgery', 'run', '--help')[1]).toMatch(/^ {2}npx surgery run --variance 0\.3$/m);
});

describe('as a library', () => {
  const example = (name: string, ...args: string[]) => {
    const file = join(home, 'node_modules/surgery/scripts/examples', name);
    return spawnSync(process.execPath, [file, ...args], { cwd: home, encoding: 'utf8' });
  };
  const table = ({ stdout }: { readonly stdout: string }) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
  const texts = join(home, 'texts.txt');
  beforeAll(() => {
    writeFileSync(texts, 'Once upon a time there was a dog.\n<|end|>\nLily had a big red ball, and she was happy.');
  });

  test('the divergence of each document: less at every higher rank, and the mean of all', () => {
    const [head = [], ...rows] = table(example('kl-by-document.mjs', 'pocket', texts));
    expect(head).toEqual(['document', 'tokens', ...[2, 5, 13, 34, 55, 89].map((rank) => `rank ${rank}`)]);
    const [one = [], two = [], all = []] = rows.map((row) => row.map(Number));
    for (const column of head.keys()) {
      if (column < 2) continue;
      const [a, b, mean] = [one, two, all].map((row) => row[column] ?? Number.NaN) as [number, number, number];
      const [m, n] = [one, two].map((row) => row[1] ?? Number.NaN) as [number, number];
      expect(mean).toBeCloseTo((a * m + b * n) / (m + n), 3);
    }
    expect(all[2]).toBeGreaterThan(1);
    expect(all[7]).toBeLessThan(0.05);
  });

  test('the map of heads: one number for each, which the commands find too', () => {
    const [head = [], ...rows] = table(example('head-map.mjs', 'pocket', texts));
    expect([head.length, rows.length]).toEqual([9, 6]);
    const kl = rows.flatMap((row) => row.slice(1).map(Number));
    expect(kl.filter((value) => value > -1e-6 && value < 10)).toHaveLength(48);
    const options = ['--text', texts, '--heads', '0.0', '--no-samples', '--json', '--quiet'];
    const { code, cell } = sweepOf(options);
    expect(code).toBe(0);
    expect(kl[0]).toBeCloseTo(cell, 4);
  });

  test('a mistake is one line', () => {
    const { status, stderr } = example('head-map.mjs', 'pocket', 'no.txt');
    expect([status, stderr]).toEqual([2, 'no.txt cannot be read: no such file or folder\n']);
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

/** The KL of the only cell of a sweep of the kind zero. */
function sweepOf(options: readonly string[]): { code: number | null; cell: number } {
  const program = join(home, 'node_modules/surgery/dist/cli.js');
  const { status, stdout } = spawnSync(process.execPath, [program, 'sweep', 'zero', '--model', 'pocket', ...options], {
    cwd: home,
    encoding: 'utf8',
  });
  return { code: status, cell: JSON.parse(stdout).cells[0].scores.kl };
}

function dependencies(): Record<string, string> {
  return JSON.parse(execFileSync('cat', [join(root, 'package.json')], { encoding: 'utf8' })).dependencies;
}
