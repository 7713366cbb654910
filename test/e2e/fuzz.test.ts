// A few seconds of `make fuzz`: the whole corpus, and what a fixed seed makes of it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryFolder } from '../support/paths.ts';

test('damaged headers, configs and indexes give a sound result or one line', () => {
  const json = join(temporaryFolder(), 'fuzz.json');
  const fuzz = join(root, 'scripts/soak/fuzz.mjs');
  const { status, stderr } = spawnSync(process.execPath, [fuzz, '--seconds', '3', '--json', json], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const result = JSON.parse(readFileSync(json, 'utf8'));
  expect(result).toMatchObject({ seconds: 3, crashes: 0, failures: [] });
  expect(result.inputs).toBeGreaterThan(60);
  expect(result.features).toBeGreaterThan(100); // else nothing guides it
});
