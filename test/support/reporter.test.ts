// The reporter in a suite of its own, of three small files.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryFolder } from './paths.ts';

const tmp = temporaryFolder();
const needs = JSON.stringify(join(root, 'test/support/needs.ts'));
const suite = {
  'needs.test.ts': `
    import { needs } from ${needs};
    describe('group', needs(false, 'it rains'), () => { test('outside', () => {}); });
    test('inside', needs(true, 'it rains'), () => {});
    test('noted', ({ skip }) => skip('too late'));
    test.skip('bare', () => {});`,
  'setup.test.ts': `describe('group', () => { beforeAll(() => { throw new Error('no'); }); test('never run', () => {}); });`,
  'load.test.ts': `throw new Error('no');`,
};

function run(report: string) {
  for (const [file, text] of Object.entries(suite)) writeFileSync(join(tmp, file), text);
  const reporter = join(root, 'test/support/reporter.ts');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  return spawnSync(process.execPath, [vitest, 'run', '--globals', '--root', tmp, '--reporter', reporter], {
    encoding: 'utf8',
    env: { ...process.env, SURGERY_TEST_REPORT: report },
  }).stdout;
}

test('reasons for skipping are listed; what cannot be set up has failed', () => {
  const lines = run('').trimEnd().split('\n');
  expect(lines.slice(0, -1).sort()).toEqual([
    'skipped: needs.test.ts > group > outside: it rains',
    'skipped: needs.test.ts > noted: too late',
  ]);
  expect(lines.at(-1)).toBe('1 passed, 2 failed, 4 skipped');
});

test('a report holds every outcome, and the line is not printed', () => {
  const report = join(tmp, 'report.json');
  expect(run(report)).toBe('');
  const { node, outcomes } = JSON.parse(readFileSync(report, 'utf8'));
  expect(node).toBe(process.versions.node);
  type Outcome = Record<'name' | 'state' | 'reason', string>;
  expect(outcomes.map(({ name, state, reason }: Outcome) => `${state} ${name}: ${reason}`).sort()).toEqual([
    'failed load.test.ts: undefined',
    'failed setup.test.ts > group: undefined',
    'passed needs.test.ts > inside: undefined',
    'skipped needs.test.ts > bare: undefined',
    'skipped needs.test.ts > group > outside: it rains',
    'skipped needs.test.ts > noted: too late',
    'skipped setup.test.ts > group > never run: undefined',
  ]);
});
