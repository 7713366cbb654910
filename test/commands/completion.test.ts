import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import { completionScript, shells } from '../../src/commands/completion.ts';
import { together } from '../../src/commands/option-groups.ts';
import { modelOption, runOutputOptions, runtimeOptions } from '../../src/commands/options.ts';
import { operationOptions } from '../../src/commands/recipes.ts';
import { kindNames } from '../../src/operations/registry.ts';
import { suggested } from '../../src/platform/option-values.ts';
import { needs } from '../support/needs.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
/** Where completions of file names are looked for. */
const folder = join(tmp, 'work');
mkdirSync(join(folder, 'a model'), { recursive: true });
writeFileSync(join(folder, 'alpha.txt'), '');
const program = new Command('surgery') as unknown as CommandUnknownOpts;
together(
  modelOption,
  operationOptions(),
  runtimeOptions,
  runOutputOptions,
)(program.command('run').description("one: a [model]'s test"));
operationOptions({ takesSeveral: () => true })(program.command('sweep'));
program.command('completion').argument('<shell>', 'a shell', suggested(shells));

const has = (shell: string) => {
  try {
    execFileSync(shell, ['-c', 'true']);
    return true;
  } catch {
    return false;
  }
};
const needsShell = (shell: string) => needs(has(shell), `${shell} is not installed: make shells`);

function scriptFor(shell: string): string {
  const file = join(tmp, `completion.${shell}`);
  writeFileSync(file, completionScript(shell, program));
  return file;
}

/** What bash would offer for the last of some words. */
function offered(...words: string[]): string[] {
  const file = scriptFor('bash');
  const [current, previous] = [words.at(-1), words.at(-2)];
  const script = `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _surgery "$1" "${current}" "${previous}"; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8', cwd: folder })
    .split('\n')
    .filter(Boolean);
}

describe('bash', () => {
  test('offers commands, options, and the words that an option allows', () => {
    expect(offered('surgery', 'r')).toEqual(['run']);
    expect(offered('surgery', 'run', '--pr')).toEqual(['--precision']);
    expect(offered('surgery', 'run', '--mode', 's')).toEqual(['shared-kv', 'separate', 'shared-qkv']);
    expect(offered('surgery', 'run', '--targets', 'g')).toEqual(['gate']);
    expect(offered('surgery', 'run', '--kind', '')).toEqual(kindNames);
    expect(offered('surgery', 'completion', '')).toEqual(expect.arrayContaining([...shells]));
  });

  test('goes on after a comma in a list', () => {
    expect(offered('surgery', 'sweep', '--mode', 'separate,sh')).toEqual(['separate,shared-kv', 'separate,shared-qkv']);
    expect(offered('surgery', 'run', '--targets', 'q,k,g')).toEqual(['q,k,gate']);
    expect(offered('surgery', 'run', '--mode', 'separate,sh')).toEqual([]);
  });

  test('offers file names, also next to words', () => {
    expect(offered('surgery', 'run', '--output', 'a')).toEqual(['a model', 'alpha.txt']);
    expect(offered('surgery', 'run', '--model', '')).toEqual(['pocket', 'a model', 'alpha.txt']);
    expect(offered('surgery', 'run', '--model', 'po')).toEqual(['pocket']);
  });

  test('offers the same behind npx, and nothing for its other programs', () => {
    expect(offered('npx', 'surgery', 'r')).toEqual(['run']);
    expect(offered('npx', 'surgery', 'run', '--mode', 'sep')).toEqual(['separate']);
    expect(offered('npx', 'other', 'r')).toEqual([]);
  });
});

test.each(shells)('the script for %s has the options in it', (shell) => {
  expect(completionScript(shell, program)).toContain('precision');
});

for (const shell of shells) {
  test(`${shell} reads its script`, needsShell(shell), () => {
    expect(execFileSync(shell, ['-n', scriptFor(shell)], { encoding: 'utf8' })).toBe('');
  });
}

test('fish offers the same', needsShell('fish'), () => {
  const offers = (line: string) =>
    execFileSync('fish', ['-c', `source ${scriptFor('fish')}; complete -C '${line}'`], {
      encoding: 'utf8',
      cwd: folder,
    })
      .split('\n')
      .map((one) => one.split('\t')[0])
      .filter(Boolean);
  expect(offers('surgery run --mode sep')).toEqual(['separate']);
  expect(offers('surgery sweep --mode separate,shared-k')).toEqual(['separate,shared-kv']);
  expect(offers('surgery run --model po')).toEqual(['pocket']);
  expect(offers('npx surgery run --mode sep')).toEqual(['separate']);
});

test('another shell is refused', () => {
  expect(() => completionScript('tcsh', program)).toThrow('completions for "tcsh", allowed: bash, zsh, fish');
});
