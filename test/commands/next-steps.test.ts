import { expect, test } from 'vitest';
import { nextSteps } from '../../src/commands/next-steps.ts';

test('the report and the next command are told, within 80 columns for a short name', () => {
  for (const kind of ['run', 'sweep', 'sensitivity'] as const) {
    const lines = nextSteps(kind, 'pocket', 'results/x', 'report.html').split('\n');
    expect(lines[0]).toBe('Report     results/x/report.html');
    expect(lines[1]).toMatch(/^Next {7}surgery \w+ --model pocket --/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  }
  expect(nextSteps('run', 'pocket', 'results/x')).not.toContain('Report');
});
