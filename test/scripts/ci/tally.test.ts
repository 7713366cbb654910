import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryFolder } from '../../support/paths.ts';

const tmp = temporaryFolder();
let made = 0;

/** A report under this Node, each test with its state and the reason for skipping it. */
function report(node: string, tests: Readonly<Record<string, readonly [state: string, reason?: string]>>): string {
  const file = join(tmp, `${made++}.json`);
  const outcomes = Object.entries(tests).map(([name, [state, reason]]) => ({ name, state, reason }));
  writeFileSync(file, JSON.stringify({ node, outcomes }));
  return file;
}

function tally(reports: readonly string[], CI = 'true') {
  const script = join(root, 'scripts/ci/tally.mjs');
  const env = { ...process.env, CI };
  const { status, stdout } = spawnSync(process.execPath, [script, ...reports], { encoding: 'utf8', env });
  const lines = stdout.trimEnd().split('\n');
  return { status, problems: lines.slice(0, -1).filter((line) => !/^Under Node/.test(line)), last: lines.at(-1) };
}

const noExecve = ['skipped', 'this Node has no execve'] as const;
const noShared = ['skipped', '../shared is not here'] as const;

test('passes are added up, and what another Node runs is not skipped', () => {
  const old = report('20.20.2', { one: ['passed'], restart: noExecve });
  const newer = report('24.21.0', { one: ['passed'], restart: ['passed'] });
  expect(tally([old, newer])).toEqual({ status: 0, problems: [], last: '3 passed, 0 failed, 0 skipped' });
});

test.each<[string, readonly string[], string]>([
  ['no pass runs it', [report('22.14.0', { one: ['passed'], restart: noExecve })], 'restart: this Node has no execve'],
  [
    'this Node could run it',
    [report('22.15.0', { restart: noExecve }), report('24.0.0', { restart: ['passed'] })],
    'restart: this Node has no execve',
  ],
  ['no rule names the reason', [report('20.0.0', { one: ['skipped', 'it rains'] })], 'one: it rains'],
  ['it gives no reason', [report('20.0.0', { one: ['skipped'] })], 'one: no reason given'],
])('a skipped test is a failure: %s', (_, reports, line) => {
  const { status, problems } = tally(reports);
  expect(status).toBe(1);
  expect(problems).toEqual([expect.stringMatching(/^skipped under Node \S+, which no rule in \S+ accepts: /)]);
  expect(problems[0]).toContain(line);
});

test('../shared may be missing, but not under CI', () => {
  const reports = [report('20.0.0', { one: ['passed'], golden: noShared })];
  expect(tally(reports, '')).toEqual({ status: 0, problems: [], last: '1 passed, 0 failed, 1 skipped' });
  expect(tally(reports).status).toBe(1);
});

test('a failed test and a pass that did not end are failures, and the rest is still counted', () => {
  const half = report('20.0.0', { one: ['passed'], two: ['failed'] });
  const absent = join(tmp, 'absent.json');
  expect(tally([half, absent])).toEqual({
    status: 1,
    problems: ['failed under Node 20.0.0: two', `failed: a pass over the tests did not end, ${absent} is not there`],
    last: '1 passed, 2 failed, 0 skipped',
  });
});
