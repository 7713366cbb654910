// Where things are, for tests.
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

export const root = resolve(import.meta.dirname, '../..');
export const pocket = join(root, 'src/pocket');

export function fixture(name: string): string {
  return join(root, 'test/fixtures', name);
}

/** The workshop's folder of models and goldens, which users do not have. */
export const shared = resolve(root, '../shared');
export const hasShared = existsSync(join(shared, 'goldens'));

/** A folder that is gone when the test file has ended. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'surgery-test-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
