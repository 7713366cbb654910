import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  makeFolders,
  removeUnfinished,
  reserveFolder,
  writeFileSafely,
  writeFolderSafely,
} from '../../src/platform/atomic-files.ts';
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
    const fill = async (temporary: string) => {
      expect(readdirSync(at).filter((name) => !name.startsWith('.'))).toEqual(content === 'first' ? [] : ['results']);
      writeFileSync(join(temporary, `${content}.txt`), content);
    };
    await writeFolderSafely(path, fill, true);
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

test('a folder that cannot be made is refused in one line', async () => {
  const path = join(tmp, 'a-file');
  writeFileSync(path, '');
  await expect(writeFolderSafely(join(path, 'results'), async () => {})).rejects.toThrow(
    /results cannot be written: a part of the path is not a folder/,
  );
});

test('a folder that somebody else made meanwhile is kept, unless it may be replaced', async () => {
  const at = folder('race');
  const path = join(at, 'results');
  const late = writeFolderSafely(path, async (temporary) => {
    writeFileSync(join(temporary, 'mine.txt'), '');
    mkdirSync(path);
    writeFileSync(join(path, 'theirs.txt'), '');
  });
  await expect(late).rejects.toThrow(/results was made by somebody else meanwhile/);
  expect(readdirSync(at)).toEqual(['results']);
  expect(readdirSync(path)).toEqual(['theirs.txt']);
});

test('a name is reserved once, and given back with the folders above it if nothing comes', async () => {
  const at = folder('reserved');
  const path = join(at, 'a/b/results');
  expect(await reserveFolder(path)).toBe(true);
  expect(await reserveFolder(path)).toBe(false);
  const failing = writeFolderSafely(path, async () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(readdirSync(at)).toEqual([]);

  expect(await reserveFolder(path)).toBe(true);
  removeUnfinished();
  expect(readdirSync(at)).toEqual([]);

  expect(await reserveFolder(path)).toBe(true);
  await writeFolderSafely(path, async (temporary) => writeFileSync(join(temporary, 'x'), ''));
  removeUnfinished();
  expect(readdirSync(path)).toEqual(['x']);
});

test('messages name the place that was asked for', async () => {
  const path = join(folder('named'), 'results');
  const failing = writeFolderSafely(path, (temporary) =>
    writeFileSafely(join(temporary, 'model/a.bin'), (handle) => handle.writeFile('')),
  );
  await expect(failing).rejects.toThrow(`${path}/model/a.bin cannot be written: no such file or folder`);
});

test('folders are made as deep as they go, and the outermost new one is known', () => {
  const at = folder('deep');
  expect(makeFolders(join(at, 'a/b/c'))).toBe(join(at, 'a'));
  expect(makeFolders(join(at, 'a/b/d'))).toBe(join(at, 'a/b/d'));
  expect(makeFolders(join(at, 'a/b'))).toBeUndefined();
  writeFileSync(join(at, 'file'), '');
  expect(() => makeFolders(join(at, 'file'))).toThrow('EEXIST');
  expect(() => makeFolders(join(at, 'file/a/b'))).toThrow('ENOTDIR');
});

test.skipIf(process.platform !== 'linux')('a file system that takes no folders is asked once', () => {
  expect(() => makeFolders('/proc/none/a/b')).toThrow('ENOENT');
});
