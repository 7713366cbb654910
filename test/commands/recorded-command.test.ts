import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';
import { runOptions } from '../../src/commands/command-options.ts';
import { recordedCommand } from '../../src/commands/recorded-command.ts';

const run = runOptions(new Command('run')) as unknown as CommandUnknownOpts;
const recorded = (...words: string[]) => recordedCommand(run, ['run', ...words], []);

test("the program's choices are recorded as if they had been typed", () => {
  const command = recorded('--variance', '0.3', '--json', '--threads', '2');
  expect(command()).toBe('surgery run --variance 0.3');
  const chosen = { '--model': 'pocket', '--text': "a story's.txt", '--column': undefined };
  expect(command(chosen)).toBe("surgery run --variance 0.3 --model pocket --text 'a story'\\''s.txt'");
});

test('and take the place of what was typed, in either spelling', () => {
  const chosen = { '--model': 'org/name@0123' };
  for (const typed of [['--model', 'org/name'], ['--model=org/name']])
    expect(recorded(...typed, '--prompt', '--model')(chosen)).toBe(
      'surgery run --model org/name@0123 --prompt --model',
    );
});
