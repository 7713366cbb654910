// The first page's commands, run as they stand there, print the lines that stand behind them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { surgery } from '../support/cli.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

/** A command of a block of code, without `npx surgery`, and the comments after it: lines that it prints. */
interface Step {
  readonly command: string;
  readonly promised: string[];
}

function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const [, block = ''] of text.matchAll(/^```\n(.*?)^```/gms)) {
    let step: Step | undefined;
    for (const line of block.split('\n')) {
      const command = /^npx surgery (.*)$/.exec(line)?.[1];
      const printed = /^#> (.*)$/.exec(line)?.[1];
      if (command !== undefined) {
        step = { command, promised: [] };
        steps.push(step);
      } else if (printed !== undefined) step?.promised.push(printed);
      else step = undefined;
    }
  }
  return steps.filter(({ promised }) => promised.length > 0);
}

const words = (text: string) => text.replace(/\s+/g, ' ').trim();

test('each line of the tour prints what the page says', { timeout: 120_000 }, async () => {
  const steps = stepsOf(readFileSync(join(root, 'README.md'), 'utf8'));
  expect(steps.length).toBeGreaterThanOrEqual(8);
  for (const { command, promised } of steps) {
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const expanded = args.flatMap((arg) => (arg === 'results/*/' ? folders() : [arg]));
    const { code, stdout, stderr } = await surgery([...expanded, '--quiet'], { cwd: tmp, env: { COLUMNS: '80' } });
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
    for (const line of promised) expect(words(stdout), command).toContain(words(line));
  }
});
