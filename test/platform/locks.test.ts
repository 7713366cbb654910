import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { writeFolderSafely } from '../../src/platform/atomic-files.ts';
import { holdFolder, lockFolder, requireUnlocked } from '../../src/platform/locks.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
let made = 0;
let folder = '';
beforeEach(() => {
  folder = join(tmp, String(made++));
  mkdirSync(folder);
});

const lock = () => join(folder, '.lock');
/** Leaves a lock as another process would. */
const leave = (holder: object | string) =>
  writeFileSync(lock(), typeof holder === 'string' ? holder : JSON.stringify(holder));

/** The number of a process that has ended. */
const ended = spawnSync(process.execPath, ['-e', '0']).pid;

test('a second taker is refused by the number of the process that has it, until that gives it up', async () => {
  const unlock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({
    code: 'output',
    message: `${folder} is in use by process ${process.pid}: wait for it, or remove ${lock()} if that has ended`,
  });
  expect(JSON.parse(readFileSync(lock(), 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
  unlock();
  expect(readdirSync(folder)).toEqual([]);
  (await lockFolder(folder))();
  expect(readdirSync(folder)).toEqual([]);
});

test('what a process left that has ended is taken over', async () => {
  leave({ pid: ended, host: hostname(), started: '1' });
  const unlock = await lockFolder(folder);
  expect(JSON.parse(readFileSync(lock(), 'utf8')).pid).toBe(process.pid);
  expect(readdirSync(folder)).toEqual(['.lock']);
  unlock();
});

test('so is what says another start of a process that lives: its number was used again', async () => {
  const unlock = await lockFolder(folder);
  const own = JSON.parse(readFileSync(lock(), 'utf8'));
  unlock();
  leave({ ...own, started: 'long ago' });
  if (own.started === null) await expect(lockFolder(folder)).rejects.toThrow('is in use');
  else (await lockFolder(folder))();
  // Where the start is not known, the number alone counts.
  leave({ ...own, started: null });
  await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${process.pid}`);
});

test.each(['', '{"pid":12', 'null', '{"pid":"12","host":"a"}'])('a lock that says %j is taken over', async (text) => {
  leave(text);
  const unlock = await lockFolder(folder);
  expect(JSON.parse(readFileSync(lock(), 'utf8')).pid).toBe(process.pid);
  unlock();
  expect(readdirSync(folder)).toEqual([]);
});

test('of a process on another machine nothing is known: its lock holds', async () => {
  leave({ pid: ended, host: 'elsewhere.example', started: '1' });
  const before = readFileSync(lock(), 'utf8');
  await expect(lockFolder(folder)).rejects.toThrow(/in use by process \d+ on elsewhere\.example: wait for it/);
  expect(readFileSync(lock(), 'utf8')).toBe(before);
});

test.each(['free', 'left by a process that has ended'])(
  'of many that come at once to a folder %s one has it',
  async (what) => {
    const stale = { pid: ended, host: hostname(), started: '1' };
    for (let round = 0; round < 30; round++) {
      if (what !== 'free') leave(stale);
      const takers = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder)));
      const winners = takers.flatMap((taker) => (taker.status === 'fulfilled' ? [taker.value] : []));
      expect(winners, `round ${round}`).toHaveLength(1);
      for (const taker of takers)
        if (taker.status === 'rejected') expect(taker.reason.message).toContain(`in use by process ${process.pid}`);
      winners[0]?.();
      expect(readdirSync(folder)).toEqual([]);
    }
  },
);

test('of several processes that come at once to a lock that nobody holds one has it', async () => {
  const module = JSON.stringify(join(root, 'dist/platform/locks.js'));
  const taking = `const { lockFolder } = await import(${module});
    process.on('message', (folder) => lockFolder(folder).then(() => process.send('has it'), (e) => process.send(e.message)));
    process.send('ready');`;
  const takers = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', taking], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  const answers = () => Promise.all(takers.map(async (taker) => String((await once(taker, 'message'))[0])));
  try {
    await answers();
    for (let round = 0; round < 40; round++) {
      folder = join(tmp, `${made}.${round}`);
      mkdirSync(folder);
      leave({ pid: ended, host: hostname(), started: '1' });
      const replies = answers();
      for (const taker of takers) taker.send(folder);
      const others = (await replies).filter((answer) => answer !== 'has it');
      expect(others, `round ${round}`).toHaveLength(takers.length - 1);
      for (const other of others) expect(other).toMatch(/is in use by process \d+: wait/);
    }
  } finally {
    for (const taker of takers) taker.disconnect();
  }
});

test('a guard that a process left while it removed a lock is no obstacle', async () => {
  const stale = JSON.stringify({ pid: ended, host: hostname(), started: '1' });
  leave(stale);
  writeFileSync(`${lock()}.guard`, stale);
  const unlock = await lockFolder(folder);
  expect(readdirSync(folder)).toEqual(['.lock']);
  unlock();
});

test('a folder that cannot be written is named', async () => {
  const nowhere = join(folder, 'none');
  await expect(lockFolder(nowhere)).rejects.toMatchObject({
    code: 'output',
    message: `${join(nowhere, '.lock')} cannot be written: no such file or folder`,
  });
  expect(existsSync(nowhere)).toBe(false);
});

test('a folder that is held was made, and goes with those above it if nothing comes', async () => {
  const path = join(folder, 'a/b');
  const held = await holdFolder(path);
  expect(held.isNew).toBe(true);
  expect(readdirSync(path)).toEqual(['.lock']);
  await expect(holdFolder(path)).rejects.toThrow(`${path} is in use by process ${process.pid}`);
  await expect(requireUnlocked(path)).rejects.toThrow(`${path} is in use by process ${process.pid}`);
  held.release();
  expect(readdirSync(folder)).toEqual([]);
  await requireUnlocked(path);
});

test('a folder that was there, or was filled, stays when it is given up', async () => {
  const held = await holdFolder(folder);
  expect(held.isNew).toBe(false);
  held.release();
  expect(readdirSync(folder)).toEqual([]);
  const filled = join(folder, 'filled');
  const other = await holdFolder(filled);
  await writeFolderSafely(filled, async (temporary) => writeFileSync(join(temporary, 'run.json'), ''));
  expect(readdirSync(filled).sort()).toEqual(['.lock', 'run.json']); // held on, under the same name
  await expect(requireUnlocked(filled)).rejects.toThrow('is in use');
  other.release();
  expect(readdirSync(filled)).toEqual(['run.json']);
});
