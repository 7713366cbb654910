// What commands leave at home: nothing but the program's own cache, whatever onnxruntime would like to keep there.
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { surgery } from '../support/cli.ts';
import { everythingIn, newHome } from '../support/home.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const common = ['--model', 'pocket', '--offline', '--quiet'];

test.each([
  ['.cache/surgery', {}, ['eval', '--documents', '2']],
  ['c', { SURGERY_CACHE: '~/c' }, ['lens', '--prompt', 'Once']],
  ['x/y/surgery', { XDG_CACHE_HOME: '$HOME/x/$Y', Y: 'y' }, ['inspect']],
  ['', {}, ['generate', '--max-new-tokens', '1']],
])('only %j, with %j: %j', async (cache, variables, [command = '', ...args]) => {
  const home = newHome(tmp);
  const cwd = mkdtempSync(join(tmp, 'cwd-'));
  const { code, stderr } = await surgery([command, ...common, ...args], { cwd, env: { ...home, ...variables } });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const isOurs = (path: string) => path.startsWith(`${cache}/`) || `${cache}/`.startsWith(`${path}/`);
  expect(everythingIn(home.HOME).filter((path) => !isOurs(path))).toEqual([]);
  expect(existsSync(join(home.HOME, cache))).toBe(true);
  expect(readdirSync(cwd)).toEqual([]);
});

const readOnly = join(tmp, 'read-only');
mkdirSync(readOnly, { mode: 0o500 });
const elsewhere = { SURGERY_CACHE: join(tmp, 'cache') };

test.each([
  ['is a file', { HOME: '/dev/null' }, '"$@"'],
  ['takes no folders', { HOME: '/proc' }, '"$@"'],
  ['is read-only', { HOME: readOnly }, '"$@"'],
  ['is not given', elsewhere, 'env -u HOME "$@"'],
])('a home that %s is not worth a word', async (_, variables, through) => {
  const env = { ...newHome(tmp), ...variables };
  const cwd = mkdtempSync(join(tmp, 'cwd-'));
  const { code, stderr } = await surgery(['eval', ...common, '--documents', '2'], { cwd, env, through });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(readdirSync(cwd)).toEqual([]);
});
