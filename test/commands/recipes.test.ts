import { Command } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import type { LlamaConfig } from '../../src/checkpoint/config.ts';
import { runOptions, sensitivityOptions, sweepOptions } from '../../src/commands/command-options.ts';
import { operationRequest, recipeOf, specOf } from '../../src/commands/recipes.ts';

const parsed = (options: typeof runOptions | typeof sweepOptions | typeof sensitivityOptions, ...argv: string[]) =>
  (options as typeof runOptions)(new Command().exitOverride()).parse(argv, { from: 'user' }).opts();
const request = (...argv: string[]) => operationRequest(parsed(runOptions, ...argv));

describe('the operation that options describe', () => {
  test('has the fields that were given, of the default kind or a named one', () => {
    expect(specOf(request('--variance', '0.3', '--layers', '0,2-3'))).toEqual({
      kind: 'pca',
      variance: 0.3,
      layers: [0, 2, 3],
    });
    expect(specOf(operationRequest(parsed(runOptions, '--heads', '2.5'), 'zero'))).toEqual({
      kind: 'zero',
      heads: ['2.5'],
    });
  });

  test('an option of another kind is refused in one line that names both kinds', () => {
    expect(() => specOf(request('--heads', '2.5'))).toThrow(
      '--heads is an option of the kind zero, and the kind here is pca: add --kind zero, or leave it out',
    );
    expect(() => specOf(operationRequest(parsed(runOptions, '--variance', '0.3'), 'zero'))).toThrow(
      '--variance is an option of the kind pca, and the kind here is zero: leave it out, or make it pca',
    );
    expect(() => operationRequest({ kind: 'pca' }, 'zero')).toThrow('--kind pca and zero: name one kind');
  });

  test('the remedy for options of two kinds does not lead to another mistake', () => {
    const both = ['--heads', '2.5', '--variance', '0.5'];
    expect(() => specOf(request(...both))).toThrow(
      '--heads is an option of the kind zero, and --variance of the kind pca: leave one of them out; a --recipe',
    );
    expect(() => specOf(operationRequest(parsed(runOptions, ...both), 'zero'))).toThrow(
      /^--variance is an option of the kind pca, and the kind here is zero: leave it out$/,
    );
  });

  test('an option that two kinds have is one option, which says the defaults of both', () => {
    expect(specOf(operationRequest(parsed(runOptions, '--layers', '1', '--targets', 'up'), 'quantise'))).toEqual({
      kind: 'quantise',
      layers: [1],
      targets: ['up'],
    });
    const { options } = runOptions(new Command());
    const targets = options.filter(({ long }) => long === '--targets').map(({ description }) => description);
    expect(targets).toEqual([expect.stringMatching(/\(default: q,k,v; of quantise: all\)$/)]);
    expect(() => specOf(operationRequest(parsed(runOptions, '--layers', '1'), 'zero'))).toThrow(
      '--layers is an option of the kind pca, and the kind here is zero: leave it out, or make it pca',
    );
  });

  test('a recipe file describes all of it', async () => {
    await expect(recipeOf(request('--recipe', 'a.json', '--rank', '3'), {} as LlamaConfig)).rejects.toThrow(
      '--recipe a.json already describes the operation: leave out --rank',
    );
  });
});

describe('lists of values', () => {
  test('a sweep takes them for every field that its kind lets vary', () => {
    const options = parsed(
      sweepOptions,
      ...'--mean keep,drop --variance 0.9,0.5 --rank 4 --layers 0 --layers 1-2'.split(' '),
    );
    expect(options).toMatchObject({ mean: ['keep', 'drop'], variance: [0.9, 0.5], rank: [4], layers: [[0], [1, 2]] });
  });

  test('sensitivity takes them for thresholds and ranks only', () => {
    expect(parsed(sensitivityOptions, '--variance', '0.9,0.5', '--rank', '4,8', '--mode', 'separate')).toMatchObject({
      variance: [0.9, 0.5],
      rank: [4, 8],
      mode: 'separate',
    });
    expect(() => parsed(sensitivityOptions, '--mean', 'keep,drop')).toThrow(
      '--mean is "keep,drop", allowed: one value (sweep takes several)',
    );
  });

  test('run takes none', () => {
    expect(() => parsed(runOptions, '--variance', '0.9,0.5')).toThrow('--variance is "0.9,0.5", allowed: one value');
  });
});
