import { expect, test } from 'vitest';
import { nextSteps, partSteps } from '../../src/commands/next-steps.ts';
import { programName } from '../../src/platform/program.ts';

test('the report and the next command are stated', () => {
  const lines = nextSteps('sweep --model pocket --controls', 'results/x', 'report.html').split('\n');
  expect(lines[0]).toBe('Report     results/x/report.html');
  expect(lines.slice(1).join(' ')).toMatch(/^Next {7}\S.*sweep .*--model pocket .*--controls$/);
  expect(lines[1]).toContain(`Next       ${programName()}`);
  expect(nextSteps('run', 'results/x')).not.toContain('Report');
});

test('after a part of a study: the parts that are not there, then the merge', () => {
  const steps = (index: number, of: number, ...there: string[]) =>
    partSteps('surgery sweep --model pocket', `results/a b/part-${index + 1}-of-${of}`, { index, of }, (path) =>
      there.includes(path),
    ).split('\n');
  const merge = (of: number) => `${programName()} merge 'results/a b'/part-*-of-${of} --output 'results/a b'`;
  expect(steps(0, 2, 'results/a b/part-1-of-2')).toEqual([
    `Next       ${programName()} sweep --model pocket --output 'results/a b' --shard 2/2`,
    `Then       ${merge(2)}`,
  ]);
  expect(steps(3, 8, 'results/a b/part-4-of-8')[0]).toMatch(/--shard 1\/8, likewise 2-3,5-8$/);
  const both = ['results/a b/part-1-of-2', 'results/a b/part-2-of-2'];
  expect(steps(1, 2, ...both)).toEqual([`Next       ${merge(2)}`]);
});
