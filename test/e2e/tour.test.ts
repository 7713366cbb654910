// The first page's commands, run as they stand there, print the lines that stand behind them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { surgery } from '../support/cli.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

/** A command without `npx surgery`, and the lines that it prints, each after `#>`. */
interface Step {
  readonly command: string;
  readonly printed: string[];
}

function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    const command = /^npx surgery (.*)$/.exec(line)?.[1];
    const printed = /^#> (.*)$/.exec(line)?.[1];
    if (command !== undefined) steps.push({ command, printed: [] });
    if (printed !== undefined) steps.at(-1)?.printed.push(printed);
  }
  return steps.filter(({ printed }) => printed.length > 0);
}

/** As a shell splits it. */
function words(command: string): string[] {
  const all = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const folders = () =>
    readdirSync(join(tmp, 'results'))
      .filter((name) => name.startsWith('pocket-'))
      .map((name) => join('results', name));
  return all.flatMap((word) => (word === 'results/pocket-*/' ? folders() : [word]));
}

const steps = stepsOf(readFileSync(join(root, 'README.md'), 'utf8'));
const inOneLine = (text: string) => text.replace(/\s+/g, ' ');

test('each command of the tour prints what the page says', { timeout: 120_000 }, async () => {
  expect(steps.length).toBeGreaterThanOrEqual(8);
  for (const { command, printed } of steps) {
    const { code, stdout, stderr } = await surgery([...words(command), '--quiet'], { cwd: tmp });
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
    for (const line of printed) expect(inOneLine(stdout), command).toContain(inOneLine(line));
  }
});
