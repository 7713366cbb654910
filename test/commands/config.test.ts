import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../src/commands/config.ts';
import * as shared from '../../src/commands/options.ts';
import { recipeOptions } from '../../src/commands/recipes.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

function program(): Command {
  const all = new Command('surgery');
  shared.outputOptions(shared.samplingOptions(recipeOptions(shared.modelOptions(all.command('run')))));
  recipeOptions(shared.modelOptions(all.command('sweep')), () => true);
  return all;
}

function words(config: unknown, ...argv: string[]): readonly string[] {
  const file = join(tmp, 'config.json');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return withConfig([...argv, '--config', file], program()).argv;
}

describe('options of a config file', () => {
  test('stand before those of the command line, without --config', () => {
    expect(words({ model: 'pocket', 'top-p': 0.5 }, 'run', '--variance', '0.3')).toEqual(
      'run --model pocket --top-p 0.5 --variance 0.3'.split(' '),
    );
  });

  test('give way to the command line, in either spelling', () => {
    const config = { variance: 0.9, model: 'a', prompt: ['x'], save: false, balance: true };
    const given = ['--variance=0.3', '--model', 'b', '--prompt', 'y', '--no-save', '--balance'];
    expect(words(config, 'run', ...given)).toEqual(['run', ...given]);
  });

  test('lists are joined, or repeated where the option is', () => {
    const config = { variance: [0.9, 0.5], mode: ['separate', 'shared-kv'], layers: ['0', '5-9'] };
    expect(words(config, 'sweep')).toEqual(
      'sweep --variance 0.9,0.5 --mode separate,shared-kv --layers 0 --layers 5-9'.split(' '),
    );
    expect(words({ prompt: ['a b', 'c'] }, 'run')).toEqual(['run', '--prompt', 'a b', '--prompt', 'c']);
  });

  test('flags are on, off, or turned off', () => {
    expect(words({ quiet: true, balance: false, save: false }, 'run')).toEqual(['run', '--quiet', '--no-save']);
    expect(words({ save: true, 'no-save': true }, 'run')).toEqual(['run', '--no-save']);
  });

  test("those of one command alone are that command's, and come before the others", () => {
    const config = { variance: 0.9, seed: 3, sweep: { variance: [0.8, 0.7] }, run: { seed: 4 } };
    expect(words(config, 'sweep')).toEqual(['sweep', '--variance', '0.8,0.7']);
    expect(words(config, 'run')).toEqual(['run', '--variance', '0.9', '--seed', '4']);
  });

  test('no file is no matter, unless it was named', () => {
    expect(withConfig(['run', '--quiet'], program())).toMatchObject({ argv: ['run', '--quiet'], added: [] });
    expect(() => withConfig(['run', '--config=none.json'], program())).toThrow(/^none.json cannot be read/);
    expect(() => withConfig(['run', '--config'], program())).toThrow('--config names no file');
  });

  test.each([
    ['{', 'is not valid JSON'],
    ['[]', 'is not a JSON object of options'],
    [{ varience: 0.3 }, 'there is no option varience, allowed: '],
    [{ sweep: { 'top-p': 1 } }, 'there is no option sweep.top-p, allowed: '],
    [{ run: 0.3 }, "run is 0.3, allowed: an object of this command's options"],
    [{ variance: true }, 'variance is true, allowed: a text, a number, or a list of them'],
    [{ variance: [] }, 'variance is [], allowed: a text, a number, or a list of them'],
    [{ quiet: 'yes' }, 'quiet is "yes", allowed: true or false'],
    [{ config: 'other.json' }, 'there is no option config'],
  ])('%j is refused', (config, message) => {
    expect(() => words(config, 'run')).toThrow(message);
  });
});
