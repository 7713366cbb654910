import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeUnfinished, writeFileSafely, writeFolderSafely } from '../../src/checkpoint/files.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const folder = (name: string) => {
  mkdirSync(join(tmp, name));
  return join(tmp, name);
};

test('a file is replaced only when the new one is whole', async () => {
  const at = folder('file');
  const path = join(at, 'a.txt');
  writeFileSync(path, 'old');
  const failing = writeFileSafely(path, async (handle) => {
    await handle.writeFile('half');
    expect(readFileSync(path, 'utf8')).toBe('old');
    throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
  });
  await expect(failing).rejects.toThrow(/a\.txt cannot be written: no space left on the device/);
  expect(readdirSync(at)).toEqual(['a.txt']);
  expect(readFileSync(path, 'utf8')).toBe('old');
  await writeFileSafely(path, (handle) => handle.writeFile('new'));
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readdirSync(at)).toEqual(['a.txt']);
});

test('a folder appears when it is full, and replaces an old one as a whole', async () => {
  const at = folder('folder');
  const path = join(at, 'results');
  for (const content of ['first', 'second']) {
    await writeFolderSafely(path, async (temporary) => {
      expect(readdirSync(at).filter((name) => !name.startsWith('.'))).toEqual(content === 'first' ? [] : ['results']);
      writeFileSync(join(temporary, `${content}.txt`), content);
    });
    expect(readdirSync(path)).toEqual([`${content}.txt`]);
    expect(readdirSync(at)).toEqual(['results']);
  }
});

test('an interrupted write is removed at once', async () => {
  const at = folder('interrupted');
  const writing = writeFolderSafely(join(at, 'results'), async (temporary) => {
    writeFileSync(join(temporary, 'half.txt'), '');
    removeUnfinished();
    expect(readdirSync(at)).toEqual([]);
    throw new Error('stopped');
  });
  await expect(writing).rejects.toThrow(/stopped/);
  expect(readdirSync(at)).toEqual([]);
});

test('a folder that cannot be made is told in one line', async () => {
  const path = join(tmp, 'a-file');
  writeFileSync(path, '');
  await expect(writeFolderSafely(join(path, 'results'), async () => {})).rejects.toThrow(
    /results cannot be written: a file of that name is in the way/,
  );
});
