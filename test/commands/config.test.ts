import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { describe, expect, test, vi } from 'vitest';
import { runOptions, sweepOptions } from '../../src/commands/command-options.ts';
import { type AppliedConfig, applyConfig } from '../../src/commands/config.ts';
import { operationRequest, specOf } from '../../src/commands/recipes.ts';
import { type Recorded, recordedCommand } from '../../src/commands/recorded-command.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

interface Parsed {
  readonly applied: AppliedConfig;
  readonly options: Readonly<Record<string, unknown>>;
  /** The option's source, as Commander has it. */
  readonly sources: Readonly<Record<string, unknown>>;
  readonly recorded: Recorded;
  readonly kind: string | undefined;
}

/** A command line, parsed in the way the program does it. */
function parse(...argv: string[]): Parsed {
  const program = new Command('surgery').exitOverride().configureOutput({ writeErr: () => {} });
  runOptions(program.command('run'))
    .argument('[kind]')
    .action(() => {});
  sweepOptions(program.command('sweep'))
    .argument('[kind]')
    .action(() => {});
  const parsed: Parsed[] = [];
  program.hook('preAction', (_, command) => {
    const applied = applyConfig(program as unknown as CommandUnknownOpts, command);
    const sources = Object.keys(command.opts()).map((key) => [key, command.getOptionValueSource(key)]);
    parsed.push({
      applied,
      options: { ...command.opts() },
      sources: Object.fromEntries(sources),
      recorded: recordedCommand(command, argv, applied.words),
      kind: command.args[0],
    });
  });
  program.parse(argv, { from: 'user' });
  const [one] = parsed;
  if (!one) throw new Error('no command was called');
  return one;
}

function withConfig(config: unknown, ...argv: string[]): Parsed {
  const file = join(tmp, 'config.json');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return parse(...argv, '--config', file);
}

const words = (config: unknown, ...argv: string[]) => withConfig(config, ...argv).applied.words.join(' ');

describe('options of a config file', () => {
  test('are parsed as the command line is, and recorded before it, without --config', () => {
    const { options, sources, recorded } = withConfig({ model: 'pocket', 'top-p': 0.5 }, 'run', '--variance', '0.3');
    expect(options).toMatchObject({ model: 'pocket', topP: 0.5, variance: 0.3, temperature: 0.7 });
    expect(sources).toMatchObject({ model: 'config', topP: 'config', variance: 'cli', temperature: 'default' });
    expect(recorded()).toBe('surgery run --model pocket --top-p 0.5 --variance 0.3');
  });

  test('give way to the command line, in either spelling', () => {
    const config = { variance: 0.9, model: 'a', prompt: ['x'], save: false, balance: true };
    const given = ['--variance=0.3', '--model', 'b', '--prompt', 'y', '--no-save', '--balance'];
    const { options, recorded } = withConfig(config, 'run', ...given);
    expect(options).toMatchObject({ variance: 0.3, model: 'b', prompt: ['y'], save: false, balance: true });
    expect(recorded()).toBe(`surgery run ${given.join(' ')}`);
  });

  test('a value that looks like an option is a value', () => {
    expect(withConfig({ model: 'a' }, 'run', '--prompt', '--model').options).toMatchObject({ model: 'a' });
    expect(withConfig({}, 'run', '--prompt', '--json').recorded()).toBe('surgery run --prompt --json');
  });

  test('lists are joined, or repeated where the option is', () => {
    const config = { variance: [0.9, 0.5], mode: ['separate', 'shared-kv'], layers: ['0', '5-9'] };
    const { options, applied } = withConfig(config, 'sweep');
    expect(options).toMatchObject({
      variance: [0.9, 0.5],
      mode: ['separate', 'shared-kv'],
      layers: [[0], [5, 6, 7, 8, 9]],
    });
    expect(applied.words.join(' ')).toBe('--variance 0.9,0.5 --mode separate,shared-kv --layers 0 --layers 5-9');
    expect(withConfig({ prompt: ['a b', 'c'] }, 'run').options.prompt).toEqual(['a b', 'c']);
  });

  test('flags are on, off, or turned off', () => {
    const { options, applied } = withConfig({ quiet: true, balance: false, save: false }, 'run');
    expect(options).toMatchObject({ quiet: true, save: false });
    expect(options).not.toHaveProperty('balance');
    expect(applied.names).toEqual(['--quiet', '--no-save']);
    expect(words({ save: true, 'no-save': true }, 'run')).toBe('--no-save');
    expect(words({ save: false, run: { save: true } }, 'run')).toBe('');
  });

  test("a command's own section comes before the rest, which other commands see alone", () => {
    const config = { variance: 0.9, seed: 3, sweep: { variance: [0.8, 0.7] }, run: { seed: 4 } };
    expect(words(config, 'sweep')).toBe('--variance 0.8,0.7 --seed 3');
    expect(words(config, 'run')).toBe('--variance 0.9 --seed 4');
  });

  test('the environment comes before the file, as Commander orders sources', () => {
    vi.stubEnv('SURGERY_THREADS', '3');
    expect(withConfig({ threads: 2 }, 'run').options.threads).toBe(3);
    vi.stubEnv('SURGERY_THREADS', undefined);
    expect(withConfig({ threads: 2 }, 'run').options.threads).toBe(2);
  });

  test('no file is no matter, unless it was named', () => {
    expect(parse('run', '--quiet').applied).toMatchObject({ words: [], names: [] });
    expect(() => parse('run', '--config=none.json')).toThrow(/^none.json cannot be read/);
    expect(() => parse('run', '--config=')).toThrow('--config is "": name a JSON file');
    expect(() => parse('run', '--config')).toThrow("option '--config <file>' argument missing");
  });

  test.each([
    ['{', 'is not valid JSON'],
    ['[]', 'is not a JSON object of options'],
    [{ varience: 0.3 }, 'there is no option varience, near it: variance'],
    [{ sweep: { 'top-p': 1, topp: 1 } }, 'there is no option sweep.topp, near it: top-k, top-p'],
    [{ run: 0.3 }, "run is 0.3, allowed: an object of this command's options"],
    [{ variance: true }, 'variance is true, allowed: a text, a number, or a list of them'],
    [{ variance: [] }, 'variance is [], allowed: a text, a number, or a list of them'],
    [{ run: { variance: true } }, 'run.variance is true, allowed: a text, a number, or a list of them'],
    [{ variance: 5 }, 'config.json: variance: --variance is "5", allowed: a number above 0 up to 1'],
    [{ quiet: 'yes' }, 'quiet is "yes", allowed: true or false'],
    [{ config: 'other.json' }, 'there is no option config'],
    [{ chat: 'a.json', prompt: 'b' }, 'config.json: chat cannot be used with prompt: leave one out'],
    [{ rank: 3, variance: 0.5 }, 'config.json: rank cannot be used with variance: leave one out'],
  ])('%j is refused', (config, message) => {
    expect(() => words(config, 'run')).toThrow(message);
  });
});

describe('where a config file and the command line exclude each other, the command line wins', () => {
  test('prompts and conversations, in either order', () => {
    const { options, recorded } = withConfig({ prompt: 'Once', raw: true, seed: 1 }, 'run', '--chat', 'a.json');
    expect(options).toMatchObject({ chat: 'a.json', seed: 1 });
    expect(options).not.toHaveProperty('prompt');
    expect(recorded()).toBe('surgery run --seed 1 --chat a.json');
    expect(words({ chat: 'a.json', seed: 1 }, 'run', '--prompt', 'Once')).toBe('--seed 1');
    expect(words({ chat: 'a.json', run: { prompt: 'b' } }, 'run')).toBe('--prompt b');
  });

  test('a threshold and a rank, of which a sweep takes both', () => {
    expect(words({ variance: 0.9 }, 'run', '--rank', '8')).toBe('');
    expect(words({ variance: 0.9 }, 'sweep', '--rank', '8')).toBe('--variance 0.9');
    expect(() => parse('run', '--rank', '8', '--variance', '0.5')).toThrow(/'--rank <n>' cannot be used with option/);
  });

  test.each([
    ['a kind as argument', { variance: 0.9, mode: 'separate', seed: 1 }, ['run', 'zero', '--mlp', '1'], '--seed 1'],
    ['--kind', { kind: 'pca', rank: 4, seed: 1 }, ['run', '--kind', 'zero', '--mlp', '1'], '--seed 1'],
    [
      'an option of a kind',
      { kind: 'zero', heads: '0.0', mode: 'separate' },
      ['run', '--rank', '4'],
      '--mode separate',
    ],
    ['an option of the same kind', { kind: 'zero', heads: '0.0' }, ['run', '--mlp', '1'], '--kind zero --heads 0.0'],
    [
      'an option of two kinds',
      { kind: 'quantise', bits: 3, heads: '0.0' },
      ['run', '--layers', '0'],
      '--kind quantise --bits 3',
    ],
    ['a recipe', { kind: 'pca', variance: 0.9, dtype: 'F32' }, ['run', '--recipe', 'a.json'], '--dtype F32'],
    ['a kind, over a recipe', { recipe: 'a.json', seed: 1 }, ['run', 'zero', '--mlp', '1'], '--seed 1'],
    ["a command's own section", { variance: 0.9, run: { kind: 'zero', mlp: '1' } }, ['run'], '--kind zero --mlp 1'],
  ])('operations: %s', (_, config, argv, expected) => {
    expect(words(config, ...argv)).toBe(expected);
  });

  test("a kind's fields in the file make the operation", () => {
    const { options, kind } = withConfig({ kind: 'zero', heads: '2.5,0.0', mlp: 1 }, 'run');
    expect(specOf(operationRequest(options, kind))).toEqual({ kind: 'zero', heads: ['2.5', '0.0'], mlp: [1] });
  });
});
