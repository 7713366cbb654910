// A short version of `make soak`: eight faults at random moments, half of them kills, and everything is read back.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/paths.ts';

test('whatever happens at a random moment, results are the old or the new ones and caches are right', () => {
  const script = join(root, 'scripts/soak/kill.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, [script, '--faults', '8', '--seed', '2026'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ inputs: 8, filesLost: 0, crashes: 0, problems: [] });
  expect(report.faults.SIGKILL).toBeGreaterThan(1);
});
