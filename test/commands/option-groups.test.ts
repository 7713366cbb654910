import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import * as declared from '../../src/commands/command-options.ts';
import { helpWidth, layOutHelp } from '../../src/commands/help.ts';
import { type OptionsOf, optionGroup, together } from '../../src/commands/option-groups.ts';
import { whole } from '../../src/platform/option-values.ts';

const sizes = optionGroup('Sizes:', (command) =>
  command.option('--rows <n>', 'rows', whole('--rows', 1), 3).option('--tall', 'taller than wide'),
);
const names = optionGroup('Names:', (command) => command.option('--name <text>', 'a name'));
const both = together(sizes, names);

describe('groups of options', () => {
  test('have a heading each, in the order in which they are joined', () => {
    const help = both(new Command('x')).helpInformation();
    expect(help.match(/^\S.*:$/gm)).toEqual(['Sizes:', 'Names:', 'Options:']);
    expect(both(new Command('x')).parse(['--tall'], { from: 'user' }).opts()).toEqual({ rows: 3, tall: true });
  });

  test('give their types: an option that is missing, misspelt or of another type does not compile', () => {
    const use = ({ rows, tall, name }: OptionsOf<typeof both>) => `${rows.toFixed()} ${tall} ${name?.trim()}`;
    const whole: OptionsOf<typeof both> = { rows: 1, tall: false };
    expect(use(whole)).toBe('1 false undefined');
    expect(use(both(new Command()).parse([], { from: 'user' }).opts())).toBe('3 undefined undefined');

    const taken: [OptionsOf<typeof sizes>, OptionsOf<typeof both>][] = [];
    // @ts-expect-error: no option --name in the group
    taken.map(([one]) => one.name);
    // @ts-expect-error: no option --nmae in either
    taken.map(([, one]) => one.nmae);
    // @ts-expect-error: --rows has a default, so it is never missing
    taken.push([{ tall: true }, whole]);
    // @ts-expect-error: --rows is a number
    taken.push([{ rows: '3' }, whole]);
    // @ts-expect-error: a command without the group's options
    expect(() => use(names(new Command()).parse([], { from: 'user' }).opts())).toThrow(TypeError);
  });
});

describe('the help of a command', () => {
  const groups = Object.entries(declared).map(([name, add]) => [name, add as typeof declared.runOptions] as const);

  test.each(groups)('%s fits 80 columns', (_, add) => {
    const help = add(new Command('command'))
      .configureOutput({ getOutHelpWidth: () => 80 })
      .helpInformation();
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('begins with what a newcomer needs, on the first screen', () => {
    const program = new Command('surgery');
    const run = declared.runOptions(program.command('run'));
    layOutHelp(program as unknown as CommandUnknownOpts);
    const help = run.configureOutput({ getOutHelpWidth: () => 80 }).helpInformation();
    const screen = help.split('\n').slice(0, 20).join('\n');
    expect(screen.match(/^ {2}--\w+/gm)).toEqual(['  --model', '  --variance', '  --text', '  --prompt', '  --output']);
    expect(help.match(/^\S.*:$/gm)).toEqual([
      ...['Common options:', 'Operation:', 'Operation, pca, fit:', 'Operation, pca:', 'Operation, pca, fit, quantise:'],
      ...['Operation, fit:', 'Operation, zero, mean:', 'Operation, zero:', 'Operation, quantise:', 'Calibration:'],
      ...['Text:', 'Samples:', 'Output:', 'Machine:', 'Options:'],
    ]);
  });

  test.each(groups)('%s has each option once', (_, add) => {
    const names = add(new Command()).options.map(({ long }) => long);
    expect(names).toEqual([...new Set(names)]);
  });
});

test('help is as wide as the terminal, or COLUMNS where there is none, within limits', () => {
  expect([undefined, 60, 90, 200, 20].map((columns) => helpWidth(columns, {}))).toEqual([80, 60, 90, 100, 40]);
  expect(['', '60', '300', 'wide'].map((COLUMNS) => helpWidth(undefined, { COLUMNS }))).toEqual([80, 60, 100, 80]);
});

test('a default that is one of an operation alone says so where the model may stay as it is', () => {
  const helpOf = (add: typeof declared.runOptions) => add(new Command()).options.map(({ description }) => description);
  expect(helpOf(declared.runOptions).join('\n')).toContain('(default: 0.9)');
  for (const add of [declared.lensOptions, declared.evalOptions, declared.generateOptions]) {
    const help = helpOf(add as unknown as typeof declared.runOptions).join('\n');
    expect(help).toContain('(default: no operation, or pca where one of its options is given)');
    expect(help).toContain('(default in an operation: 0.9)');
    expect(help).not.toContain('(default: 0.9)');
  }
});
