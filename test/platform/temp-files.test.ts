import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { writeFileSafely } from '../../src/platform/atomic-files.ts';
import { sweepLeftovers, temporaryName } from '../../src/platform/temp-files.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
let made = 0;
let at = '';
beforeEach(() => {
  at = join(tmp, String(made++));
  mkdirSync(at);
});

/** The number of a process that has ended. */
const ended = spawnSync(process.execPath, ['-e', '0']).pid;

/** A temporary name as a process would have used it. */
function nameOf(name: string, { pid = ended, host = '' } = {}): string {
  const own = basename(temporaryName(join(at, name)));
  const [, ownHost = ''] = /\.\d+-([0-9a-f]{8})-/.exec(own) ?? [];
  return own.replace(`.${process.pid}-${ownHost}`, `.${pid}-${host || ownHost}`);
}

const put = (name: string, content = name) => writeFileSync(join(at, name), content);
const putFolder = (name: string, file: string) => {
  mkdirSync(join(at, name));
  writeFileSync(join(at, name, file), '');
};

test('files and folders of a process that has ended go; nothing else does', async () => {
  const kept = [
    nameOf('living', { pid: process.pid }),
    nameOf('elsewhere', { host: '00000000' }),
    '.name.123.abcd.tmp',
    '.keep',
    'a.tmp',
    'results',
  ];
  for (const name of kept) put(name);
  put(nameOf('a.json'));
  putFolder(nameOf('out'), 'run.json');
  await sweepLeftovers(at);
  expect(readdirSync(at).sort()).toEqual(kept.sort());
});

test('a number that was used again belongs to another process', async () => {
  const own = nameOf('a', { pid: process.pid });
  const started = /-(\d*)\.[0-9a-f]{8}\.tmp$/.exec(own)?.[1];
  if (started) put(own.replace(`-${started}.`, '-1.'));
  put(own);
  await sweepLeftovers(at);
  expect(readdirSync(at)).toEqual([own]);
});

test('a folder whose replacement was not finished is put back; the half-finished one goes', async () => {
  const name = nameOf('out');
  putFolder(`${name}.old`, 'old');
  putFolder(name, 'new');
  await sweepLeftovers(at);
  expect(readdirSync(at)).toEqual(['out']);
  expect(readdirSync(join(at, 'out'))).toEqual(['old']);
});

test('a folder whose successor stands goes', async () => {
  putFolder(`${nameOf('out')}.old`, 'old');
  putFolder('out', 'new');
  await sweepLeftovers(at);
  expect(readdirSync(at)).toEqual(['out']);
  expect(readdirSync(join(at, 'out'))).toEqual(['new']);
});

test('a folder that is being replaced by a living process is left alone', async () => {
  const name = `${nameOf('out', { pid: process.pid })}.old`;
  putFolder(name, 'old');
  await sweepLeftovers(at);
  expect(readdirSync(at)).toEqual([name]);
});

test('a folder that is not there is no error', async () => {
  await sweepLeftovers(join(at, 'none'));
});

test('what a killed process left goes when the next one writes there', async () => {
  const module = JSON.stringify(join(root, 'dist/platform/atomic-files.js'));
  const dying = `const { writeFileSafely } = await import(${module});
    await writeFileSafely(${JSON.stringify(join(at, 'a.txt'))}, async (file) => {
      await file.writeFile('half');
      process.kill(process.pid, 'SIGKILL');
      await new Promise(() => setInterval(() => {}, 1000));
    });`;
  put('a.txt', 'old');
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', dying]).signal).toBe('SIGKILL');
  expect(readdirSync(at)).toHaveLength(2);
  expect(readFileSync(join(at, 'a.txt'), 'utf8')).toBe('old');
  await writeFileSafely(join(at, 'b.txt'), (file) => file.writeFile('new'));
  expect(readdirSync(at).sort()).toEqual(['a.txt', 'b.txt']);
});
