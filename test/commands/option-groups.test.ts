import { Command } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import * as declared from '../../src/commands/command-options.ts';
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

  test('begins with what a newcomer needs', () => {
    const headings = declared
      .runOptions(new Command())
      .helpInformation()
      .match(/^\S.*:$/gm);
    expect(headings).toEqual([
      ...['Model:', 'Operation:', 'Operation, pca:', 'Operation, zero:'],
      ...['Text:', 'Samples:', 'Output:', 'Machine:', 'Options:'],
    ]);
  });

  test.each(groups)('%s has each option once', (_, add) => {
    const names = add(new Command()).options.map(({ long }) => long);
    expect(names).toEqual([...new Set(names)]);
  });
});
