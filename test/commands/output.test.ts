import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { requireOutput, slugOf, takeOutput } from '../../src/commands/output.ts';
import { lockFolder } from '../../src/platform/locks.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const home = process.cwd();
afterAll(() => process.chdir(home));
let made = 0;
beforeEach(() => {
  const folder = join(tmp, String(made++));
  mkdirSync(folder);
  process.chdir(folder);
});

const results = (path: string) => {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'run.json'), '{}');
};
/** A lock as a process leaves it that is killed. */
const deadLock = (path: string) => {
  mkdirSync(path, { recursive: true });
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  writeFileSync(join(path, '.lock'), JSON.stringify({ pid, host: hostname(), started: '1' }));
};

describe('an --output', () => {
  test.each<[string, () => void, string, RegExp]>([
    ['that is a file', () => writeFileSync('x', ''), 'x', /"x" is a file/],
    ['with other files', () => mkdirSync('x/y', { recursive: true }), 'x', /holds other files than a run's results/],
    ['called results, with the results of others', () => results('results/mine'), 'results', /holds other files/],
    ['with results', () => results('x'), 'x', /holds results already: .* --force/],
    ['that is the folder you are in', () => {}, '.', /is the folder you are in, or one above it/],
    ['above the folder you are in', () => results('..'), '..', /is the folder you are in, or one above it/],
  ])('%s is refused', async (_name, prepare, output, message) => {
    prepare();
    const force = !message.source.includes('--force');
    await expect(requireOutput({ output, force })).rejects.toThrow(message);
  });

  test('that another run has is refused by both', async () => {
    results('x');
    const unlock = await lockFolder('x');
    const options = { output: 'x', force: true };
    await expect(requireOutput(options)).rejects.toThrow(`x is in use by process ${process.pid}`);
    await expect(takeOutput(options, 'unused')).rejects.toThrow(`x is in use by process ${process.pid}`);
    unlock();
    await requireOutput(options);
    (await takeOutput(options, 'unused')).release();
    expect(readdirSync('x')).toEqual(['run.json']);
  });

  test('that a killed run has left is taken over', async () => {
    deadLock('x');
    await requireOutput({ output: 'x' });
    const { release } = await takeOutput({ output: 'x' }, 'unused');
    release();
    expect(readdirSync('x')).toEqual([]);
  });

  test('into which results came meanwhile is refused, and theirs stay', async () => {
    await requireOutput({ output: 'x' });
    results('x');
    await expect(takeOutput({ output: 'x' }, 'unused')).rejects.toThrow(/holds results already/);
    expect(readdirSync('x')).toEqual(['run.json']);
  });

  test('behind a symbolic link is the folder itself', async () => {
    results('real');
    symlinkSync('real', 'x');
    const { path, release } = await takeOutput({ output: 'x', force: true }, 'unused');
    expect(path).toBe(join(process.cwd(), 'real'));
    release();
  });
});

test('without an --output the first free name is taken: neither filled nor held, but one that was left', async () => {
  results('results/a');
  mkdirSync('results/a-2');
  const unlock = await lockFolder('results/a-2');
  deadLock('results/a-3');
  const third = await takeOutput({}, 'a');
  const fourth = await takeOutput({}, 'a');
  expect([third.path, fourth.path]).toEqual([join('results', 'a-3'), join('results', 'a-4')]);
  for (const { release } of [third, fourth]) release();
  unlock();
  expect(readdirSync('results').sort()).toEqual(['a', 'a-2', 'a-3']);
});

test('a model has the same name in folders wherever it is', async () => {
  mkdirSync('deep/My Model', { recursive: true });
  expect(await slugOf('deep/My Model')).toBe('my-model');
  expect(await slugOf('Org/Name-1.1B@main')).toBe('org-name-1.1b-main');
  expect(await slugOf('../../etc')).toBe('etc');
});
